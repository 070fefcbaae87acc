"""What training minimises: cross-entropy (§4.1.1), and what a recipe may add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hierattn.training.augmentation.mixing import Mix
from hierattn.training.feed import send


@dataclass(frozen=True)
class Objective:
    """The loss of a batch, the mean over its images.

    Attributes
    ----------
    label_smoothing
        Share of the target spread over all classes.
    log_prior
        (classes,), added to the logits in the loss only (logit adjustment, Menon et al. 2021); None for none.
    distillation_weight
        Share of the loss that is the teacher's.
    temperature
        Of the distillation.
    """

    label_smoothing: float = 0.0
    log_prior: Tensor | None = None
    distillation_weight: float = 0.0
    temperature: float = 1.0

    def __call__(self, logits: Tensor, labels: Tensor, mix: Mix | None = None, teacher: Tensor | None = None) -> Tensor:
        """The loss, a scalar, of ``logits`` (batch, classes) against ``labels`` (batch,) and a teacher's logits."""
        logits = logits.float()
        loss = self._classes(logits, labels)
        if mix is not None and mix.share < 1:
            others = self._classes(logits, labels[send(mix.partner, labels.device)])
            loss = mix.share * loss + (1 - mix.share) * others
        if teacher is None or not self.distillation_weight:
            return loss
        taught = distillation_loss(logits, teacher.float(), self.temperature)
        return (1 - self.distillation_weight) * loss + self.distillation_weight * taught

    def _classes(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.log_prior is not None:
            logits = logits + self.log_prior
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Hinton et al. (2015): T^2 times the Kullback-Leibler divergence from the teacher's softened probabilities.

    Both are logits, (batch, classes). The square keeps the gradient's size whatever the temperature.
    """
    ours = functional.log_softmax(logits / temperature, dim=1)
    theirs = functional.log_softmax(teacher / temperature, dim=1)
    return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def class_log_prior(labels: np.ndarray, classes: int, strength: float, device: torch.device) -> Tensor | None:
    """``strength`` times the logarithm of each class's share of ``labels``, (classes,); None for no strength."""
    if not strength:
        return None
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(strength * np.log(counts / counts.sum()), dtype=torch.float32, device=device)
