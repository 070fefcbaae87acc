"""What a trained network sees of an image: the values that its last linear layer reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.classifier import classifier_of
from hierattn.models.inference import predict_logits
from hierattn.models.weights.bundle_weights import load_bundle
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.transfer import IMAGENET_MEAN, IMAGENET_STD
from hierattn.progress import Progress
from hierattn.run_folder import RunFolder


@dataclass(frozen=True)
class Embedder:
    """A trained network up to its last linear layer.

    Attributes
    ----------
    model
        On ``device``.
    spec
        What it expects of an image; images of another size are resized.
    device
        Where it runs.
    """

    model: nn.Module
    spec: ImageSpec
    device: str = "cpu"

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: str = "cpu") -> Embedder:
        """That of a checkpoint.

        Raises
        ------
        CheckpointError
            Where its network has no linear layer at its end.
        """
        model = checkpoint.build()
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if not layers or layers[-1].out_features != len(checkpoint.classes):
            raise CheckpointError(f"{checkpoint.model} does not end in a linear layer: wanted a network that does")
        return cls(model.to(device), checkpoint.image_spec, device)

    def __call__(
        self,
        images: np.ndarray | GreyPictures,
        rows: Sequence[int] | np.ndarray | None = None,
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """What the last linear layer reads of some rows of uint8 images, or of all: float32, (rows, channels).

        Only that is kept, batch by batch; ``progress`` is told of images, for the step ``embedding``.
        """
        order = np.arange(len(images)) if rows is None else np.asarray(rows, np.int64)
        seen: list[np.ndarray] = []

        def remember(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            values: Tensor = inputs[0]
            seen.append(values.detach().float().cpu().numpy())
            if progress is not None:
                progress("embedding", min(len(seen) * batch_size, len(order)), len(order))

        hook = classifier_of(self.model).register_forward_pre_hook(remember)
        how = {"batch_size": batch_size, "device": self.device}
        try:
            predict_logits(self.model, images, order, self.spec, **how)  # type: ignore[arg-type]
        finally:
            hook.remove()
        return np.concatenate(seen)


def embed(
    weights: Path,
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
    weights
        As :func:`open_weights` takes them.
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
    UsageError, CheckpointError
        As of :func:`open_weights`; the second, too, where the network has no linear layer at its end.
    """
    return Embedder.of(open_weights(weights), device)(packed.images, batch_size=batch_size, progress=progress)


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
        As :func:`open_weights` takes them, or MobileNetV2's ``.npz`` with folded batch normalisations.
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
        spec = ImageSpec(size=pictures.shape[1], mean=IMAGENET_MEAN, std=IMAGENET_STD)
        embedder = Embedder(load_folded_mobilenet_v2(weights).to(device), spec, device)
    else:
        embedder = Embedder.of(open_weights(weights), device)
    return embedder(GreyPictures(pictures), batch_size=batch_size, progress=progress)


def weights_file(weights: Path) -> Path:
    """The file of a run folder's kept weights, or the file that was named.

    Raises
    ------
    UsageError
        Where there is none.
    """
    path = RunFolder(weights).best if weights.is_dir() else weights
    if not path.is_file():
        raise UsageError(
            f"no checkpoint at {path}: wanted a run folder of 'hierattn train', its best.safetensors or a bundle"
        )
    return path


def open_weights(weights: Path) -> Checkpoint:
    """The checkpoint in a run folder, a checkpoint file, or an exported bundle (``.onnx``).

    Raises
    ------
    UsageError, CheckpointError
        Where there is none, it is damaged, or a bundle holds weights that cannot be read back.
    """
    path = weights_file(weights)
    return load_bundle(path) if path.suffix == ".onnx" else load_checkpoint(path)


class GreyPictures:
    """Grey pictures as a network reads them, (images, side, side, 3), made when asked for."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.repeat(self._pictures[rows][..., None], 3, axis=-1)
