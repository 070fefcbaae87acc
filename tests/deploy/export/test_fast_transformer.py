"""What ONNX Runtime gets in place of the transformers computes the same, for any weights and any size of map."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hierattn import create_model
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.fast_transformer import FastTransformer, fold_norm, with_fast_transformers
from hierattn.image_spec import ImageSpec
from hierattn.models.cth import CTH

SIZE = 64


def network(seed: int = 0) -> CalibratedNetwork:
    """A small HierAttn whose every bias, scale and shift differs from what it starts as."""
    torch.manual_seed(seed)
    model = create_model("hierattn_xs", num_classes=8, transformer_layers=(2, 1, 1))
    for module in model.modules():
        if isinstance(module, nn.LayerNorm | nn.Linear):
            nn.init.normal_(module.bias, 0.3)
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, 1.0, 0.4)
    return CalibratedNetwork(model.eval(), ImageSpec(size=SIZE), [0.0] * 8)


def blocks(of: CalibratedNetwork) -> list[CTH]:
    return [module for module in of.modules() if isinstance(module, CTH)]


@pytest.mark.parametrize("side", [8, 13], ids=["patches fit", "the map is resized before and after"])
@torch.inference_mode()
def test_every_block_gives_the_same_map(side):
    plain = network()
    for before, after in zip(blocks(plain), blocks(with_fast_transformers(plain)), strict=True):
        assert isinstance(after.transformer, FastTransformer)
        maps = torch.randn(3, before.local_rep.conv.in_channels, side, side)
        torch.testing.assert_close(after(maps), before(maps), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_answer_and_heat_map_are_the_same_and_the_network_stays_as_it_was():
    plain = network(1)
    kept = {name: value.clone() for name, value in plain.state_dict().items()}
    images = torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8)
    for found, wanted in zip(with_fast_transformers(plain)(images), plain(images), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(value, kept[name]) for name, value in plain.state_dict().items())


@torch.inference_mode()
def test_the_residual_stream_has_no_mean_and_stays_so():
    fast = blocks(with_fast_transformers(network(2)))[0]
    tokens = fast.to_tokens(torch.randn(2, fast.to_tokens.conv.in_channels, 8, 8)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens.mean(2), torch.zeros(2, 64), atol=1e-6, rtol=0)
    stream = tokens.reshape(-1, tokens.shape[2])
    for layer in fast.transformer.layers:
        stream = layer(stream, 64)
        assert stream.std() > 0.1
        torch.testing.assert_close(stream.mean(1), torch.zeros(128), atol=1e-5, rtol=0)


def test_a_normalisation_goes_into_the_layer_that_reads_it():
    torch.manual_seed(4)
    norm, layer, values = nn.LayerNorm(6), nn.Linear(6, 3), torch.randn(5, 6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    weight, bias = fold_norm(norm, layer.weight, layer.bias)
    bare = nn.functional.layer_norm(values, (6,)).double()
    torch.testing.assert_close(bare @ weight.T + bias, layer(norm(values)).double(), atol=1e-6, rtol=1e-5)
    assert weight.dtype == torch.float64
