"""Static quantisation: most layers compute in 8 bits, and the most sensitive stay in float32."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from hierattn.deploy.export.int8_static import layers_to_quantise, quantise

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


def test_static_quantisation_computes_in_eight_bits_and_leaves_the_last_layers_alone(images):
    model = two_layers()
    before = model.SerializeToString()
    wanted = answer(model, images)
    assert layers_to_quantise(model) == ["conv", "gemm"]
    result = quantise(model, images, lambda candidate: (1.0, 0.0))
    assert (result.layers, result.kept) == (2, ())
    assert model.SerializeToString() == before
    operators = {node.op_type for node in result.model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    assert 0 < np.abs(answer(result.model, images) - wanted).max() < 0.1


def test_the_layer_that_harms_most_is_the_first_to_stay_in_float(images):
    model = two_layers()

    def judge(candidate: onnx.ModelProto) -> tuple[float, float]:
        """As if the convolution could not bear rounding."""
        conv = next(node for node in candidate.graph.node if node.name == "conv")
        spoilt = conv.input[1] != "kernel"
        return (0.5 if spoilt else 1.0), float(spoilt)

    result = quantise(model, images, judge)
    assert result.kept[0] == "conv"
