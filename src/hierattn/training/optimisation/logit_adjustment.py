"""Post-hoc logit adjustment (Menon et al., ICLR 2021): rare classes are predicted more often, without training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hierattn.models.classifier import classifier_of


@contextmanager
def adjusted_classifier(model: nn.Module, log_prior: Tensor | None) -> Iterator[None]:
    """For the time of the block subtract ``log_prior`` (classes,) from the logits of ``model``, in its last bias.

    What is saved within the block has the adjustment in its weights, so that whatever reads them, the report, the
    bundle and the web app, gives the same answer. After it the bias has its former bits. None changes nothing.

    Parameters
    ----------
    model
        Any of the registry's.
    log_prior
        As :func:`~hierattn.training.optimisation.objective.class_log_prior` gives it: a strength times the logarithm
        of each class's share. With strength 1 and probabilities that are right, the answer with the largest logit is
        the one with the best expected balanced accuracy.
    """
    if log_prior is None:
        yield
        return
    bias = classifier_of(model).bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias.sub_(log_prior)
    try:
        yield
    finally:
        with torch.no_grad():
            bias.copy_(before)
