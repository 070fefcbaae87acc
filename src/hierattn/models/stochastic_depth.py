"""Stochastic depth (Table 5): in training, drop a block's branch for a whole image at a time."""

from __future__ import annotations

from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """Multiply each image by 0 with probability ``rate``, and by 1 / (1 - rate) otherwise; rest in evaluation.

    What ``torchvision.ops.StochasticDepth(rate, "row")`` computes. It is written out because importing
    ``torchvision.ops`` loads torch's whole compiler, which more than doubles the start of every command.

    Parameters
    ----------
    rate
        Probability of dropping, at least 0 and below 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(batch, ...) -> the same shape."""
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        kept = branch.new_empty((branch.shape[0],) + (1,) * (branch.ndim - 1)).bernoulli_(keep)
        return branch * kept.div_(keep)

    def extra_repr(self) -> str:
        """The rate, for ``print(model)``."""
        return f"rate={self.rate:g}"
