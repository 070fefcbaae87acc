"""The convolution-transformer hybrid block, CTH (§3.3.2, Fig. 5): local by convolution, global by transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.models.conv import ConvNormAct
from hierattn.models.stochastic_depth import StochasticDepth
from hierattn.models.transformer import SmallScaleTransformer


def unfold_patches(x: Tensor, patch: int) -> Tensor:
    """Turn a map into sequences: one for each place in a patch, over all the patches.

    (batch, d, H, W) -> (batch * patch^2, N, d), N = (H / patch) * (W / patch), both row by row.

    A token attends to the tokens at the same place of the other patches (Mehta and Rastegari 2021). This layout
    keeps a sequence together and its channels innermost: the transformer's layers need no further copy.

    The channels go last first, and only then do whole tokens move: one copy here, of d values at a time where the map
    is channels-last already, and two quick steps in an exported graph in place of a slow one over six axes.
    """
    batch, dim, height, width = x.shape
    rows, columns = height // patch, width // patch
    x = x.permute(0, 2, 3, 1).reshape(batch, rows, patch, columns, patch, dim)
    x = x.permute(0, 2, 4, 1, 3, 5)  # (batch, patch, patch, rows, columns, d)
    return x.reshape(batch * patch * patch, rows * columns, dim)


def fold_patches(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Undo :func:`unfold_patches`: (batch * patch^2, N, d) -> (batch, d, H, W), channels-last in memory."""
    rows, columns, dim = height // patch, width // patch, tokens.shape[2]
    x = tokens.reshape(-1, patch, patch, rows, columns, dim)
    x = x.permute(0, 3, 1, 4, 2, 5).reshape(-1, height, width, dim)  # whole tokens move
    return x.permute(0, 3, 1, 2)


class CTH(nn.Module):
    """Convolutions learn what is near, a transformer between them what is far.

    3x3 (BN, SiLU) -> 1x1 to d -> unfold -> transformer -> fold -> 1x1 (BN, SiLU) -> beside the input -> 3x3 (BN,
    SiLU) -> plus the input (Table 6), with stochastic depth on the branch.

    (batch, C, H, W) -> the same shape

    Parameters
    ----------
    channels
        C.
    dim, layers, heads, mlp_ratio, dropout
        Of the transformer: :class:`~hierattn.models.transformer.SmallScaleTransformer`.
    patch
        Side of a patch: 2. Where it does not divide H and W, the map is resized bilinearly to the next multiple before
        unfolding and back after folding.
    skip
        Whether the block's input is added to its output (Table 6).
    drop_rate
        Probability that an image's branch is dropped in training. Without the skip it has no effect.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        *,
        layers: int,
        heads: int,
        mlp_ratio: int,
        dropout: float,
        patch: int = 2,
        skip: bool = True,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.skip = skip
        self.local_rep = ConvNormAct(channels, channels, 3)
        self.to_tokens = ConvNormAct(channels, dim, 1, norm=False, act=False)
        self.transformer = SmallScaleTransformer(dim, layers=layers, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)
        self.from_tokens = ConvNormAct(dim, channels, 1)
        self.fusion = ConvNormAct(2 * channels, channels, 3)
        self.stochastic_depth = StochasticDepth(drop_rate)

    def global_rep(self, x: Tensor) -> Tensor:
        """Unfold, transform, fold: (batch, d, H, W) -> the same shape."""
        height, width = x.shape[2:]
        grid = (-(-height // self.patch) * self.patch, -(-width // self.patch) * self.patch)
        fits = grid == (height, width)
        if not fits:
            x = F.interpolate(x, size=grid, mode="bilinear", align_corners=False)
        x = fold_patches(self.transformer(unfold_patches(x, self.patch)), self.patch, *grid)
        return x if fits else F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, H, W) -> (batch, C, H, W)."""
        branch = self.from_tokens(self.global_rep(self.to_tokens(self.local_rep(x))))
        branch = self.fusion(torch.cat([x, branch], dim=1))
        return x + self.stochastic_depth(branch) if self.skip else branch
