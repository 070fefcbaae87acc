"""Weights that a run starts from or learns from, and the proof that they have not seen its held-out folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError, LeakError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.checkpoint import Checkpoint, load_checkpoint
from hierattn.models.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.inference import normalise, to_unit
from hierattn.models.transfer import TransferReport, load_source, transfer_weights


def transfer_into(
    model: nn.Module, path: Path, *, manifest_sha256: str, fold: int, images: np.ndarray, spec: ImageSpec
) -> TransferReport:
    """Copy what agrees in role and shape from ``path`` into ``model`` (§4.1.1).

    Parameters
    ----------
    path
        A checkpoint of ours, foreign weights, or MobileNetV2's ``.npz`` with folded batch normalisations.
    manifest_sha256, fold
        Of the run: a checkpoint that learnt from its held-out folds is refused.
    images
        Some training images, uint8, (batch, h, w, 3): a folded network's statistics are taken from them.
    spec
        How ``model`` will see them.

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
        seen = normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)), spec.size), spec)
        return transfer_weights(model, load_folded_mobilenet_v2(path, seen).state_dict())
    source = load_source(path)
    if isinstance(source, Checkpoint):
        refuse_leak(path, source, manifest_sha256, fold)
    return transfer_weights(model, source)


def refuse_leak(path: Path, checkpoint: Checkpoint, manifest_sha256: str, fold: int) -> None:
    """Refuse weights that learnt from this set with another fold held out: they have seen our outer fold.

    Raises
    ------
    LeakError
        Names both folds.
    """
    data = checkpoint.recipe.get("data", {})
    if checkpoint.provenance.get("manifest_sha256") == manifest_sha256 and data.get("fold") != fold:
        raise LeakError(
            f"{path} learnt from this set with fold {data.get('fold')} held out, so it has seen fold {fold}: wanted "
            "weights of the same fold, e.g. a path with {fold} in it, or of another set"
        )


class Teacher:
    """A trained network whose probabilities are learnt from as well; it never changes.

    Parameters
    ----------
    path
        A checkpoint of ours with the classes of the run, in any order.
    classes, spec
        Of the run.
    manifest_sha256, fold
        Of the run.
    device
        Where the images lie.

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
        manifest_sha256: str,
        fold: int,
        device: torch.device,
    ) -> None:
        checkpoint = load_checkpoint(path)
        refuse_leak(path, checkpoint, manifest_sha256, fold)
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
