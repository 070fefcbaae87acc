"""The session behind a predictor: a fixed batch gives the same answers, and a run has an end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_bundles import BUNDLE, expected_probabilities, small_graph, write_model

from hierattn.deploy.export.export import export
from hierattn.deploy.export.onnx_graph import fix_batch
from hierattn.deploy.predict import session as session_module
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.session import fixed_batch, open_session, run_session
from hierattn.errors import BundleError, UsageError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", [1, 2, 4, 5, 9])
def test_a_fixed_batch_gives_the_answers_of_a_free_one(tmp_path, images, batch):
    model = small_graph()
    fix_batch(model, batch)
    onnx.checker.check_model(model, full_check=True)
    predictor = Predictor.load(write_model(tmp_path / "fixed.onnx", model, BUNDLE.to_metadata()), threads=1)
    assert fixed_batch(predictor._session) == batch
    with pytest.raises(Exception, match="invalid dimensions"):  # ONNX Runtime itself takes no other number
        predictor._session.run(["risk"], {"image": np.zeros((batch + 1, 64, 64, 3), np.uint8)})
    found = predictor.diagnose([predictor.prepare(image) for image in images], heatmap=True)
    for diagnosis, image in zip(found, images, strict=True):
        np.testing.assert_allclose(list(diagnosis.probabilities.values()), expected_probabilities(image), atol=1e-6)
        assert diagnosis.heatmap.shape == (8, 2, 2)


def test_a_free_batch_is_left_free(tmp_path):
    predictor = Predictor.load(write_model(tmp_path / "free.onnx", small_graph(), BUNDLE.to_metadata()), threads=1)
    assert fixed_batch(predictor._session) is None


def slow_graph(steps: int = 400) -> bytes:
    """Products of large matrices, one after another: minutes of work, each node a fraction of a second."""
    side = 1200
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["w", "mean"], ["v0"]),
        *[helper.make_node("MatMul", [f"v{n}", "w"], [f"v{n + 1}"]) for n in range(steps)],
        helper.make_node("ReduceMean", [f"v{steps}"], ["risk"], keepdims=0),
    ]
    weights = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("risk", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return model.SerializeToString()


def test_a_run_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(session_module, "MAX_SECONDS", 0.3)
    session = open_session(slow_graph(), Path("slow.onnx"), threads=1)
    with pytest.raises(BundleError, match="graph failed"):
        run_session(session, ["risk"], np.ones((1, 4, 4, 3), np.uint8))


@pytest.mark.parametrize(("name", "batch"), [("m.onnx", 0), ("m.onnx", 5000), ("m.pte", 2)])
def test_a_batch_that_cannot_be_had_is_said_before_anything_is_loaded(tmp_path, name, batch):
    with pytest.raises(UsageError, match="leave --batch"):
        export(tmp_path / "no-run", tmp_path / name, batch=batch)


def test_a_graph_of_ones_own_making_may_be_opened_without_the_bound_on_memory(tmp_path):
    content = write_model(tmp_path / "own.onnx", small_graph(), BUNDLE.to_metadata()).read_bytes()

    def shares_the_bounded_arena(session) -> bool:
        try:
            return session.get_session_options().get_session_config_entry("session.use_env_allocators") == "1"
        except RuntimeError:  # nobody said
            return False

    assert shares_the_bounded_arena(open_session(content, Path("own"), 1))
    assert not shares_the_bounded_arena(open_session(content, Path("own"), 1, bounded=False))
