"""Stochastic depth (Table 5) against torchvision's."""

import torch

from hierattn.models.scadw import SCADW
from hierattn.models.stochastic_depth import StochasticDepth


def test_stochastic_depth_rests_in_evaluation() -> None:
    torch.manual_seed(0)
    block = SCADW(4, 4, stride=1, expansion=2, drop_rate=0.9).eval()
    x = torch.randn(64, 4, 2, 2)
    assert torch.equal(block(x), block(x))
    assert not (block(x) == x).flatten(1).all(1).any()


def test_stochastic_depth_draws_and_scales_as_torchvisions() -> None:
    from torchvision.ops import StochasticDepth as Torchvisions

    ours, theirs, x = StochasticDepth(0.3).train(), Torchvisions(0.3, "row").train(), torch.randn(50, 3, 2, 2)
    torch.manual_seed(5)
    first = ours(x)
    torch.manual_seed(5)
    assert torch.equal(first, theirs(x))
