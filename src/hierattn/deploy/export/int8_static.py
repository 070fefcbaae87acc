"""Convolutions and products in 8 bits (precision ``int8``), but for the layers whose answers suffer most.

ONNX Runtime's quantiser does the arithmetic: QuantizeLinear and DequantizeLinear around each layer, a scale for each
output channel, ranges of activations from calibration images. Weights take 7 of their 8 bits (``reduce_range``):
processors without VNNI add two products in 16 bits, and 8 would overflow there in silence, on someone else's machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from hierattn.bundle.bundle import INPUT
from hierattn.deploy.export.int8 import large_weights, store_as_int8
from hierattn.deploy.export.quiet import quiet_logs

WANTED_AGREEMENT = 0.995
"""Share of the inner fold's images with the float32 answer, above the 99 % required of the outer fold."""

KEPT = (0, 2, 4, 8, 16, 32)
"""How many of the most sensitive layers stay in float32: the least of these that reaches the wanted agreement."""

Measure = Callable[[ModelProto], tuple[float, float]]
"""(share of equal answers, mean absolute difference of a probability) of a quantised graph on the inner fold."""


@dataclass(frozen=True)
class Quantised:
    """A quantised graph, how many layers compute in 8 bits, and the names of those that do not."""

    model: ModelProto
    layers: int
    kept: tuple[str, ...]


def quantise(model: ModelProto, calibration: np.ndarray, measure: Measure) -> Quantised:
    """Quantise a graph; it stays as it is.

    Parameters
    ----------
    model
        In float32, ``image`` as its input.
    calibration
        uint8 images of the network's size, (N, S, S, 3), from the training part.
    measure
        Compares a candidate with float32 on images that are neither training's nor the outer fold's.
    """
    candidates = layers_to_quantise(model)
    ranges = _ranges(model, calibration)
    sensitive: list[str] = []
    best = model
    for count in KEPT:
        if count and not sensitive:
            sensitive = _most_sensitive_first(model, ranges, candidates, measure)
        kept = sensitive[:count]
        best = _quantised(model, ranges, [name for name in candidates if name not in kept])
        if measure(best)[0] >= WANTED_AGREEMENT or len(kept) >= len(candidates):
            break
    store_as_int8(best)  # what stays in float32 is computed so, and stored in 8 bits all the same
    return Quantised(best, len(candidates) - len(kept), tuple(kept))


def layers_to_quantise(model: ModelProto) -> list[str]:
    """Convolutions and products with large weights, without those whose outputs are answers themselves.

    The stem and the depth-wise convolutions have small weights and lose most by rounding: they are never in it.
    """
    weights = large_weights(model)
    outputs = {output.name for output in model.graph.output}
    near = {name for node in model.graph.node if set(node.output) & outputs for name in [*node.input, *node.output]}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and node.input[1] in weights and not set(node.output) & near
    ]


def _most_sensitive_first(model: ModelProto, ranges: Any, candidates: Sequence[str], measure: Measure) -> list[str]:
    """Quantise each layer alone and see how far the answers move."""
    moved = {name: measure(_quantised(model, ranges, [name]))[1] for name in candidates}
    return sorted(candidates, key=lambda name: -moved[name])


def _ranges(model: ModelProto, images: np.ndarray) -> Any:
    from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator

    class _Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(images[start : start + 16] for start in range(0, len(images), 16))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.rest, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as folder, quiet_logs():
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        calibrator = create_calibrator(
            str(path),
            ["Conv", "Gemm"],
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Reader())
        return calibrator.compute_data()


def _quantised(model: ModelProto, ranges: Any, nodes: Sequence[str]) -> ModelProto:
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    copy = ModelProto()
    copy.CopyFrom(model)
    if not nodes:
        return copy
    with quiet_logs():
        quantiser = QDQQuantizer(
            onnx.shape_inference.infer_shapes(copy),
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=list(nodes),
            nodes_to_exclude=[],
            op_types_to_quantize=["Conv", "Gemm"],
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        quantiser.quantize_model()
        quantiser.model.topological_sort()
    result: ModelProto = quantiser.model.model
    _tidy(result, model)
    return result


def _tidy(result: ModelProto, model: ModelProto) -> None:
    """Take off what the quantiser leaves: an opset that nothing uses, its name, shapes that the model did not say."""
    used = {node.domain for node in result.graph.node}
    opsets = [entry for entry in model.opset_import if entry.domain in used | {""}]
    del result.opset_import[:]
    result.opset_import.extend(opsets)
    result.producer_name, result.producer_version = model.producer_name, model.producer_version
    result.ir_version = model.ir_version
    del result.graph.value_info[:]
    result.graph.value_info.extend(model.graph.value_info)
