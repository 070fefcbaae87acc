"""Networks by name, the registry's and timm's, and the weights that they start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit
from hierattn.models.registry import create_model, list_models
from hierattn.models.weights.bundle_weights import load_bundle
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, load_weights
from hierattn.models.weights.transfer import transfer_weights


def create(name: str, classes: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """A network with fresh weights: of the registry, or timm's of that name."""
    if name in list_models():
        return create_model(name, num_classes=classes, **dict(options or {}))
    import timm

    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, **dict(options or {}))
    return network


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels and matrices in half precision; vectors, whose bytes are few, as they are."""
    return {name: value.half() if value.is_floating_point() and value.ndim > 1 else value
            for name, value in tensors.items()}  # fmt: skip


def foreign_as(name: str, path: Path) -> dict[str, Tensor]:
    """Weights of others for network ``name``, without classifier, under the network's own names.

    Files whose tensors are in the network's order but under other names are taken by order and shape.

    Raises
    ------
    CheckpointError
        Where they do not fit.
    """
    if path.suffix == ".safetensors":
        given = dict(load_checkpoint(path).state_dict)
    elif path.suffix == ".npz":
        from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2

        given = load_folded_mobilenet_v2(path).state_dict()
    else:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        given = dict(loaded.get("state_dict", loaded))
    own = create(name, 1000).state_dict()
    head = list(own)[-1].rpartition(".")[0] + "."
    kept = [key for key in own if not key.startswith(head)]
    if set(kept) <= set(given):
        taken = {key: given[key] for key in kept}
    elif len(given) in (len(own), len(kept)):
        taken = {key: value for key, value in zip(own, given.values(), strict=False) if key in set(kept)}
    else:
        raise CheckpointError(f"{path} holds {len(given)} tensors, {name} has {len(own)}: wanted weights of {name}")
    wrong = next((key for key in kept if taken[key].shape != own[key].shape), None)
    if wrong is not None:
        raise CheckpointError(f"{path} does not fit {name}: {wrong} is {tuple(taken[wrong].shape)}")
    return taken


def start_from(network: nn.Module, path: Path, classes: tuple[str, ...], spec: ImageSpec, images: np.ndarray) -> str:
    """Take over what fits of ``path`` (a bundle, a checkpoint, or packed starting weights); says what was done.

    Parameters
    ----------
    images
        Some training images, uint8 (batch, h, w, 3): a bundle's folded statistics are taken from them.
    """
    if path.suffix == ".onnx":

        def seen_as(wanted: ImageSpec) -> Tensor:
            return normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)), spec.size), wanted)

        source: Checkpoint | None = load_bundle(path, seen_as)
    else:
        source = load_checkpoint(path)
    assert source is not None
    same = source.classes == classes
    if set(source.state_dict) == set(network.state_dict()) and same:
        load_weights(network, source.state_dict)
        return f"all of {path.name}"
    own, taken = network.state_dict(), source.state_dict
    fits = {name: value for name, value in taken.items() if name in own and own[name].shape == value.shape}
    if len(fits) >= len(own) - 4 and not same:
        head = list(own)[-1].rpartition(".")[0] + "."
        body = {name: value for name, value in fits.items() if not name.startswith(head)}
        network.load_state_dict(body, strict=False)
        return f"all but the classifier of {path.name}"
    return transfer_weights(network, source, classifier=same).summary()


def build(checkpoint: Checkpoint) -> nn.Module:
    """The network of a checkpoint with its weights, registered here or timm's, in evaluation mode."""
    network = create(checkpoint.model, len(checkpoint.classes), checkpoint.options)
    load_weights(network, checkpoint.state_dict)
    return network.eval()
