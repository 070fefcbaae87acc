"""Transfer-learning warm-up (§4.1.1, Table 4): transferred layers stay frozen for the first epochs."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn


def set_frozen(model: nn.Module, names: Collection[str], frozen: bool) -> None:
    """Freeze or release the parameters called ``names``.

    A frozen parameter gets no gradient, so AdamW leaves it alone, its weight decay too. Batch-normalisation
    statistics still follow the data: the paper freezes gradients only ("locking gradient descent").
    """
    wanted = set(names)
    for name, parameter in model.named_parameters():
        if name in wanted:
            parameter.requires_grad_(not frozen)
            if frozen:
                parameter.grad = None
