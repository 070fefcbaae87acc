"""The CTH block: unfold against torch's own and against loops, the block against its steps written out."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hierattn.models.cth import CTH, fold_patches, unfold_patches


def test_unfold_puts_each_place_of_a_patch_into_its_own_sequence_by_loops() -> None:
    batch, dim, height, width = 2, 3, 4, 6
    x = torch.arange(batch * dim * height * width, dtype=torch.float64).reshape(batch, dim, height, width)
    tokens = unfold_patches(x, 2)
    assert tokens.shape == (batch * 4, 6, dim)
    for image in range(batch):
        for i in range(height):
            for j in range(width):
                sequence = image * 4 + (i % 2) * 2 + j % 2
                position = (i // 2) * (width // 2) + j // 2
                assert torch.equal(tokens[sequence, position], x[image, :, i, j])


def test_unfold_equals_torchs_unfold() -> None:
    x = torch.randn(2, 5, 8, 6)
    theirs = F.unfold(x, kernel_size=2, stride=2)  # (batch, d * 4, N)
    theirs = theirs.reshape(2, 5, 4, 12).permute(0, 2, 3, 1).reshape(8, 12, 5)
    assert torch.equal(unfold_patches(x, 2), theirs)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_fold_undoes_unfold(patch: int) -> None:
    x = torch.randn(2, 5, 8, 12)
    assert torch.equal(fold_patches(unfold_patches(x, patch), patch, 8, 12), x)


class _Copies(TorchDispatchMode):
    """Count the operations that write a tensor anew."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in (torch.ops.aten.clone, torch.ops.aten.copy_)
        return func(*args, **(kwargs or {}))


def test_both_ways_are_one_copy_of_whole_tokens_where_the_map_is_channels_last() -> None:
    x = torch.randn(2, 5, 8, 12).to(memory_format=torch.channels_last)
    with _Copies() as copies:
        folded = fold_patches(unfold_patches(x, 2), 2, 8, 12)
    assert copies.count == 2
    assert torch.equal(folded, x)
    assert folded.is_contiguous(memory_format=torch.channels_last)  # what the convolution after it reads


def _block(**options: object) -> CTH:
    torch.manual_seed(0)
    settings: dict[str, object] = {"layers": 2, "heads": 4, "mlp_ratio": 2, "dropout": 0.1, **options}
    return CTH(6, 8, **settings).double().eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("skip", [True, False])
def test_block_equals_its_steps_with_torchs_own_unfold_and_fold(skip: bool) -> None:
    block, x = _block(skip=skip), torch.randn(2, 6, 8, 6, dtype=torch.float64)
    inner = F.conv2d(block.local_rep(x), block.to_tokens.conv.weight)
    tokens = F.unfold(inner, 2, stride=2).reshape(2, 8, 4, 12)
    out = torch.empty_like(tokens)
    for place in range(4):  # tokens meet only the tokens at their own place of other patches
        out[:, :, place] = block.transformer(tokens[:, :, place].transpose(1, 2)).transpose(1, 2)
    folded = F.fold(out.reshape(2, 32, 12), output_size=(8, 6), kernel_size=2, stride=2)
    wanted = block.fusion(torch.cat([x, block.from_tokens(folded)], 1))
    torch.testing.assert_close(block(x), x + wanted if skip else wanted)


@pytest.mark.parametrize("size", [(7, 5), (8, 5), (1, 1)])
def test_a_map_that_the_patch_does_not_divide_is_resized_and_back(size: tuple[int, int]) -> None:
    block, x = _block(), torch.randn(1, 8, *size, dtype=torch.float64)
    grid = tuple(side + side % 2 for side in size)
    wanted = F.interpolate(block.global_rep(F.interpolate(x, grid, mode="bilinear")), size, mode="bilinear")
    assert block.global_rep(x).shape == x.shape
    torch.testing.assert_close(block.global_rep(x), wanted)


def test_the_transformer_reaches_across_the_whole_map() -> None:
    block = _block()
    x = torch.randn(1, 8, 16, 16, dtype=torch.float64, requires_grad=True)
    block.global_rep(x)[0, :, 0, 0].square().sum().backward()
    reached = x.grad[0].abs().sum(0) > 0
    assert reached[0::2, 0::2].all()
    assert not reached[1::2, :].any()
    assert not reached[:, 1::2].any()


def test_stochastic_depth_needs_the_skip() -> None:
    x = torch.randn(64, 6, 2, 2, dtype=torch.float64)
    with_skip = _block(drop_rate=0.5).train()
    assert 10 < (with_skip(x) == x).flatten(1).all(1).sum() < 54
    without = _block(drop_rate=0.5, skip=False).train()
    assert not (without(x) == 0).flatten(1).all(1).any()
