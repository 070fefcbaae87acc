"""Matching the teachers' features: a linear map from the input of the student's last layer to that of theirs.

FitNets (Romero et al., ICLR 2015), at the last layer. The features of a teacher that started from ImageNet weights say
more about an image than its probabilities of eight classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hierattn.models.classifier import classifier_of


class LastLayerInput:
    """Keeps the input of a network's last linear layer from its latest pass.

    Parameters
    ----------
    model
        Any of the registry's: each ends in one linear layer, its classifier.
    """

    def __init__(self, model: nn.Module) -> None:
        layer = classifier_of(model)
        self.width: int = layer.in_features
        self._read: Tensor | None = None
        layer.register_forward_pre_hook(self._remember)

    def _remember(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._read = inputs[0]

    def taken(self) -> Tensor:
        """The input, (batch, width) float32; given once, so that no graph outlives its step."""
        assert self._read is not None, "the network has not run since"
        read, self._read = self._read.float(), None
        return read


class FeatureMatching(nn.Module):
    """A student and the linear map from its features to its teachers'.

    (batch, 3, H, W) -> logits (batch, classes) and the student's prediction of the teachers' features, (batch, width)

    Parameters
    ----------
    student
        The network that is trained.
    width
        Of the teachers' features.
    """

    def __init__(self, student: nn.Module, width: int) -> None:
        super().__init__()
        self.student = student
        self._last = LastLayerInput(student)
        self.projection = nn.Linear(self._last.width, width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the predicted features."""
        logits = self.student(images)
        return logits, self.projection(self._last.taken())


def feature_loss(predicted: Tensor, features: Tensor) -> Tensor:
    """The mean squared error of (batch, width) against the teachers' standardised features: 1 is knowing nothing."""
    loss: Tensor = functional.mse_loss(predicted.float(), features.to(torch.float32))
    return loss
