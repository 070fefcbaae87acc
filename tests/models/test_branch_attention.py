"""Branch attention: pooling against torch's adaptive pooling, assembly against loops, the permutation's nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from hierattn.errors import UsageError
from hierattn.models.branch_attention import BranchAttention, pooling_matrix
from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import create_model


@given(length=st.integers(1, 80), size=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_pooling_matrix_equals_torchs_adaptive_pooling(length: int, size: int) -> None:
    x = torch.randn(2, 3, length)
    ours = x @ pooling_matrix(length, [size], x).T
    assert (ours - F.adaptive_avg_pool1d(x, size)).abs().max() < 1e-6


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7, 8, 16, 25, 32])
@pytest.mark.parametrize("width", [2, 8, 13, 32])
def test_two_matrix_products_equal_adaptive_pooling_on_any_stage_size(height: int, width: int) -> None:
    x = torch.randn(2, 4, height, width)
    pixels = BranchAttention().assemble([x])
    wanted = torch.cat([F.adaptive_avg_pool2d(x, size).flatten(2) for size in (1, 1, 3, 5)], dim=2)
    assert pixels.shape == (2, 4, 36)
    assert (pixels - wanted).abs().max() < 1e-6


def test_stages_join_on_channels_and_sizes_on_pixels_by_loops() -> None:
    stages = [torch.randn(2, channels, side, side) for channels, side in ((2, 8), (3, 4), (4, 2))]
    out = BranchAttention().eval()(stages)
    assert out.shape == (2, 9, 6, 6)
    columns = []
    for size in (1, 1, 3, 5):
        pooled = [F.adaptive_avg_pool2d(stage, size) for stage in stages]
        columns += [torch.cat([branch[:, :, i, j] for branch in pooled], 1) for i in range(size) for j in range(size)]
    wanted = torch.stack([torch.stack(columns[6 * row : 6 * row + 6], -1) for row in range(6)], -2)
    torch.testing.assert_close(out, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("pools", "shape"), [((1,), (1, 1)), ((2,), (2, 2)), ((1, 3, 5), (35, 1)), ((2, 1, 2), (3, 3)), ((7,), (7, 7))]
)
def test_any_pool_sizes_fill_a_square_or_a_column(pools: tuple[int, ...], shape: tuple[int, int]) -> None:
    x = torch.randn(1, 3, 9, 6)
    out = BranchAttention(pools).eval()([x])
    assert out.shape[2:] == shape
    wanted = torch.cat([F.adaptive_avg_pool2d(x, size).flatten(2) for size in pools], dim=2)
    torch.testing.assert_close(out.flatten(2), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pools", [(), (0, 3)])
def test_pool_sizes_that_make_no_pixel_are_refused(pools: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="pool sizes"):
        BranchAttention(pools)


def test_the_permutation_moves_whole_pixels_in_training_only() -> None:
    torch.manual_seed(0)
    branch, stage = BranchAttention(), torch.randn(2, 3, 8, 8)
    still = branch.eval()([stage]).flatten(2)
    moved = branch.train()([stage]).flatten(2)
    assert not torch.equal(still, moved)
    match = (moved[:, :, :, None] == still[:, :, None, :]).all(0).all(0)  # (36 moved, 36 still)
    assert match.any(1).all()
    assert match.any(0).all()
    assert torch.equal(BranchAttention(permute=False).train()([stage]).flatten(2), still)


def _loss_and_gradients(model: HierAttn, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, list]:
    model.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    return loss.detach(), [parameter.grad.clone() for parameter in model.parameters()]


def test_with_the_published_head_the_permutation_changes_neither_loss_nor_any_gradient() -> None:
    torch.manual_seed(0)
    # Every other draw is switched off, so that only the permutation could make a difference.
    quiet = {"stochastic_depth": 0.0, "transformer_dropout": 0.0, "head_dropout": 0.0}
    model = create_model("hierattn_xs", **quiet).double().train()
    assert isinstance(model, HierAttn)
    assert model.branch.permute
    images, labels = torch.rand(4, 3, 64, 64, dtype=torch.float64), torch.tensor([0, 3, 5, 7])
    model.branch.permute = False
    plain_loss, plain = _loss_and_gradients(model, images, labels)
    model.branch.permute = True
    for seed in range(3):
        torch.manual_seed(seed)
        loss, gradients = _loss_and_gradients(model, images, labels)
        assert abs(loss - plain_loss) < 1e-13
        largest = max(gradient.abs().max() for gradient in plain)
        assert max((a - b).abs().max() for a, b in zip(gradients, plain, strict=True)) < 1e-13 * max(1.0, largest)


def test_that_proof_could_fail_because_a_head_that_knows_places_does_change() -> None:
    torch.manual_seed(0)
    branch, stage = BranchAttention().train(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    convolution = torch.nn.Conv2d(3, 4, 3, padding=1).double()
    first, second = (convolution(branch([stage])).abs().mean((2, 3)) for _ in range(2))
    assert (first - second).abs().max() > 1e-6
