"""The profile of HierAttn's blocks: every block, on the input that it really gets."""

import pytest
import torch

from hierattn.benchmarks.block_profile import profile_blocks
from hierattn.models.registry import create_model


def test_every_block_is_timed_on_its_own_input_and_the_dearest_comes_first() -> None:
    torch.manual_seed(0)
    model = create_model("hierattn_xs", transformer_layers=(1, 1, 1))
    times = profile_blocks(model, torch.rand(2, 3, 64, 64), rounds=2)
    by_path = {time.path: time for time in times}
    kinds = ("ConvNormAct", "SCADW", "CTH", "SmallScaleTransformer", "SelfAttention", "BranchAttention")
    assert set(by_path) == {path for path, part in model.named_modules() if type(part).__name__ in kinds}
    assert by_path["stem"].shape == (2, 3, 64, 64)
    assert by_path["stages.0.cth"].shape == (2, 48, 8, 8)
    assert by_path["stages.0.cth.transformer"].shape == (2 * 4, 16, 64)  # four places of a patch, 4 x 4 patches
    assert by_path["branch"].shape == (2, 48, 8, 8)
    assert by_path["stages.1.cth"].kind == "CTH"
    assert [time.minimum_ms for time in times] == sorted((time.minimum_ms for time in times), reverse=True)
    outermost = ["stem", *(f"early.{i}" for i in range(4)), "branch", "head_conv"]
    outermost += [f"stages.{i}.{part}" for i in range(3) for part in ("down", "cth")]
    assert sum(by_path[path].share for path in outermost) == pytest.approx(1)


def test_a_profiled_network_keeps_no_hook() -> None:
    model = create_model("hierattn_xs", transformer_layers=(1, 1, 1))
    profile_blocks(model, torch.rand(1, 3, 64, 64), rounds=1)
    assert not any(part._forward_pre_hooks for part in model.modules())
