"""The command push: the user reads what would go, is asked, and may say no."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from reports import made
from small_checkpoints import make_checkpoint
from tests.fake_hub import TOKEN, Hub, running_hub, use
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.deploy.export.export import Exported, export
from hierattn.deploy.hub import public_copy
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.hub import PUSHED
from hierattn.models.weights.checkpoint import save_checkpoint
from hierattn.run_folder import RunFolder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with running_hub() as hub:
        use(hub, monkeypatch, tmp_path / "cache")
        yield hub


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    folder.path.mkdir()
    save_checkpoint(folder.best, make_checkpoint())
    made()[0].save(EvaluationFolder(folder.evaluation).report)
    return folder.path


@pytest.fixture(autouse=True, scope="module")
def exported_once(run, tmp_path_factory) -> Iterator[None]:
    """The export takes seconds and always gives the same bytes: it runs once, and later calls copy its file."""
    done = export(run, tmp_path_factory.mktemp("bundle") / "model.onnx")

    def again(_run: Path, out: Path, **_options: object) -> Exported:
        shutil.copy(done.export.path, out)
        return done

    with patch.object(public_copy, "export", again):
        yield


def test_the_folder_is_made_the_user_is_asked_and_no_means_no(hub: Hub, run: Path, tmp_path) -> None:
    words = ["push", str(run), "owner/name", "--out", str(tmp_path / "copy")]
    dry = CliRunner().invoke(app, [*words, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "Nothing was pushed" in dry.output
    assert not hub.asked
    assert all((tmp_path / "copy" / name).is_file() for name in PUSHED)

    no = CliRunner().invoke(app, words, input="n\n")
    assert no.exit_code == 1
    assert "a private repository" in no.output
    assert not hub.repositories

    yes = CliRunner().invoke(app, words, input="y\n")
    assert yes.exit_code == 0, yes.output
    assert hub.repositories["owner/name"].private
    assert TOKEN not in dry.output + no.output + yes.output


def test_public_is_said_in_capitals_before_anything_is(hub: Hub, run: Path, tmp_path) -> None:
    words = ["push", str(run), "owner/name", "--public", "--out", str(tmp_path / "copy")]
    asked = CliRunner().invoke(app, words, input="n\n")
    assert "ANYBODY will be able to read" in asked.output
    assert not hub.repositories
