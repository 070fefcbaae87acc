"""The CTH blocks as ONNX Runtime computes them fastest: the same function, other operators.

ONNX has attention as one operator since operator set 23. It takes queries, keys and values as linear layers leave them:
no transposition, no split, and no scores written to memory between three operators. What stands around it is moved into
weights, once and in float64, by identities that hold for every input:

- softmax does not see what all keys add to a query's scores alike, so the keys' bias is left out; its rows sum to 1, so
  the values' bias goes through them unchanged, into the bias of the layer after;
- a layer normalisation takes the mean off, so the layers that write to the residual stream may write without one: the
  stream then has the mean 0, where the quicker root-mean-square normalisation equals the layer normalisation;
- its scale and shift go into the linear layer, or 1 x 1 convolution, that reads it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.deploy.export.exportable import CalibratedNetwork, PlainAttention, PlainTransformer
from hierattn.models.cth import CTH
from hierattn.models.transformer import TransformerLayer


class FastTransformer(nn.Module):
    """A small-scale transformer on a residual stream of mean 0, without its last scale and shift.

    (sequences, N tokens, d), each token of mean 0 -> the same shape

    Parameters
    ----------
    transformer
        What it computes the same as in evaluation, but for the closing normalisation's scale and shift.
    """

    ones: Tensor

    def __init__(self, transformer: PlainTransformer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FastLayer(layer) for layer in cast(Any, transformer.layers))
        self.eps = transformer.norm.eps
        self.register_buffer("ones", torch.ones(transformer.norm.normalized_shape), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        _, count, dim = tokens.shape
        flat = tokens.reshape(-1, dim)  # on two axes a linear layer is one Gemm, its bias inside
        for layer in self.layers:
            flat = layer(flat, count)
        return F.rms_norm(flat, (dim,), self.ones, self.eps).reshape(-1, count, dim)


class FastLayer(nn.Module):
    """One transformer layer on one table of all tokens of mean 0.

    (sequences * N, d) and N -> (sequences * N, d), of mean 0 again

    Parameters
    ----------
    layer
        What it computes the same as in evaluation.
    """

    ones: Tensor

    def __init__(self, layer: TransformerLayer) -> None:
        super().__init__()
        attention = cast(PlainAttention, layer.attention)  # its queries' weights hold the scores' scale
        self.heads, self.eps = attention.heads, layer.attention_norm.eps
        dim = attention.out.in_features
        weight, bias = fold_norm(layer.attention_norm, attention.qkv.weight, attention.qkv.bias)
        query, key, value = weight.split(dim)
        query_bias, _, value_bias = bias.split(dim)
        out, out_bias = attention.out.weight.double(), attention.out.bias.double()
        self.query = linear(query, query_bias)
        self.key, self.value = linear(key), linear(value)
        self.out = linear(*without_mean(out, out_bias + out @ value_bias))
        first, second = cast("list[nn.Linear]", [part for part in layer.mlp if isinstance(part, nn.Linear)])
        self.widen = linear(*fold_norm(layer.mlp_norm, first.weight, first.bias))
        self.narrow = linear(*without_mean(second.weight.double(), second.bias.double()))
        self.register_buffer("ones", torch.ones(dim), persistent=False)

    def forward(self, tokens: Tensor, count: int) -> Tensor:
        """(sequences * count, d) -> (sequences * count, d)."""
        dim = tokens.shape[1]
        seen = F.rms_norm(tokens, (dim,), self.ones, self.eps)
        query, key, value = (part(seen).reshape(-1, count, dim) for part in (self.query, self.key, self.value))
        mixed = torch.onnx.ops.attention(query, key, value, q_num_heads=self.heads, kv_num_heads=self.heads, scale=1.0)[
            0
        ]
        tokens = tokens + self.out(mixed.reshape(-1, dim))
        out: Tensor = tokens + self.narrow(F.gelu(self.widen(F.rms_norm(tokens, (dim,), self.ones, self.eps))))
        return out


def fold_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight (out, d) and bias (out,) that take a normalisation before its scale and shift; float64."""
    weight = weight.double()
    shift = weight @ norm.bias.double()
    return weight * norm.weight.double(), shift if bias is None else shift + bias.double()


def without_mean(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (d, in) and bias (d,) whose outputs are the given ones' less their mean over d."""
    return weight - weight.mean(0, keepdim=True), bias - bias.mean()


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer, float32, of these values."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


@torch.no_grad()
def with_fast_transformers(network: CalibratedNetwork) -> CalibratedNetwork:
    """A copy in evaluation mode, every CTH block's transformer and the convolutions around it rewritten."""
    network = deepcopy(network).eval()
    for block in network.modules():
        if isinstance(block, CTH):
            _rewrite(block)
    return network


def _rewrite(block: CTH) -> None:
    before, after = block.to_tokens.conv, block.from_tokens.conv
    plain = cast(PlainTransformer, block.transformer)
    # Both convolutions are 1 x 1: nothing is padded, and what is between them, a resize where the patches do not fit,
    # adds up to 1 for every pixel, so that a shift goes through it unchanged.
    before.weight.sub_(before.weight.double().mean(0, keepdim=True).float())
    weight, bias = fold_norm(plain.norm, after.weight.flatten(1), after.bias)
    block.from_tokens.conv = _pointwise(weight, bias)
    block.add_module("transformer", FastTransformer(plain))


def _pointwise(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    conv.weight.copy_(weight[:, :, None, None])
    cast(Tensor, conv.bias).copy_(bias)
    return conv
