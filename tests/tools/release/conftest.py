"""A run on rendered lesions, and the bundle that is released from it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tools.release.candidate import Candidate, examine
from tools.release.lineage import Stage
from tools.release.release import release
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.deploy.predict.released import RELEASE

CHANGES = [
    "optimiser.epochs=2", "optimiser.batch_size=16", "data.epoch_images=64", "optimiser.averaging=0.0",
    "model.options.transformer_layers=[1,1,1]",
]  # fmt: skip
START = Stage(
    "start", "a/start", (), "hierattn train a/start", "abc", "isic2019", "CC BY-NC 4.0", "Somebody, 2018", 10, "0" * 64
)


@pytest.fixture(scope="session")
def run(prepared, tmp_path_factory) -> Path:
    """A run on rendered lesions, trained by a command and evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    words = ["train", "quicktest", *CHANGES, "--data", str(prepared), "--out", str(folder), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hierattn", *words])  # the command that the run writes down
        for call in (words, ["evaluate", str(folder), "--bootstrap", "100"]):
            result = CliRunner().invoke(app, call)
            assert result.exit_code == 0, result.output
    (folder / "shift").mkdir()
    (folder / "shift" / "shift.md").write_text("# tiny under a change of source\n\nMelanoma AUC falls to 0.5.\n")
    return folder


@pytest.fixture(scope="session")
def candidate(run) -> Candidate:
    """The run as if its weights had begun with others, which had seen photographs under a non-commercial licence."""
    found = examine("phone", run)
    return replace(found, stages=(START, *found.stages))


@pytest.fixture(scope="session")
def released(candidate, tmp_path_factory) -> Path:
    """A folder with another bundle of an earlier release, and now this one."""
    folder = tmp_path_factory.mktemp("package") / "released"
    folder.mkdir()
    (folder / "dermoscopy.onnx").write_bytes(b"an earlier one")
    (folder / "dermoscopy.md").write_text("its card\n")
    earlier = {"file": "dermoscopy.onnx", "licence": "CC0-1.0", "stages": []}
    (folder / RELEASE).write_text(json.dumps({"models": {"dermoscopy": earlier}}))
    release(
        {"phone": candidate},
        folder,
        command="python -m tools.release.publish_release --phone runs/tiny",
        say=lambda line: None,
    )
    return folder
