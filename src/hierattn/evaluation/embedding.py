"""What a trained network sees of an image: the values that its last linear layer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.classifier import classifier_of
from hierattn.models.inference import predict_logits
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.transfer import IMAGENET_MEAN, IMAGENET_STD
from hierattn.progress import Progress
from hierattn.run_folder import RunFolder


def embed(
    checkpoint: Path,
    packed: PackedSet,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> np.ndarray:
    """Embeddings of all images of a prepared set.

    A network remembers its own training images and finds each of them easy: its embedding measures hardness fairly only
    for images that it was not trained on.

    Parameters
    ----------
    checkpoint
        A run folder, or a checkpoint file.
    packed
        The prepared set; images of another size than the network's are resized.
    device
        Where the network runs.
    batch_size
        Images in one forward pass.
    progress
        Called with images, for the step ``embedding``.

    Returns
    -------
    numpy.ndarray
        float32, (images, channels): 768 channels for HierAttn_xs, 960 for s.

    Raises
    ------
    UsageError
        Where there is no checkpoint.
    CheckpointError
        Where it is damaged, or its network has no linear layer.
    """
    model, spec = _network(checkpoint)
    return _seen(model.to(device), spec, packed.images, device, batch_size, progress)


def embed_pictures(
    weights: Path,
    pictures: np.ndarray,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> np.ndarray:
    """Embeddings of grey pictures, for near-duplicates: two photographs of one thing are seen alike.

    Parameters
    ----------
    weights
        A run folder, a checkpoint file, or MobileNetV2's ``.npz`` with folded batch normalisations.
    pictures
        uint8 grey, (images, side, side), as comparison_picture.py makes them; may be memory-mapped.
    device, batch_size, progress
        As of :func:`embed`.

    Returns
    -------
    numpy.ndarray
        float32, (images, channels): 1280 channels for MobileNetV2. The last bits may differ on another machine.

    Raises
    ------
    UsageError, CheckpointError
        As of :func:`embed`.
    """
    if weights.suffix == ".npz":
        model = load_folded_mobilenet_v2(weights)
        spec = ImageSpec(size=pictures.shape[1], mean=IMAGENET_MEAN, std=IMAGENET_STD)
    else:
        model, spec = _network(weights)
    return _seen(model.to(device), spec, _InColour(pictures), device, batch_size, progress)


class _InColour:
    """Grey pictures as a network reads them, (images, side, side, 3), made when asked for."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.repeat(self._pictures[rows][..., None], 3, axis=-1)


def _network(checkpoint: Path) -> tuple[nn.Module, ImageSpec]:
    path = RunFolder(checkpoint).best if checkpoint.is_dir() else checkpoint
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}: wanted a run folder of 'hierattn train' or its best.safetensors")
    loaded = load_checkpoint(path)
    model = loaded.build()
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers or layers[-1].out_features != len(loaded.classes):
        raise CheckpointError(
            f"{path} is of {loaded.model}, which does not end in a linear layer: wanted one that does"
        )
    return model, loaded.image_spec


def _seen(
    model: nn.Module,
    spec: ImageSpec,
    images: np.ndarray | _InColour,
    device: str,
    batch_size: int,
    progress: Progress | None,
) -> np.ndarray:
    """What the last linear layer reads, batch by batch; only that is kept."""
    seen: list[np.ndarray] = []

    def remember(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        values: Tensor = inputs[0]
        seen.append(values.detach().float().cpu().numpy())
        if progress is not None:
            progress("embedding", min(len(seen) * batch_size, len(images)), len(images))

    hook = classifier_of(model).register_forward_pre_hook(remember)
    try:
        rows = np.arange(len(images))
        predict_logits(model, images, rows, spec, batch_size=batch_size, device=device)  # type: ignore[arg-type]
    finally:
        hook.remove()
    return np.concatenate(seen)
