"""The convolution brick: its size arithmetic and its initialisation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hierattn.models.conv import ConvNormAct, initialise


@pytest.mark.parametrize(("side", "stride", "wanted"), [(64, 1, 64), (65, 1, 65), (64, 2, 32), (65, 2, 33), (1, 2, 1)])
def test_only_the_stride_changes_the_size_and_rounds_up(side: int, stride: int, wanted: int) -> None:
    out = ConvNormAct(3, 4, 3, stride=stride).eval()(torch.zeros(1, 3, side, side))
    assert out.shape == (1, 4, wanted, wanted)


def test_brick_equals_convolution_then_normalisation_then_swish() -> None:
    torch.manual_seed(0)
    brick = ConvNormAct(3, 5, 3).eval().double()
    with torch.no_grad():
        brick.norm.running_mean.uniform_(-1, 1)
        brick.norm.running_var.uniform_(0.5, 2)
        brick.norm.weight.uniform_(0.5, 2)
        brick.norm.bias.uniform_(-1, 1)
        x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
        y = F.conv2d(x, brick.conv.weight, padding=1)
        scale = brick.norm.weight / (brick.norm.running_var + 1e-3).sqrt()
        y = (y - brick.norm.running_mean[:, None, None]) * scale[:, None, None] + brick.norm.bias[:, None, None]
        torch.testing.assert_close(brick(x), y / (1 + (-y).exp()))


def test_switched_off_parts_leave_no_parameters() -> None:
    assert [name for name, _ in ConvNormAct(3, 4, 1, norm=False, act=False).named_parameters()] == ["conv.weight"]


def test_initialisation_draws_what_the_decision_says() -> None:
    torch.manual_seed(0)
    parts = nn.ModuleDict({"conv": nn.Conv2d(64, 128, 3), "linear": nn.Linear(300, 500), "norm": nn.BatchNorm2d(4)})
    parts["norm"].weight.data.fill_(3.0)
    initialise(parts)
    fan_out = 128 * 9
    assert parts["conv"].weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    bound = (6 / 800) ** 0.5
    assert bound * 0.99 < parts["linear"].weight.abs().max().item() <= bound
    assert parts["norm"].weight.tolist() == [1.0] * 4
    assert all(not part.bias.any() for part in parts.values())
