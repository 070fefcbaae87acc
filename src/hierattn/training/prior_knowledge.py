"""Weights that a run starts from or learns from; held_out.py proves that they have not seen its held-out folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.checkpoint import Checkpoint, is_described, load_checkpoint
from hierattn.models.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.inference import normalise, to_unit
from hierattn.models.learnt_from import LearntFrom
from hierattn.models.transfer import TransferReport, load_source, transfer_weights
from hierattn.training.held_out import HeldOut

Warn = Callable[[str], None]
"""Hears what could not be proven."""

_FOREIGN = (
    "{path} holds weights of others: whether they have seen this run's held-out photographs, only their authors know"
)


def transfer_into(
    model: nn.Module, path: Path, *, held_out: HeldOut, images: np.ndarray, spec: ImageSpec, warn: Warn
) -> tuple[TransferReport, LearntFrom]:
    """Copy what agrees in role and shape from ``path`` into ``model`` (§4.1.1).

    Parameters
    ----------
    path
        A checkpoint of ours, foreign weights, or MobileNetV2's ``.npz`` with folded batch normalisations.
    held_out
        Of the run: a checkpoint of ours that has seen it is refused.
    images
        Some training images, uint8, (batch, h, w, 3): a folded network's statistics are taken from them.
    spec
        How ``model`` will see them.
    warn
        Hears what could not be proven: of foreign weights nobody can tell.

    Returns
    -------
    tuple[TransferReport, LearntFrom]
        What went where, and the photographs that the weights have seen: none, as far as is known, for foreign ones.

    Raises
    ------
    LeakError
        Where the weights have seen what this run must not.
    CheckpointError
        Where the file is none of these, or nothing fits.
    """
    if not path.is_file():
        raise CheckpointError(
            f"no weights at {path}, which transfer.checkpoint names: docs/training.md says where to get MobileViT's; "
            "or start from random weights with transfer.checkpoint= transfer.frozen_epochs=0"
        )
    if path.suffix == ".npz":
        warn(_FOREIGN.format(path=path))
        seen = normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)), spec.size), spec)
        return transfer_weights(model, load_folded_mobilenet_v2(path, seen).state_dict()), LearntFrom()
    source = load_source(path)
    ours = source if isinstance(source, Checkpoint) else _ours(path)
    if ours is None:
        warn(_FOREIGN.format(path=path))
        return transfer_weights(model, source), LearntFrom()
    learnt = held_out.refuse_seen_by(ours, path, warn)
    return transfer_weights(model, source), learnt


def _ours(path: Path) -> Checkpoint | None:
    """The checkpoint of ours whose tensors are named as foreign ones are: of a MobileViT that we trained."""
    if path.suffix != ".safetensors" or not is_described(path):
        return None
    return load_checkpoint(path)


class Teacher:
    """A trained network whose probabilities are learnt from as well; it never changes.

    Parameters
    ----------
    path
        A checkpoint of ours with the classes of the run, in any order.
    classes, spec
        Of the run.
    held_out
        Of the run.
    warn
        Hears what could not be proven.
    device
        Where the images lie.

    Attributes
    ----------
    learnt_from
        The photographs that it has seen.

    Raises
    ------
    CheckpointError, UsageError, LeakError
        Where there is none, its classes or image size differ, or it has seen what this run must not.
    """

    def __init__(
        self,
        path: Path,
        *,
        classes: tuple[str, ...],
        spec: ImageSpec,
        held_out: HeldOut,
        warn: Warn,
        device: torch.device,
    ) -> None:
        checkpoint = load_checkpoint(path)
        self.learnt_from = held_out.refuse_seen_by(checkpoint, path, warn)
        if set(checkpoint.classes) != set(classes):
            raise UsageError(
                f"the teacher {path} knows {', '.join(checkpoint.classes)}: wanted {', '.join(classes)}, the run's"
            )
        if checkpoint.image_spec.size != spec.size:
            raise UsageError(
                f"the teacher {path} reads images of {checkpoint.image_spec.size} pixels, the set has {spec.size}: "
                "train it on this set"
            )
        self.spec = checkpoint.image_spec
        self.order = torch.tensor([checkpoint.classes.index(code) for code in classes], device=device)
        self.model = checkpoint.build().to(device).requires_grad_(False)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Its logits, (batch, classes) in the run's order, for ``images`` (batch, 3, h, w) in [0, 1]."""
        answer: Tensor = self.model(normalise(images, self.spec))
        return answer[:, self.order]
