"""Run a model over packed images, in batches: the one forward pass that validation, evaluation and parity share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hierattn.image_spec import ImageSpec
from hierattn.progress import Progress


def to_unit(images: Tensor, size: int) -> Tensor:
    """Bring uint8 images to [0, 1] where they lie: (batch, h, w, 3) uint8 -> (batch, 3, size, size) float32.

    Images of another size are resized with antialiasing. Packed images normally have the right size already: resizing
    twice is not the same as resizing once, so pack at the size at which the model works.
    """
    values = images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
    if values.shape[-2:] != (size, size):
        values = functional.interpolate(values, (size, size), mode="bilinear", antialias=True)
    return values


def normalise(values: Tensor, spec: ImageSpec) -> Tensor:
    """Subtract ``spec.mean`` and divide by ``spec.std``, per channel; the paper's 0 and 1 leave the tensor as it is."""
    if not any(spec.mean) and all(value == 1 for value in spec.std):
        return values
    mean = values.new_tensor(spec.mean).view(1, -1, 1, 1)
    return (values - mean) / values.new_tensor(spec.std).view(1, -1, 1, 1)


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: np.ndarray,
    indices: Sequence[int] | np.ndarray,
    spec: ImageSpec,
    *,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    answers: np.ndarray | None = None,
) -> np.ndarray:
    """Logits of ``model`` for the images at ``indices``.

    Parameters
    ----------
    model
        In whatever mode; it is put into evaluation mode for the pass and back afterwards. It must lie on ``device``.
    images
        uint8, (images, height, width, 3), a packed set's ``images`` for instance; read a batch at a time.
    indices
        Which images, in which order.
    spec
        What the model expects.
    progress
        Called after each batch, with the images done and their number.
    answers
        Codes of all images' answers, float32 (images, questions), for a model that reads them; None: from the
        photographs alone.

    Returns
    -------
    numpy.ndarray
        float32, (len(indices), classes).
    """
    was_training = model.training
    model.eval()
    order = np.asarray(indices, dtype=np.int64)
    parts = []
    try:
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = torch.from_numpy(np.ascontiguousarray(images[chosen])).to(device)
            told = [] if answers is None else [torch.from_numpy(answers[chosen]).to(device)]
            parts.append(model(normalise(to_unit(batch, spec.size), spec), *told).float().cpu().numpy())
            if progress is not None:
                progress("predicting", min(start + batch_size, len(order)), len(order))
    finally:
        model.train(was_training)
    if not parts:
        return np.zeros((0, 0), np.float32)
    return np.concatenate(parts)
