"""Validation on the inner split, which selects the epoch: over all processes; on the device if the images are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hierattn.image_spec import ImageSpec
from hierattn.metrics import balanced_accuracy, balanced_negative_log_likelihood, macro_auc, top1_accuracy
from hierattn.models.inference import normalise, predict_logits, to_unit
from hierattn.training.feed import send

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BATCH = 64
_SIGN = {"balanced_accuracy": 1.0, "macro_auc": 1.0, "top1": 1.0, "balanced_loss": -1.0}


def validate(
    fabric: Fabric,
    model: nn.Module,
    images: np.ndarray | Tensor,
    indices: np.ndarray,
    labels: np.ndarray,
    spec: ImageSpec,
    answers: np.ndarray | None = None,
) -> dict[str, float]:
    """Score ``images`` at ``indices``, without augmentation: cross-entropy, over images and over classes, and the rest.

    ``labels``, (len(indices),), belong to them; ``answers``, (images, questions), to all images. With many processes
    each predicts its share, and all get the same figures, over all images.
    """
    return scores_of(logits_of_all(fabric, model, images, indices, spec, answers), labels)


def scores_of(found: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The figures of :func:`validate` for logits (images, classes)."""
    logits = torch.from_numpy(found)
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    probabilities = logits.double().softmax(dim=1).numpy()
    return {
        "validation_loss": float(loss),
        "validation_top1": top1_accuracy(labels, probabilities),
        "validation_balanced_accuracy": balanced_accuracy(labels, probabilities),
        "validation_macro_auc": macro_auc(labels, probabilities),
        "validation_balanced_loss": balanced_negative_log_likelihood(labels, probabilities),
    }


def standing(scores: Mapping[str, float | str], choose_by: str) -> float:
    """How good an epoch is by the figure that selects it: the figure, or minus a loss; more is better."""
    return _SIGN[choose_by] * float(scores[f"validation_{choose_by}"])


def figure_of(value: float, choose_by: str) -> float:
    """The figure whose :func:`standing` is ``value``."""
    return _SIGN[choose_by] * value


def logits_of_all(
    fabric: Fabric,
    model: nn.Module,
    images: np.ndarray | Tensor,
    indices: np.ndarray,
    spec: ImageSpec,
    answers: np.ndarray | None = None,
) -> np.ndarray:
    """Logits of ``images`` at ``indices``, all of them in every process; arguments as of :func:`validate`."""
    if fabric.world_size == 1:
        return _logits(fabric, model, images, indices, spec, answers)
    share = -(-len(indices) // fabric.world_size)
    padded = np.resize(indices, share * fabric.world_size)  # repeats from the start; cut off again below
    mine = padded[fabric.global_rank * share : (fabric.global_rank + 1) * share]
    logits = torch.from_numpy(_logits(fabric, model, images, mine, spec, answers)).to(fabric.device)
    gathered = fabric.all_gather(logits)
    assert isinstance(gathered, Tensor)
    return gathered.flatten(0, 1)[: len(indices)].cpu().numpy()


def _logits(
    fabric: Fabric,
    model: nn.Module,
    images: np.ndarray | Tensor,
    indices: np.ndarray,
    spec: ImageSpec,
    answers: np.ndarray | None,
) -> np.ndarray:
    if isinstance(images, np.ndarray):
        return predict_logits(model, images, indices, spec, batch_size=BATCH, device=fabric.device, answers=answers)
    return _resident_logits(model, images, indices, spec, answers)


@torch.inference_mode()
def _resident_logits(
    model: nn.Module, images: Tensor, indices: np.ndarray, spec: ImageSpec, answers: np.ndarray | None
) -> np.ndarray:
    """As ``predict_logits``, for images on the device: nothing is copied there, and the answers come back once."""
    was_training = model.training
    model.eval()
    rows = send(torch.from_numpy(np.asarray(indices, np.int64)), images.device)
    try:
        told = None if answers is None else send(torch.from_numpy(answers), images.device)
        parts = [
            model(normalise(to_unit(images[some], spec.size), spec), *([] if told is None else [told[some]])).float()
            for some in rows.split(BATCH)
        ]
    finally:
        model.train(was_training)
    return torch.cat(parts).cpu().numpy()
