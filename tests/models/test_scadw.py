"""The SCADW block against a statement in einsum and loops, its skip and its stochastic depth."""

import pytest
import torch
from torch import Tensor

from hierattn.models.conv import ConvNormAct
from hierattn.models.scadw import SCADW


def _randomise_statistics(block: torch.nn.Module) -> None:
    for part in block.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.uniform_(-0.5, 0.5)


def _normalise(y: Tensor, brick: ConvNormAct) -> Tensor:
    norm = brick.norm
    scale = norm.weight / (norm.running_var + 1e-3).sqrt()
    return torch.einsum("bchw,c->bchw", y, scale) + (norm.bias - norm.running_mean * scale)[:, None, None]


def _depthwise_by_loops(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    batch, channels, height, width = x.shape
    rows, columns = -(-height // stride), -(-width // stride)
    padded = torch.zeros(batch, channels, height + 2, width + 2, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    out = torch.empty(batch, channels, rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i * stride : i * stride + 3, j * stride : j * stride + 3]
            out[:, :, i, j] = torch.einsum("bcij,cij->bc", window, weight[:, 0])
    return out


def _reference(block: SCADW, x: Tensor, stride: int, skip: bool) -> Tensor:
    y = torch.einsum("oc,bchw->bohw", block.expand.conv.weight.flatten(1), x)
    y = _normalise(y, block.expand)
    y = y * torch.sigmoid(y)
    y = _normalise(_depthwise_by_loops(y, block.depthwise.conv.weight, stride), block.depthwise)
    y = y * torch.sigmoid(y)
    y = torch.einsum("bchw,bc->bchw", y, torch.sigmoid(y.mean((2, 3))))
    y = _normalise(torch.einsum("oc,bchw->bohw", block.project.conv.weight.flatten(1), y), block.project)
    return x + y if skip else y


@pytest.mark.parametrize(
    ("out_channels", "stride", "skip"), [(6, 1, True), (8, 1, False), (6, 2, False), (8, 2, False)]
)
def test_block_equals_einsum_and_loops_with_a_skip_only_where_it_fits(
    out_channels: int, stride: int, skip: bool
) -> None:
    torch.manual_seed(0)
    block = SCADW(6, out_channels, stride=stride, expansion=4, drop_rate=0.2).eval().double()
    with torch.no_grad():
        _randomise_statistics(block)
        x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
        torch.testing.assert_close(block(x), _reference(block, x, stride, skip))


def test_stochastic_depth_leaves_the_input_of_about_a_fifth_of_the_images_alone() -> None:
    torch.manual_seed(0)
    block = SCADW(4, 4, stride=1, expansion=2, drop_rate=0.2).train()
    x = torch.randn(2000, 4, 2, 2)
    untouched = (block(x) == x).flatten(1).all(1)
    assert 0.17 < untouched.float().mean().item() < 0.23
