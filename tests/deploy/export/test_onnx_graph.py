"""Graph surgery: what is folded computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.onnx import build_graph
from hierattn.deploy.export.onnx_graph import fold_divisions, free_batch
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model


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


class _Regrouped(torch.nn.Module):
    """Rows of all images together, as attention over patches takes them, and apart again."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(x.shape[0] * 4, -1).softmax(1)
        return rows.reshape(x.shape[0], 2, 2, -1).flatten(2).transpose(1, 2)


class _Resized(torch.nn.Module):
    """To even sizes, as a CTH before it regroups pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(x, size=(6, 4), mode="bilinear", align_corners=False)


class _WithToken(torch.nn.Module):
    """A token beside every image's own: one that is kept for as many images as were traced."""

    def __init__(self) -> None:
        super().__init__()
        self.token = torch.nn.Parameter(torch.arange(8.0).reshape(1, 1, 8))
        self.classifier = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = x.flatten(1)[:, None, :8]
        return self.classifier(torch.cat([self.token.expand(x.shape[0], -1, -1), own], 1).mean(1))


def _answers(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: values})[0]
    return found


@pytest.mark.parametrize(("network", "shape"), [(_Regrouped(), (4, 6)), (_Resized(), (3, 5, 4))])
def test_a_graph_that_was_traced_for_seven_images_takes_any_number(network, shape):
    graph = torch.onnx.export(network.eval(), (torch.empty(7, *shape),), dynamo=True, verbose=False).model_proto
    assert free_batch(graph, 7)
    for count in (1, 2, 7, 14):
        values = torch.rand(count, *shape, generator=torch.Generator().manual_seed(count))
        np.testing.assert_allclose(_answers(graph, values.numpy()), network(values), atol=1e-6)


def test_a_network_of_the_paper_needs_one_trace_at_a_size_that_halves_to_odd_maps(monkeypatch):
    traced = []
    export = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: traced.append(a) or export(*a, **k))
    network = CalibratedNetwork(create_model("hierattn_xs", 3), ImageSpec(size=64), [0.0, 1.0, 0.0], heatmap=False)
    build_graph(network)
    assert len(traced) == 1


def test_a_graph_that_holds_the_number_of_images_elsewhere_is_traced_with_a_free_one():
    traced = torch.onnx.export(_WithToken().eval(), (torch.empty(7, 3, 4, 4),), dynamo=True, verbose=False)
    assert not free_batch(traced.model_proto, 7)
    network = CalibratedNetwork(_WithToken(), ImageSpec(size=32), [0.0, 1.0, 0.0], heatmap=False)
    graph = build_graph(network)
    for count in (1, 3):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        with torch.no_grad():
            wanted = network.eval()(torch.from_numpy(pixels))[0]
        np.testing.assert_allclose(_answers(graph, pixels), wanted, atol=1e-6)
