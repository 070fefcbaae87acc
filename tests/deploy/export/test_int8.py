"""Fewer bits: what is rounded, by how much at most, and that the graph still answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hierattn.deploy.export.int8 import large_weights, store_as_float16, store_as_int8, to_int8

SIZE, CLASSES = 16, 4


def two_layers() -> onnx.ModelProto:
    """Bytes (N, 16, 16, 3) -> convolution of 1,200 weights -> mean -> product -> softmax."""
    generator = np.random.default_rng(0)
    constants = {
        "kernel": generator.normal(0, 0.2, (48, 3, 3, 3)).astype(np.float32),
        "bias": generator.normal(0, 0.1, 48).astype(np.float32),
        "wide": generator.normal(0, 0.2, (48, 64)).astype(np.float32),
        "wide_bias": np.zeros(64, np.float32),
        "last": generator.normal(0, 2, (64, CLASSES)).astype(np.float32),
        "full": np.array(255, np.float32),
        "places": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT, name="cast"),
        helper.make_node("Div", ["values", "full"], ["unit"], name="div"),
        helper.make_node("Transpose", ["unit"], ["first"], perm=[0, 3, 1, 2], name="transpose"),
        helper.make_node("Conv", ["first", "kernel", "bias"], ["map"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["map"], ["positive"], name="relu"),
        helper.make_node("ReduceMean", ["positive", "places"], ["pooled"], keepdims=0, name="mean"),
        helper.make_node("Gemm", ["pooled", "wide", "wide_bias"], ["hidden"], name="gemm"),
        helper.make_node("MatMul", ["hidden", "last"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1, name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (24, SIZE, SIZE, 3), dtype=np.uint8)


def answer(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.floats(1e-6, 1e6))
def test_rounding_moves_no_weight_by_more_than_half_a_step(seed, axis, size):
    values = (np.random.default_rng(seed).normal(size=(3, 4, 5)) * size).astype(np.float32)
    whole, scale = to_int8(values, axis)
    assert whole.dtype == np.int8
    assert whole.min() >= -127
    assert (np.abs(whole * scale - values) <= scale * 0.501).all()


def test_a_channel_of_zeros_stays_zero():
    whole, scale = to_int8(np.zeros((2, 3), np.float32), 0)
    assert not whole.any()
    assert np.isfinite(scale).all()


def test_only_the_large_weights_of_convolutions_and_products_are_rounded():
    assert large_weights(two_layers()) == {"kernel": 0, "wide": 1}


@pytest.mark.parametrize(("store", "bound"), [(store_as_float16, 2e-3), (store_as_int8, 0.05)])
def test_stored_small_it_answers_nearly_the_same(images, store, bound):
    model = two_layers()
    wanted, size = answer(model, images), len(model.SerializeToString())
    assert store(model) == 2
    assert len(model.SerializeToString()) < 0.75 * size
    found = answer(model, images)
    assert 0 < np.abs(found - wanted).max() < bound
