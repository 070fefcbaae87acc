"""The whole main job as a user does it: prepare, train, evaluate, export, predict, in process and through files."""

import json

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.manifest import read_manifest


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
    record = read_manifest(prepared / "manifest.csv")[0]
    output = hierattn("predict", prepared / record.image, "--model", bundle, "--json")
    answer = json.loads(output)
    answer = answer[0] if isinstance(answer, list) else answer
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert "healthy" not in output.lower()
