"""The training loop, to be read on one screen (§4.1.1).

``fit.py`` sets the stage; here is what happens in an epoch. Every random choice of a step follows from (seed, epoch,
step), so the loop can be left and entered again at any step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hierattn.data import augmentation
from hierattn.errors import TrainingError
from hierattn.image_spec import ImageSpec
from hierattn.metrics import balanced_accuracy, macro_auc, top1_accuracy
from hierattn.models.inference import normalise, predict_logits, to_unit
from hierattn.training import seed as seeds
from hierattn.training.averaging import WeightAverage
from hierattn.training.epoch_order import epoch_order
from hierattn.training.optimiser import set_learning_rate
from hierattn.training.progress import Listener
from hierattn.training.recipe import Recipe
from hierattn.training.schedule import learning_rate_with_transfer

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class TrainingImages:
    """The images to learn from.

    Attributes
    ----------
    images
        uint8, (all images, size, size, 3): the packed set, in memory, memory-mapped or on the device.
    indices
        Which of them are the training part, int64, (training images,).
    labels
        Their class numbers, int64, (training images,).
    """

    images: np.ndarray | Tensor
    indices: np.ndarray
    labels: np.ndarray

    def batch(self, positions: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Images (batch, size, size, 3) uint8 and labels (batch,) int64 at ``positions`` of the training part."""
        rows = self.indices[positions]
        if isinstance(self.images, Tensor):
            images = self.images[torch.from_numpy(rows).to(self.images.device)]
        else:
            images = torch.from_numpy(np.ascontiguousarray(self.images[rows]))
        labels = torch.from_numpy(self.labels[positions])
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


@dataclass
class Progress:
    """Where a run stands: ``step`` steps of ``epoch`` are done, with these sums over them."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    interrupted: bool = field(default=False, repr=False)


def train_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage | None,
    data: TrainingImages,
    spec: ImageSpec,
    recipe: Recipe,
    progress: Progress,
    listener: Listener,
    stop: Callable[[], bool],
) -> None:
    """Train the rest of epoch ``progress.epoch``; return early, between two steps, once ``stop()``.

    Raises
    ------
    TrainingError
        Where the loss is not finite.
    """
    rules, epoch = recipe.optimiser, progress.epoch
    ranges = augmentation.AugmentationRanges.from_mapping(recipe.to_dict()["augmentation"])
    steps = steps_per_epoch(recipe, len(data.labels))
    order = epoch_order(
        data.labels,
        sampling=recipe.data.sampling,
        draws=recipe.data.epoch_images,
        generator=seeds.numpy_generator(recipe.seed, "order", epoch),
    )
    # The sums stay on the device and are read now and then: reading them at every step would stall a GPU.
    sums = torch.tensor([progress.loss_sum, float(progress.correct)], dtype=torch.float64, device=fabric.device)
    model.train()
    started, first = time.perf_counter(), progress.step
    before = progress.seconds
    for step in range(first, steps):
        positions = order[step * rules.batch_size : (step + 1) * rules.batch_size]
        pixels, labels = data.batch(positions, fabric.device)
        changes = augmentation.draw(
            len(positions), ranges, seeds.torch_generator(recipe.seed, "augmentation", epoch, step)
        )
        images = normalise(augmentation.apply(to_unit(pixels, spec.size), changes), spec)

        set_learning_rate(optimiser, rate_at(recipe, epoch + step / steps))
        seeds.seed_layers(recipe.seed, epoch, step)
        logits = model(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=rules.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss)
        if rules.gradient_clip:
            fabric.clip_gradients(model, optimiser, max_norm=rules.gradient_clip)
        optimiser.step()
        if average is not None:
            average.update(model)

        sums += torch.stack([loss.detach() * len(labels), (logits.detach().argmax(1) == labels).sum()])
        progress.step = step + 1
        progress.seconds = before + time.perf_counter() - started
        shown = None
        if step % 20 == 19 or step + 1 == steps or fabric.device.type == "cpu":
            shown = _mean_loss(sums, progress, rules.batch_size)
        speed = (step + 1 - first) * rules.batch_size / max(time.perf_counter() - started, 1e-9)
        listener.step(epoch, shown, speed)
        if stop():
            progress.interrupted = True
            break
    _mean_loss(sums, progress, rules.batch_size)


def validate(
    model: nn.Module, images: np.ndarray, indices: np.ndarray, labels: np.ndarray, spec: ImageSpec, device: torch.device
) -> dict[str, float]:
    """Score the inner split: cross-entropy, top-1, balanced accuracy and macro AUC, without augmentation."""
    logits = torch.from_numpy(predict_logits(model, images, indices, spec, device=device))
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    probabilities = logits.double().softmax(dim=1).numpy()
    return {
        "validation_loss": float(loss),
        "validation_top1": top1_accuracy(labels, probabilities),
        "validation_balanced_accuracy": balanced_accuracy(labels, probabilities),
        "validation_macro_auc": macro_auc(labels, probabilities),
    }


def rate_at(recipe: Recipe, epoch: float) -> float:
    """The recipe's learning rate at a (fractional) epoch."""
    rules = recipe.optimiser
    return learning_rate_with_transfer(
        epoch,
        epochs=rules.epochs,
        frozen_epochs=recipe.transfer.frozen_epochs,
        peak=rules.learning_rate,
        final=rules.final_learning_rate,
        warmup_epochs=rules.warmup_epochs,
    )


def steps_per_epoch(recipe: Recipe, images: int) -> int:
    """Whole batches an epoch; a rest is left to the next epoch's order, because a tiny batch upsets its statistics."""
    return max((recipe.data.epoch_images or images) // recipe.optimiser.batch_size, 1)


def _mean_loss(sums: Tensor, progress: Progress, batch_size: int) -> float:
    """Read the sums off the device into ``progress``; the mean loss of the epoch so far."""
    loss_sum, correct = sums.tolist()
    if not math.isfinite(loss_sum):
        raise TrainingError(
            f"the loss became {loss_sum} in epoch {progress.epoch + 1}, step {progress.step}: lower "
            "optimiser.learning_rate, set optimiser.gradient_clip=1, or use precision='32-true'"
        )
    progress.loss_sum, progress.correct = loss_sum, int(correct)
    return loss_sum / max(progress.step * batch_size, 1)


def epoch_row(progress: Progress, recipe: Recipe, validation: dict[str, float]) -> dict[str, Any]:
    """The row of the log for a finished epoch."""
    seen = progress.step * recipe.optimiser.batch_size
    return {
        "epoch": progress.epoch,
        "learning_rate": rate_at(recipe, progress.epoch + 1),
        "train_loss": progress.loss_sum / seen,
        "train_top1": progress.correct / seen,
        **validation,
        "images_per_second": seen / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
    }
