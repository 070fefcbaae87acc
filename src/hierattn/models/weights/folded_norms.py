"""Batch normalisations that were folded into their convolutions, brought back so that a network can be trained on.

A folded convolution has a weight and a bias and no normalisation. In evaluation any running mean and variance undo
themselves, with ``gamma = sqrt(var + eps)`` and ``beta = bias + mean``; for training on, they should be those of images
like the ones to come, so that the first batch meets the normalisation that it expects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def set_folded(norm: nn.BatchNorm2d, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Let ``norm`` add the folded ``bias`` and nothing else in evaluation; all values (channels,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(bias + mean)


@torch.no_grad()
def follow_inputs(model: nn.Module, images: Tensor) -> None:
    """Give each folded normalisation the statistics of its own input, in one pass of ``images`` (batch, 3, H, W).

    What each adds stays as it is, and so does what the network answers in evaluation, in which it is run.
    """
    handles = [
        part.register_forward_pre_hook(_follow_input(_added(part)))
        for part in model.modules()
        if isinstance(part, nn.BatchNorm2d)
    ]
    was_training = model.training
    try:
        model.eval()(images)  # each hook sets its layer just before that layer runs
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()


def _added(norm: nn.BatchNorm2d) -> Tensor:
    """The folded bias: what a normalisation set by :func:`set_folded` adds."""
    assert norm.running_mean is not None
    return norm.bias.detach() - norm.running_mean


def _follow_input(bias: Tensor) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        set_folded(norm, bias, inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), correction=0))

    return hook
