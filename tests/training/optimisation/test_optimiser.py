"""The recipe's AdamW: its step is that of the formula (Loshchilov and Hutter 2019), with decoupled weight decay."""

import pytest
import torch
from torch import nn

from hierattn.training.optimisation.optimiser import create_optimiser, set_learning_rate
from hierattn.training.recipe import OptimiserRecipe


def test_the_first_step_is_that_of_the_formula_at_the_rate_that_was_set():
    model = nn.Linear(3, 2)
    recipe = OptimiserRecipe(weight_decay=0.1, betas=(0.8, 0.9))
    optimiser = create_optimiser(model, recipe)
    before = model.weight.detach().clone()
    set_learning_rate(optimiser, 0.01)
    model(torch.ones(1, 3)).sum().backward()  # each gradient is 1, so the first step is the rate, against the gradient
    optimiser.step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.01 * 0.1) - 0.01)
    assert {group["lr"] for group in optimiser.param_groups} == {0.01}
    assert sum(len(group["params"]) for group in optimiser.param_groups) == 2
    assert optimiser.defaults["betas"] == pytest.approx((0.8, 0.9))
