"""``hierattn.create_model``: a network by its name with fresh weights, or with those of a repository on the hub."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.hub import WEIGHTS, hub_file, is_on_hub
from hierattn.models.registry import create_model as create_fresh
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint

MOST_WEIGHTS = 1 << 29
"""Bytes of a checkpoint on the hub that are read; HierAttn_m's has 22 MB."""
_MOST = 4096
"""Of any number or list among a checkpoint's options, so that a description cannot ask for all memory."""


def create_model(name: str, num_classes: int | None = None, **options: Any) -> nn.Module:
    """Build a model: with fresh weights by its name, or with trained ones from the Hugging Face Hub.

    Every model reads float images (batch, 3, H, W) and returns logits (batch, num_classes).

    Parameters
    ----------
    name
        One of :func:`~hierattn.models.registry.list_models`, ``timm:NAME``, or ``hf-hub:OWNER/NAME`` for what
        ``hierattn push`` has pushed, in evaluation mode; ``hf-hub:OWNER/NAME@REVISION`` for an earlier state.
    num_classes
        Width of the output, 1 or more; None: 8, or what the trained model has.
    **options
        As :func:`hierattn.models.registry.create_model` takes them; a trained model takes none.

    Raises
    ------
    UsageError
        For an unknown name or option, or another number of classes than the trained model has.
    HubError, CheckpointError
        Where the hub has no such model, or its file is damaged or foreign.

    Examples
    --------
    >>> create_model("hierattn_xs", num_classes=6).num_classes
    6
    """
    if not is_on_hub(name):
        return create_fresh(name, 8 if num_classes is None else num_classes, **options)
    if options:
        raise UsageError(f"{name} is trained as it is: leave {', '.join(options)} out")
    checkpoint = hub_checkpoint(name)
    if num_classes not in (None, len(checkpoint.classes)):
        raise UsageError(
            f"{name} has {len(checkpoint.classes)} classes, {', '.join(checkpoint.classes)[:200]}: not {num_classes}"
        )
    return checkpoint.build()


def hub_checkpoint(reference: str) -> Checkpoint:
    """The checkpoint of a repository, with its classes and what its network expects of an image.

    A network is built only once its description and its tensors are known to agree, so that a hostile description costs
    no memory.

    Raises
    ------
    HubError
        Where the hub has no such file, or one of more than :data:`MOST_WEIGHTS` bytes.
    CheckpointError
        Where it is damaged, foreign, or describes another network than its tensors are of.
    """
    checkpoint = load_checkpoint(hub_file(reference, WEIGHTS, MOST_WEIGHTS))
    _check_options(reference, {**checkpoint.options, **checkpoint.answers})
    try:
        with torch.device("meta"):
            wanted = checkpoint.fresh().state_dict()
    except UsageError as error:
        raise CheckpointError(f"{reference} describes no network of this hierattn ({error}); update hierattn") from None
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{reference} describes a network that cannot be built ({reason})") from None
    shapes = {name: tuple(value.shape) for name, value in checkpoint.state_dict.items()}
    if shapes != {name: tuple(value.shape) for name, value in wanted.items()}:
        raise CheckpointError(f"{reference} describes a {checkpoint.model}, and its tensors are another network's")
    return checkpoint


def _check_options(reference: str, options: Any) -> None:
    for name, value in options.items():
        parts = value if isinstance(value, list) else [value]
        sizes = [abs(part) for part in parts if isinstance(part, int | float)]
        if (
            len(parts) > _MOST
            or any(not size <= _MOST for size in sizes)
            or any(isinstance(part, list) for part in parts)
        ):
            raise CheckpointError(
                f"{reference} describes a network with {name} {str(value)[:60]}: wanted at most {_MOST}"
            )
