"""Smaller bundles: weights of 16 or 8 bits, or convolutions computed in 8 bits; each with what it costs, measured.

=============  =====================================================  ===========================================
precision      what is stored                                         what is computed
=============  =====================================================  ===========================================
float32        the weights as they are                                float32
float16        weights rounded to half precision                      float32: they are widened once, when loading
int8-weights   weights of large layers as int8, a scale a channel     float32, as above
mixed          int8 for the largest layers, float16 for the others    float32, as above
int8           the same, and activations of most layers as uint8      convolutions and products in 8 bits
=============  =====================================================  ===========================================

Only standard ONNX operators are used, so that every runtime reads every precision. For ``int8`` the ranges of the
activations come from training images, and the layers whose answer suffers most stay in float32: which, is measured on
the inner fold. The loss is measured on the held-out outer fold, and stored in the bundle.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from hierattn.bundle.bundle import ANSWERS

Precision = Literal["float32", "float16", "int8", "int8-weights", "mixed"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

SMALLEST = 1024
"""Values of the smallest weight that is stored in fewer bits; biases, scales and normalisations stay as they are."""

LARGEST = 65_536
"""Values of the smallest weight that ``mixed`` stores as int8. The layers below it have few bytes, and rounding them
costs most: of EfficientNet-Lite0's 3.3 million values they have 0.5 million and more than half of the error."""

_READERS = ("Conv", "Gemm", "MatMul")


def large_weights(model: ModelProto) -> dict[str, int]:
    """Names of the float32 weights that convolutions and products read, with the axis of their output channels.

    Without those that read answers: they are a few kilobytes, and no photograph of the calibration shows their range.
    """
    told = _after(model, ANSWERS)
    sizes = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    axes: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type not in _READERS or len(node.input) < 2 or node.input[1] not in sizes:
            continue
        if told.intersection(node.input):
            continue
        tensor = sizes[node.input[1]]
        if int(np.prod(tensor.dims)) >= SMALLEST:
            axes[tensor.name] = 0 if node.op_type == "Conv" or _is_transposed(node) else len(tensor.dims) - 1
    return axes


def _after(model: ModelProto, name: str) -> set[str]:
    """The value and all that is made of it; nodes stand in the order in which they run."""
    made = {name}
    for node in model.graph.node:
        if made.intersection(node.input):
            made.update(node.output)
    return made


def _is_transposed(node: onnx.NodeProto) -> bool:
    return any(attribute.name == "transB" and attribute.i for attribute in node.attribute)


def store_as_float16(model: ModelProto) -> int:
    """Store the large weights in half precision, widened by a Cast when the file is loaded; returns how many."""
    nodes = []
    axes = large_weights(model)
    for tensor in model.graph.initializer:
        if tensor.name not in axes:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(_to_half(values), f"{name}_half"))
        nodes.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}_widen", to=TensorProto.FLOAT))
    _prepend(model, nodes)
    return len(nodes)


def _to_half(values: np.ndarray) -> np.ndarray:
    largest = float(np.finfo(np.float16).max)
    return np.clip(values, -largest, largest).astype(np.float16)


def store_mixed(model: ModelProto) -> int:
    """Store the weights of :data:`LARGEST` values or more as int8 and the other large ones in half precision."""
    return store_as_int8(model, LARGEST) + store_as_float16(model)


def store_as_int8(model: ModelProto, least: int = SMALLEST) -> int:
    """Store the weights of ``least`` values or more as int8 with a scale for each output channel; returns how many.

    A Cast and a Mul bring them back. Runtimes compute both once, when loading, so that a prediction costs the same.
    """
    nodes, scales = [], []
    axes = large_weights(model)
    for tensor in model.graph.initializer:
        if tensor.name not in axes or int(np.prod(tensor.dims)) < least:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        whole, scale = to_int8(values, axes[name])
        tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_int8"))
        scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
        nodes.append(
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], name=f"{name}_widen", to=TensorProto.FLOAT)
        )
        nodes.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name], name=f"{name}_scaled"))
    model.graph.initializer.extend(scales)
    _prepend(model, nodes)
    return len(scales)


def to_int8(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Round to -127..127 with one scale for each place on ``axis``: (int8, scales that broadcast against it).

    >>> whole, scale = to_int8(np.array([[1.0, -2.0], [0.5, 0.25]], np.float32), 0)
    >>> whole.tolist(), (whole * scale).round(2).tolist()
    ([[64, -127], [127, 64]], [[1.01, -2.0], [0.5, 0.25]])
    """
    others = tuple(place for place in range(values.ndim) if place != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale


def _prepend(model: ModelProto, nodes: list[onnx.NodeProto]) -> None:
    kept = list(model.graph.node)
    copies = []
    for node in [*nodes, *kept]:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(copies)
