"""An evaluated run that knows what must not leave the machine, and the public copy of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reports import made
from small_checkpoints import make_checkpoint

from hierattn.deploy.hub.public_copy import make_public_copy
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.models.weights.checkpoint import save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.run_folder import RunFolder

SECRET = "/clinic/patients/Erika Mustermann"


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    evaluation = EvaluationFolder(folder.evaluation)
    evaluation.figures.mkdir(parents=True)
    recipe = {
        "name": "small",
        "data": {"prepared": f"{SECRET}/prepared", "fold": 0},
        "transfer": {"checkpoint": f"{SECRET}/start.safetensors"},
        "distillation": {"teacher": [f"{SECRET}/teacher.safetensors"]},
    }
    seen = TrainedOn(np.array([11, 12], np.uint64))
    save_checkpoint(folder.best, replace(make_checkpoint(), recipe=recipe, trained_on=seen))
    folder.recipe.write_text("")
    (evaluation.figures / "gallery.png").write_bytes(b"a crop of a photograph")
    evaluation.page.write_text("a photograph")
    evaluation.predictions.write_text("image\npatient_7.jpg\n")
    made()[0].save(evaluation.report)
    return folder.path


@pytest.fixture(scope="package")
def copy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("copies") / "copy"
    make_public_copy(run, out, "owner/name")
    return out
