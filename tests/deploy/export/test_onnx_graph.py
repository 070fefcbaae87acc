"""Graph surgery: what is folded computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from hierattn.deploy.export.onnx_graph import fold_divisions


@pytest.mark.parametrize("readers", [1, 2], ids=["the convolution alone", "another reader"])
def test_a_division_goes_into_the_convolution_that_alone_reads_it(readers):
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(4, 2, 3, 3)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Div", ["x", "by"], ["part"]),
        onnx.helper.make_node("Conv", ["part", "kernel", "bias"], ["y"], pads=[1, 1, 1, 1]),
        *[onnx.helper.make_node("Abs", ["part"], ["z"])][: readers - 1],
    ]
    weights = {"by": np.array(255, np.float32), "kernel": kernel, "bias": np.ones(4, np.float32)}
    names = ["y", "z"][:readers]
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 5, 5])],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, 5, 5]) for name in names],
        [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    feed = {"x": generator.uniform(0, 255, (1, 2, 5, 5)).astype(np.float32)}
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
    assert fold_divisions(model) == 2 - readers
    assert ("Div" in {node.op_type for node in model.graph.node}) == (readers == 2)
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)
