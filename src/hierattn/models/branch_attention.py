"""Branch attention (§3.3.3, Fig. 6): pool every stage to several sizes, assemble the pixels, randomise them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor, nn

from hierattn.errors import UsageError


def pooling_matrix(length: int, sizes: Sequence[int], like: Tensor) -> Tensor:
    """Adaptive average pooling along one axis as a matrix P, for several sizes at once.

    Row i of the block for size k averages the elements floor(i * length / k) to ceil((i + 1) * length / k) - 1, as
    ``torch.nn.AdaptiveAvgPool2d`` does. So P X P^T pools a map on both axes; two matrix products in place of a
    pooling that exporters write as hundreds of slices wherever k does not divide the length.

    Parameters
    ----------
    length
        Elements along the axis, 1 or more.
    sizes
        Output sizes k.
    like
        Gives device and type.

    Returns
    -------
    Tensor
        (sum of the sizes, length); each row sums to 1.
    """
    # Built by arithmetic on the device, not from a Python list: no copy from the host, and a constant once exported.
    size = torch.cat([torch.full((k,), k, device=like.device) for k in sizes])
    row = torch.cat([torch.arange(k, device=like.device) for k in sizes])
    start = row * length // size
    stop = ((row + 1) * length + size - 1) // size
    place = torch.arange(length, device=like.device)
    inside = (place >= start[:, None]) & (place < stop[:, None])
    return inside.to(like.dtype) / (stop - start)[:, None].to(like.dtype)


class BranchAttention(nn.Module):
    """Pool each stage's map to every size, join the stages on channels and the sizes on pixels.

    [(batch, C_i, H_i, W_i), ...] -> (batch, sum of C_i, side, side)

    With the paper's sizes the pixels are [1x1, 1x1, 3x3, 5x5] = 36 -> 6x6 (Table 3's "8x8" does not follow from
    §3.3.3). Where the pixels do not fill a square the map is (pixels, 1).

    Parameters
    ----------
    pools
        Sizes in the order of the pixels; one may be repeated, as the paper's 1 is.
    permute
        Whether the pixels are put into a random order in training, one order a batch ("Monte Carlo"). The published
        head (1x1 convolution, BN, SiLU, mean) is blind to that order: neither loss nor gradients change.
    """

    def __init__(self, pools: Sequence[int] = (1, 1, 3, 5), *, permute: bool = True) -> None:
        super().__init__()
        if not pools or min(pools) < 1:
            raise UsageError(f"branch pool sizes {tuple(pools)}: wanted one or more sizes of at least 1")
        self.pools = tuple(pools)
        self.permute = permute
        self.pixels = sum(size * size for size in self.pools)
        side = isqrt(self.pixels)
        self.shape = (side, side) if side * side == self.pixels else (self.pixels, 1)

    def assemble(self, stages: Sequence[Tensor]) -> Tensor:
        """Pool and join: -> (batch, channels, pixels), the pixels in the order of ``pools``."""
        distinct = sorted(set(self.pools))
        grids = []
        for stage in stages:
            down, across = (pooling_matrix(length, distinct, stage) for length in stage.shape[2:])
            grids.append(down @ (stage @ across.T))  # (batch, C, sum of sizes, sum of sizes)
        grid = torch.cat(grids, dim=1)
        # Only the blocks on the diagonal pool both axes to the same size.
        first = {size: sum(distinct[:index]) for index, size in enumerate(distinct)}
        blocks = {k: grid[:, :, first[k] : first[k] + k, first[k] : first[k] + k].flatten(2) for k in distinct}
        return torch.cat([blocks[size] for size in self.pools], dim=2)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """[(batch, C_i, H_i, W_i), ...] -> (batch, sum of C_i, side, side)."""
        pixels = self.assemble(stages)
        if self.permute and self.training:
            pixels = pixels[:, :, torch.randperm(self.pixels, device=pixels.device)]
        return pixels.unflatten(2, self.shape)
