"""``hierattn export``: one file that answers as the network does, described for people and for programs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from noise_runs import SPEC, make_run, make_set

from hierattn.deploy.predict.predictor import Predictor
from hierattn.models.inference import predict_logits
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(scope="module")
def exported(tmp_path_factory, hierattn):
    base = tmp_path_factory.mktemp("export")
    make_run(base / "run", make_set(base / "set"))
    return base, hierattn("export", base / "run", base / "out" / "noise.onnx", "--json")


def test_json_alone_describes_the_file_that_was_written(exported):
    base, result = exported
    assert result.code == 0, result.err
    written = json.loads(result.out)
    path = base / "out" / "noise.onnx"
    assert (written["path"], written["bytes"]) == (str(path), path.stat().st_size)
    assert written["precision"] == {"name": "float32"}
    assert any("Not calibrated" in note and "hierattn evaluate" in note for note in written["notes"])
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_is_measured_on_the_outer_fold_is_a_look(exported):
    (entry,) = json.loads((exported[0] / "set" / "looks.json").read_text())["entries"]
    assert (entry["command"], entry["run"], entry["fold"], entry["images"]) == ("export", "run", 1, 24)


def test_the_bundle_answers_as_the_network_does(exported):
    base, _ = exported
    image = np.random.default_rng(8).integers(0, 256, (SPEC.size, SPEC.size, 3), dtype=np.uint8)
    answer = Predictor.load(base / "out" / "noise.onnx", threads=1)(image).probabilities
    logits = predict_logits(load_checkpoint(RunFolder(base / "run").best).build(), image[None], [0], SPEC)
    wanted = torch.softmax(torch.as_tensor(logits[0]), 0).numpy()
    assert [answer[code] for code in EIGHT.codes] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["out.txt"], "ends in .onnx or .pte or .tflite"),
        (["out.mlpackage"], "on iOS use .pte"),
        (["out.onnx", "--precision", "int4"], "wanted one of float32, float16"),
        (["out.onnx", "--batch", "0"], "wanted 1 to"),
        (["out.pte", "--batch", "2"], "leave --batch"),
        (["out.tflite", "--batch", "2"], "leave --batch"),
        (["out.tflite", "--precision", "int8"], "leave --precision out"),
        (["out.pte", "--precision", "int8"], "leave --precision out"),
    ],
)
def test_bad_use_is_one_line_and_writes_nothing(exported, refused, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(2, "export", exported[0] / "run", *words)
    assert not list(tmp_path.iterdir())


def test_a_run_without_weights_is_a_failure_and_writes_nothing(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert "no checkpoint" in refused(1, "export", "run", "out.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_missing_run_is_bad_use(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no run folder at none" in refused(2, "export", "none", "out.onnx")


@pytest.mark.parametrize("name", ["out.onnx", "out.pte"])
def test_a_file_that_is_no_bundle_is_not_replaced(exported, refused, name, tmp_path):
    (tmp_path / name).write_text("my notes")
    assert "not a bundle that hierattn wrote" in refused(2, "export", exported[0] / "run", tmp_path / name)
    assert (tmp_path / name).read_text() == "my notes"


def test_a_bundle_is_replaced_by_a_new_one(exported, hierattn, tmp_path):
    path = tmp_path / "again.onnx"
    path.write_bytes((exported[0] / "out" / "noise.onnx").read_bytes())
    assert hierattn("export", exported[0] / "run", path).code == 0
