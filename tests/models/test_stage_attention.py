"""A stage halves the map and hands on its CTH block's output."""

import torch

from hierattn.models.cth import CTH
from hierattn.models.scadw import SCADW
from hierattn.models.stage_attention import StageAttention


def test_a_stage_halves_the_map_and_ends_with_its_cth_block() -> None:
    torch.manual_seed(0)
    down = SCADW(6, 8, stride=2, expansion=2)
    cth = CTH(8, 12, layers=1, heads=4, mlp_ratio=2, dropout=0.0)
    stage = StageAttention(down, cth).eval()
    x = torch.randn(2, 6, 9, 12)
    assert stage(x).shape == (2, 8, 5, 6)
    assert torch.equal(stage(x), cth(down(x)))
