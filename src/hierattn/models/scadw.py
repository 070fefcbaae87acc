"""The SCADW block: same channel attention after a depth-wise convolution (§3.3.1, Fig. 4c)."""

from __future__ import annotations

from torch import Tensor, nn

from hierattn.models.attention import make_attention
from hierattn.models.conv import ConvNormAct
from hierattn.models.stochastic_depth import StochasticDepth


class SCADW(nn.Module):
    """An inverted residual whose depth-wise convolution is followed by attention.

    expand 1x1 (BN, SiLU) -> depth-wise 3x3 (BN, SiLU) -> attention -> project 1x1 (BN). The block's input is added
    where the stride is 1 and the channels agree; in training that sum then drops the branch at random for a whole
    image at a time (stochastic depth, Table 5).

    (batch, in_channels, H, W) -> (batch, out_channels, ceil(H / stride), ceil(W / stride))

    Parameters
    ----------
    in_channels, out_channels
        Channels read and written.
    stride
        1 or 2.
    expansion
        Inner channels over ``in_channels``: 2 for HierAttn_xs, 4 for s and m.
    attention
        ``"sc"``, ``"none"``, ``"se"``, ``"cbam"`` or ``"coordinate"``.
    drop_rate
        Probability that an image's branch is dropped in training. Without a skip it has no effect.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        attention: str = "sc",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.has_skip = stride == 1 and in_channels == out_channels
        self.expand = ConvNormAct(in_channels, inner, 1)
        self.depthwise = ConvNormAct(inner, inner, 3, stride=stride, groups=inner)
        self.attention = make_attention(attention, inner, in_channels)
        self.project = ConvNormAct(inner, out_channels, 1, act=False)
        self.stochastic_depth = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) -> (batch, out_channels, H / stride, W / stride)."""
        branch: Tensor = self.project(self.attention(self.depthwise(self.expand(x))))
        return x + self.stochastic_depth(branch) if self.has_skip else branch
