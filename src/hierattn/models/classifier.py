"""The classifier of a network: every model of the registry ends in one linear layer."""

from __future__ import annotations

from torch import nn


def classifier_of(model: nn.Module) -> nn.Linear:
    """The last linear layer of one of the registry's models, which reads its features and tells its classes.

    >>> from hierattn.models.registry import create_model
    >>> classifier_of(create_model("hierattn_xs", num_classes=6)).out_features
    6
    """
    named = getattr(model, "get_classifier", None)  # timm's networks say which it is
    if named is not None and isinstance(layer := named(), nn.Linear):
        return layer
    return [part for part in model.modules() if isinstance(part, nn.Linear)][-1]
