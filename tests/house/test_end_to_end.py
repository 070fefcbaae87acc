"""The whole main job as a user does it: prepare, train, evaluate, export, predict, in process and through files."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import render_lesion


@pytest.fixture(scope="module")
def hierattn():
    def call(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, f"{words}: {result.output}\n{result.exception!r}"
        return result.output

    return call


def test_the_main_job_runs_through_files_and_ends_in_a_prediction(hierattn, prepared, rendered, tmp_path):
    run, bundle = tmp_path / "run", tmp_path / "lesions.onnx"
    small = ["optimiser.epochs=1", "optimiser.batch_size=16", "data.epoch_images=32", "optimiser.averaging=0.0"]
    hierattn("train", "quicktest", *small, "--data", prepared, "--out", run, "--device", "cpu")
    hierattn("evaluate", run)
    report = json.loads((run / "evaluation" / "report.json").read_text())
    assert 0 <= report["balanced_accuracy"]["value"] <= 1
    assert "<html" in (run / "evaluation" / "report.html").read_text().lower()
    hierattn("export", run, bundle)
    photos = [tmp_path / f"{code}.png" for code in ("NV", "MEL", "BCC", "BKL")]
    for photo in photos:  # those of the set are too small to be answered
        Image.fromarray(render_lesion(photo.stem, np.random.default_rng(2), 192).image).save(photo)
    output = hierattn("predict", *photos, "--model", bundle, "--json")
    answers = json.loads(output)
    assert len(answers) == len(photos)
    answer = next(answer for answer in answers if answer["quality"]["ok"])  # others get no probabilities
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert "healthy" not in output.lower()
