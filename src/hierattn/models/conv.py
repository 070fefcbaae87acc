"""Convolution, batch normalisation and Swish: the brick of every block (§3.3.5, Table 3)."""

from __future__ import annotations

from torch import nn

BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.1


class ConvNormAct(nn.Sequential):
    """Convolution without bias -> batch normalisation -> Swish (SiLU).

    (batch, in_channels, H, W) -> (batch, out_channels, ceil(H / stride), ceil(W / stride)): the padding is half the
    kernel, so that only the stride changes the size.

    Parameters
    ----------
    in_channels, out_channels
        Channels read and written.
    kernel_size
        Side of the kernel; odd.
    stride
        1 or 2.
    groups
        ``in_channels`` for a depth-wise convolution.
    norm
        Whether a batch normalisation (eps 1e-3, momentum 0.1) follows.
    act
        Whether Swish closes the brick. The projection of an inverted residual leaves it out.

    Examples
    --------
    >>> import torch
    >>> ConvNormAct(3, 16, kernel_size=3, stride=2)(torch.zeros(1, 3, 65, 64)).shape
    torch.Size([1, 16, 33, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        if norm:
            self.norm = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)
        if act:
            self.act = nn.SiLU()


def initialise(module: nn.Module) -> None:
    """Draw the weights of ``module`` and its children from torch's global generator.

    Convolutions: Kaiming normal, fan-out. Linear layers: Xavier uniform. Normalisations: 1. Every bias: 0.
    Seed with ``torch.manual_seed`` before building a model to repeat the draw.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
        elif isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.ones_(part.weight)
        else:
            continue
        if part.bias is not None:
            nn.init.zeros_(part.bias)
