"""Exponential moving average of the weights: the smoothed model is what is validated and kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """The moving average of a model's floating tensors, learnable and not.

    The decay grows from 0.1 towards ``decay`` as (1 + n) / (10 + n) after n updates, so that the first, bad weights
    are soon forgotten in short runs.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Take in the present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages: list[Tensor] = []
        values: list[Tensor] = []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averages.append(self.tensors[name])
                values.append(value.detach())
            else:
                self.tensors[name].copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)

    def state_dict(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """What a resumed run needs."""
        return {"updates": self.updates, "tensors": self.tensors}

    def load_state_dict(self, state: dict[str, int | dict[str, Tensor]]) -> None:
        """The inverse of :meth:`state_dict`."""
        self.updates = int(state["updates"])  # type: ignore[arg-type]
        saved = state["tensors"]
        if not isinstance(saved, dict) or set(saved) != set(self.tensors):
            raise ValueError("the average belongs to another model")
        for name, value in saved.items():
            self.tensors[name].copy_(value)
