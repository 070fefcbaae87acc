"""Exponential moving average of the weights: the averaged model is validated and saved."""

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
        # The model's own storage, which every step changes in place: looked up once, not at every step.
        present = {name: value.detach() for name, value in model.state_dict().items()}
        self.tensors = {name: value.clone() for name, value in present.items()}
        floating = [name for name, value in present.items() if value.is_floating_point()]
        self._averages, self._values = [self.tensors[name] for name in floating], [present[name] for name in floating]
        counting = [name for name in present if name not in set(floating)]
        self._counts = [(self.tensors[name], present[name]) for name in counting]

    def update(self) -> None:
        """Take in the model's present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        # torch names it in no __all__.
        torch._foreach_lerp_(self._averages, self._values, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        for average, value in self._counts:
            average.copy_(value)

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
