"""Same channel attention (§3.3.1) and its rivals: none, SE, CBAM and coordinate attention (§2).

Each reads and returns a map (batch, C, H, W), and stands between the depth-wise convolution and the projection.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.errors import UsageError

AttentionKind = Literal["none", "se", "sc", "cbam", "coordinate"]
ATTENTION_KINDS: tuple[str, ...] = get_args(AttentionKind)
CBAM_REDUCTION = 16
CBAM_KERNEL = 7
COORDINATE_REDUCTION = 32
COORDINATE_LEAST = 8


class SameChannelAttention(nn.Module):
    """SCAttn (Fig. 4c): each channel is weighted by the sigmoid of its own mean. No parameters.

    ``y[b, c] = x[b, c] * sigmoid(mean over H and W of x[b, c])``
    """

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, H, W) -> the same shape."""
        if self.training:
            weighted: Tensor = _SameChannelTraining.apply(x)
            return weighted
        return x * x.mean((2, 3), keepdim=True).sigmoid()


class _SameChannelTraining(torch.autograd.Function):
    """The same, with its gradient in closed form: fewer passes over the map than autograd makes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        weight = x.mean((2, 3), keepdim=True).sigmoid()
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        by_mean = (gradient * x).sum((2, 3), keepdim=True) * weight * (1 - weight) / (x.shape[2] * x.shape[3])
        return torch.addcmul(by_mean, gradient, weight)


class ConvolutionalBlockAttention(nn.Module):
    """CBAM (Woo et al. 2018): a weight per channel, then a weight per place.

    The channel weight comes from the mean and the maximum over places, through one shared perceptron; the weight of a
    place from the mean and the maximum over channels, through a 7x7 convolution.

    Parameters
    ----------
    channels
        C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // CBAM_REDUCTION)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)
        self.place = nn.Conv2d(2, 1, CBAM_KERNEL, padding=CBAM_KERNEL // 2, bias=False)

    def _perceptron(self, pooled: Tensor) -> Tensor:
        """(batch, C, 1, 1) -> the same shape."""
        weight: Tensor = self.excite(F.relu(self.squeeze(pooled)))
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, H, W) -> the same shape."""
        mean, maximum = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * (self._perceptron(mean) + self._perceptron(maximum)).sigmoid()
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)  # (batch, 2, H, W)
        weighted: Tensor = x * self.place(summary).sigmoid()
        return weighted


class CoordinateAttention(nn.Module):
    """Coordinate attention (Hou et al. 2021): a weight per channel and row times a weight per channel and column.

    Parameters
    ----------
    channels
        C. The inner width is max(8, C // 32), as published.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(COORDINATE_LEAST, channels // COORDINATE_REDUCTION)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.rows = nn.Conv2d(hidden, channels, 1)
        self.columns = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, H, W) -> the same shape."""
        height, width = x.shape[2:]
        by_row = x.mean(3, keepdim=True)  # (batch, C, H, 1)
        by_column = x.mean(2, keepdim=True).transpose(2, 3)  # (batch, C, W, 1)
        joined = F.hardswish(self.norm(self.squeeze(torch.cat([by_row, by_column], dim=2))))  # (batch, hidden, H+W, 1)
        row, column = joined.split([height, width], dim=2)
        weighted: Tensor = x * self.rows(row).sigmoid() * self.columns(column.transpose(2, 3)).sigmoid()
        return weighted


def make_attention(kind: str, channels: int, block_channels: int) -> nn.Module:
    """The attention that stands after a depth-wise convolution.

    Parameters
    ----------
    kind
        ``"sc"`` (the paper's), ``"none"``, ``"se"``, ``"cbam"`` or ``"coordinate"``.
    channels
        Channels of the depth-wise convolution.
    block_channels
        Channels that the whole SCADW block reads. SE squeezes to a quarter of them, as torchvision's EfficientNet
        does: that gives HierAttn_s the 2.17 M parameters of Table 2 (a quarter of ``channels`` would give 2.29 M).

    Raises
    ------
    UsageError
        For another kind.
    """
    if kind == "sc":
        return SameChannelAttention()
    if kind == "none":
        return nn.Identity()
    if kind == "se":
        from torchvision.ops import SqueezeExcitation  # slow to import, and only this rival needs it

        return SqueezeExcitation(channels, max(1, block_channels // 4))
    if kind == "cbam":
        return ConvolutionalBlockAttention(channels)
    if kind == "coordinate":
        return CoordinateAttention(channels)
    raise UsageError(f"attention {kind!r}: wanted one of {', '.join(ATTENTION_KINDS)}")
