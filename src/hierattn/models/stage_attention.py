"""Stage attention (§3.3.2): a SCADW block of stride 2, then a CTH block."""

from __future__ import annotations

from torch import Tensor, nn

from hierattn.models.cth import CTH
from hierattn.models.scadw import SCADW


class StageAttention(nn.Module):
    """Halve the map, then learn local and global representations of it.

    (batch, in_channels, H, W) -> (batch, channels, ceil(H / 2), ceil(W / 2))

    Table 3 calls the first row of a stage "Conv 3x3, down 2"; §3.3.2 and the parameter counts say SCADW.

    Parameters
    ----------
    down
        The SCADW block of stride 2.
    cth
        The convolution-transformer hybrid. Its output is the stage's output, and what heat maps are drawn from.
    """

    def __init__(self, down: SCADW, cth: CTH) -> None:
        super().__init__()
        self.down = down
        self.cth = cth

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) -> (batch, channels, H / 2, W / 2)."""
        out: Tensor = self.cth(self.down(x))
        return out
