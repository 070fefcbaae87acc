"""What a trained network sees of an image: the values that its last linear layer reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from hierattn.data.packed import PackedSet
from hierattn.errors import CheckpointError, UsageError
from hierattn.models.checkpoint import load_checkpoint
from hierattn.models.inference import predict_logits


def embed(
    checkpoint: Path,
    packed: PackedSet,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Embeddings of all images of a prepared set.

    A network has learnt its own training images by heart and finds each of them easy: an embedding judges hardness
    fairly only where the network learnt from other images.

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
        Called with (images done, images in all).

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
    path = checkpoint / "best.safetensors" if checkpoint.is_dir() else checkpoint
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}: wanted a run folder of 'hierattn train' or its best.safetensors")
    loaded = load_checkpoint(path)
    model = loaded.build().to(device)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers or layers[-1].out_features != len(loaded.classes):
        raise CheckpointError(
            f"{path} is of {loaded.model}, which does not end in a linear layer: wanted one that does"
        )
    seen: list[np.ndarray] = []

    def remember(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        values: Tensor = inputs[0]
        seen.append(values.detach().float().cpu().numpy())
        if progress is not None:
            progress(min(len(seen) * batch_size, len(packed)), len(packed))

    hook = layers[-1].register_forward_pre_hook(remember)
    try:
        rows = np.arange(len(packed))
        predict_logits(model, packed.images, rows, loaded.image_spec, batch_size=batch_size, device=device)
    finally:
        hook.remove()
    return np.concatenate(seen)
