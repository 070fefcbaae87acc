"""AdamW, as §4.1.1 uses it."""

from __future__ import annotations

import torch
from torch import nn

from hierattn.training.recipe import OptimiserRecipe


def create_optimiser(model: nn.Module, recipe: OptimiserRecipe, *, fused: bool = False) -> torch.optim.AdamW:
    """AdamW over every parameter of ``model``, with the recipe's betas and decoupled weight decay.

    The rate that is set here is replaced before each step by the schedule's. ``fused`` is torch's one kernel for all
    parameters, for GPUs.
    """
    return torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=fused or None,
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = rate
