"""OpenVINO in ONNX Runtime's place: the same answers, by every door, or an error; never other ones."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from small_bundles import BUNDLE, small_graph, write_model, write_small_bundle
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.deploy.export.onnx_graph import fix_batch
from hierattn.deploy.predict.predictor import RELEASED, Diagnosis, Predictor
from hierattn.errors import BundleError, UsageError

ANSWER = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(autouse=True)
def _needs_openvino(request: pytest.FixtureRequest) -> None:
    if "without" not in request.node.name:
        pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (60 + 7 * number, 90, 3), dtype=np.uint8) for number in range(5)]


def assert_same(found: Diagnosis, wanted: Diagnosis) -> None:
    np.testing.assert_allclose(list(found.probabilities.values()), list(wanted.probabilities.values()), **ANSWER)
    assert found.risk == pytest.approx(wanted.risk, abs=1e-5)
    assert found.advice == wanted.advice
    if wanted.heatmap is not None:
        np.testing.assert_allclose(found.heatmap, wanted.heatmap, atol=1e-4)


@pytest.mark.parametrize("model", ["small", *RELEASED])
def test_it_gives_onnx_runtimes_diagnosis_and_heat_map(tmp_path, photos, model):
    place = write_small_bundle(tmp_path / "small.onnx") if model == "small" else model
    one, other = (Predictor.load(place, threads=1, runtime=name) for name in ("openvino", "onnxruntime"))
    for photo in photos[:2]:
        assert_same(one(photo, heatmap=True), other(photo, heatmap=True))


@pytest.mark.parametrize("batch", [None, 3])
def test_several_photographs_and_several_callers_get_their_own_answers(tmp_path, photos, batch):
    model = small_graph()
    if batch:
        fix_batch(model, batch)
    path = write_model(tmp_path / "bundle.onnx", model, BUNDLE.to_metadata())
    one, other = (Predictor.load(path, runtime=name) for name in ("openvino", "onnxruntime"))
    prepared = [other.prepare(photo) for photo in photos]
    wanted = other.diagnose(prepared)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: one.diagnose(prepared), range(8)):
            for each, expected in zip(found, wanted, strict=True):
                assert_same(each, expected)


def test_a_graph_that_it_answers_otherwise_is_refused(tmp_path):
    # OpenVINO shrinks without Pillow's filter, and does not say so: a resize within the graph gives other values.
    model = small_graph()
    resize = next(node for node in model.graph.node if node.op_type == "Resize")
    shrunk = helper.make_node("Resize", ["image", "", "", "small"], ["shrunk"], name="shrink")
    for attribute in resize.attribute:
        shrunk.attribute.append(attribute)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([24, 24], np.int64), "small"))
    resize.input[0] = "shrunk"
    model.graph.node.insert(0, shrunk)
    path = write_model(tmp_path / "other.onnx", model, BUNDLE.to_metadata())
    Predictor.load(path)
    with pytest.raises(
        BundleError, match=r"OpenVINO .* answers otherwise than ONNX Runtime .* use --runtime onnxruntime"
    ):
        Predictor.load(path, runtime="openvino")


def test_an_unknown_runtime_is_refused_by_name():
    with pytest.raises(UsageError, match="runtime 'tensorrt': wanted onnxruntime or openvino"):
        Predictor.load("dermoscopy", runtime="tensorrt")


def test_the_commands_take_it(tmp_path, photos):
    from PIL import Image

    bundle = write_small_bundle(tmp_path / "small.onnx")
    (tmp_path / "photos").mkdir()
    Image.fromarray(photos[0]).save(tmp_path / "photos" / "one.png")
    words = ["predict", str(tmp_path / "photos" / "one.png"), "--model", str(bundle), "--json", "--runtime"]
    found, wanted = (json.loads(CliRunner().invoke(app, [*words, name]).stdout) for name in ("openvino", "onnxruntime"))
    assert found[0]["probabilities"] == pytest.approx(wanted[0]["probabilities"], abs=1e-5)
    table = tmp_path / "table.csv"
    words = ["predict", "--batch", str(tmp_path / "photos"), "--out", str(table), "--model", str(bundle), "--jobs", "1"]
    assert CliRunner().invoke(app, [*words, "--runtime", "openvino"]).exit_code == 0
    assert table.read_text().splitlines()[1].startswith("one.png")


def test_without_openvino_the_command_names_the_extra(tmp_path):
    bundle = write_small_bundle(tmp_path / "small.onnx")
    (tmp_path / "openvino.py").write_text("raise ImportError('not installed')")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from hierattn.__main__ import main; main()"
    words = [sys.executable, "-c", code, str(tmp_path), "predict", "x.png", "--model", str(bundle)]
    result = subprocess.run([*words, "--runtime", "openvino"], capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert "pip install 'hierattn[openvino]" in " ".join(result.stderr.split())
    assert not Path("x.png").exists()
