"""Starting weights (§4.1.1); held_out.py proves that they have not seen the held-out folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit
from hierattn.models.peers import PEERS
from hierattn.models.weights.bundle_weights import load_bundle
from hierattn.models.weights.checkpoint import Checkpoint, is_described, load_checkpoint
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.models.weights.transfer import TransferReport, load_source, transfer_weights
from hierattn.models.weights.weight_files import find_weights, published_weights
from hierattn.training.teaching.held_out import Admission

FOREIGN = "{path} holds foreign weights: only their authors know whether they have seen this run's held-out photographs"


def transfer_into(
    model: nn.Module, reference: str, admission: Admission, *, images: np.ndarray, classifier: bool = False
) -> tuple[TransferReport, TrainedOn]:
    """Copy what agrees in role and shape from ``path`` into ``model`` (§4.1.1).

    Parameters
    ----------
    reference
        A path, or ``package:NAME``: a checkpoint or bundle of ours, foreign weights, or MobileNetV2's ``.npz`` with
        folded batch normalisations.
    admission
        Of the run: a checkpoint of ours that has seen what it holds out is refused.
    images
        Some training images, uint8, (batch, h, w, 3): a folded network's statistics are taken from them.
    classifier
        Whether the classifier is taken over too, from weights of ours that know the same classes.

    Returns
    -------
    tuple[TransferReport, TrainedOn]
        What went where, and the photographs that the weights have seen: none, as far as is known, for foreign ones.

    Raises
    ------
    LeakError
        Where the weights have seen what this run must not.
    CheckpointError
        Where the file is none of these, or nothing fits.
    UsageError
        Where the classifier is asked for and knows other classes.
    """
    path = find_weights(reference)
    if not path.is_file():
        raise CheckpointError(
            f"no weights at {path}, which transfer.checkpoint names: {_how_to_get(path)}; "
            "or start from random weights with transfer.checkpoint= transfer.frozen_epochs=0"
        )

    def seen_as(wanted: ImageSpec) -> Tensor:
        return normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)), wanted.size), wanted)

    if path.suffix == ".npz":
        admission.warn(FOREIGN.format(path=path))
        if classifier:
            _refuse_other_classes(path, (), admission.classes)
        folded = load_folded_mobilenet_v2(path, seen_as(admission.spec))
        return transfer_weights(model, folded.state_dict()), TrainedOn()
    source = load_bundle(path, seen_as) if path.suffix == ".onnx" else load_source(path)
    ours = source if isinstance(source, Checkpoint) else _ours(path)
    if classifier:
        _refuse_other_classes(path, ours.classes if ours else (), admission.classes)
    if ours is None:
        admission.warn(FOREIGN.format(path=path))
        return transfer_weights(model, source), TrainedOn()
    trained_on = admission.held_out.refuse_seen_by(ours, path, admission.warn)
    return transfer_weights(model, source, classifier=classifier), trained_on


def _how_to_get(path: Path) -> str:
    """A file that 'fetch' brings is named with the command; any other is some run's."""
    for published in map(published_weights, PEERS):
        if published.file == path.name:
            return f"get them with '{published.fetch_command(path.parent)}'"
    return "train them first, or name others"


def _refuse_other_classes(path: Path, known: tuple[str, ...], classes: tuple[str, ...]) -> None:
    if known != classes:
        knows = ", ".join(known) or "classes that it does not name"
        raise UsageError(
            f"transfer.classifier asks for the classifier of {path}, which knows {knows}: wanted {', '.join(classes)}, "
            "the run's; set transfer.classifier=false"
        )


def load_ours(path: Path) -> Checkpoint:
    """A checkpoint of ours, or a bundle read back as one.

    Raises
    ------
    CheckpointError
        Where it is neither.
    """
    return load_bundle(path) if path.suffix == ".onnx" else load_checkpoint(path)


def _ours(path: Path) -> Checkpoint | None:
    """The checkpoint of ours whose tensors are named as foreign ones are: of a MobileViT that we trained."""
    if path.suffix != ".safetensors" or not is_described(path):
        return None
    return load_checkpoint(path)
