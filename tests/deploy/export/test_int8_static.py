"""Static quantisation: most layers compute in 8 bits, and the most sensitive stay in float32."""

from __future__ import annotations

import numpy as np
import onnx
from small_bundles import answer_of, two_layers

from hierattn.deploy.export.int8_static import layers_to_quantise, quantise


def test_static_quantisation_computes_in_eight_bits_and_leaves_the_last_layers_alone(images):
    model = two_layers()
    before = model.SerializeToString()
    wanted = answer_of(model, images)
    assert layers_to_quantise(model) == ["conv", "gemm"]
    result = quantise(model, images, lambda candidate: (1.0, 0.0))
    assert (result.layers, result.kept) == (2, ())
    assert model.SerializeToString() == before
    operators = {node.op_type for node in result.model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    assert 0 < np.abs(answer_of(result.model, images) - wanted).max() < 0.1


def test_the_layer_that_harms_most_is_the_first_to_stay_in_float(images):
    model = two_layers()

    def judge(candidate: onnx.ModelProto) -> tuple[float, float]:
        """As if the convolution could not bear rounding."""
        conv = next(node for node in candidate.graph.node if node.name == "conv")
        spoilt = conv.input[1] != "kernel"
        return (0.5 if spoilt else 1.0), float(spoilt)

    result = quantise(model, images, judge)
    assert result.kept[0] == "conv"
