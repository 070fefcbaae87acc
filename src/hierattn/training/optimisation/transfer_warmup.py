"""Transfer-learning warm-up (§4.1.1, Table 4): transferred layers stay frozen for the first epochs."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def scaled_frozen_epochs(frozen: int, planned: int, epochs: int) -> int:
    """The frozen epochs of a run of ``epochs`` epochs whose recipe freezes ``frozen`` of ``planned``.

    The same share, rounded up; at least one epoch is left in which all layers train.

    >>> [scaled_frozen_epochs(30, 500, epochs) for epochs in (500, 100, 20, 2, 1)]
    [30, 6, 2, 1, 0]
    """
    return min(-(-frozen * epochs // planned), epochs - 1)


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
