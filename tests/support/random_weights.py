"""Weights of which no two tensors are alike, so that one that went to the wrong place is seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def randomised(model: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    """The model's state with every floating value moved a little."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        state[name] = value + 0.02 * noise if value.is_floating_point() else value.clone()
    return state
