"""Starting weights (§4.1.1); held_out.py proves that they have not seen the held-out folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    model: nn.Module,
    reference: str,
    admission: Admission,
    *,
    images: np.ndarray,
    classifier: bool = False,
    averaged_with: Sequence[str] = (),
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
    averaged_with
        Further weights of ours, of the same network: the mean of all is copied.

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
        Where the classifier is asked for and knows other classes, or weights to average are of another network.
    """
    path, *others = (_found(each) for each in (reference, *averaged_with))

    def seen_as(wanted: ImageSpec) -> Tensor:
        return normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)), wanted.size), wanted)

    if path.suffix == ".npz" and not others:
        admission.warn(FOREIGN.format(path=path))
        if classifier:
            _refuse_other_classes(path, (), admission.classes)
        folded = load_folded_mobilenet_v2(path, seen_as(admission.spec))
        return transfer_weights(model, folded.state_dict()), TrainedOn()
    if others:
        every = {each: load_ours(each) for each in (path, *others)}
        mean = mean_of(every)
        if classifier:
            _refuse_other_classes(path, mean.classes, admission.classes)
        trained_on = TrainedOn()
        for each, checkpoint in every.items():
            trained_on = trained_on.joined(admission.held_out.refuse_seen_by(checkpoint, each, admission.warn))
        return transfer_weights(model, mean, classifier=classifier), trained_on
    source = load_bundle(path, seen_as) if path.suffix == ".onnx" else load_source(path)
    ours = source if isinstance(source, Checkpoint) else _ours(path)
    if classifier:
        _refuse_other_classes(path, ours.classes if ours else (), admission.classes)
    if ours is None:
        admission.warn(FOREIGN.format(path=path))
        return transfer_weights(model, source), TrainedOn()
    trained_on = admission.held_out.refuse_seen_by(ours, path, admission.warn)
    return transfer_weights(model, source, classifier=classifier), trained_on


def _found(reference: str) -> Path:
    path = find_weights(reference)
    if not path.is_file():
        raise CheckpointError(
            f"no weights at {path}, which the recipe's transfer names: {_how_to_get(path)}; "
            "or start from random weights with transfer.checkpoint= transfer.frozen_epochs=0"
        )
    return path


def mean_of(checkpoints: Mapping[Path, Checkpoint]) -> Checkpoint:
    """The first checkpoint with the mean of the weights of all; whole numbers, which only count, are the first's.

    Raises
    ------
    UsageError
        Where one is of another network, other classes or other images than the first.
    """
    (path, first), *others = checkpoints.items()
    for other_path, other in others:
        for what, read in (
            ("network", lambda each: each.model),
            ("classes", lambda each: each.classes),
            ("images", lambda each: each.image_spec),
            ("tensors", lambda each: {name: tuple(value.shape) for name, value in each.state_dict.items()}),
        ):
            if read(other) != read(first):
                raise UsageError(
                    f"transfer.averaged_with: {other_path} has other {what} than {path}: wanted the same network"
                )
    means = {
        name: torch.stack([each.state_dict[name].double() for each in checkpoints.values()]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in first.state_dict.items()
    }
    return replace(first, state_dict=means)


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
