"""The training loop, to be read on one screen (§4.1.1).

``run.py`` sets the stage; here is what happens in an epoch. Every random choice of a step follows from (seed, epoch,
step), so the loop can be left and entered again at any step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit
from hierattn.training import seed as seeds
from hierattn.training.augmentation import augmentation
from hierattn.training.augmentation.hidden_answers import HiddenAnswers
from hierattn.training.augmentation.logit_views import pick_view
from hierattn.training.augmentation.mixing import Mix, apply_mix, draw_mix
from hierattn.training.devices import my_share
from hierattn.training.epoch_order import epoch_order
from hierattn.training.feed import Stopwatch, TrainingImages
from hierattn.training.listener import Listener
from hierattn.training.optimisation.averaging import WeightAverage
from hierattn.training.optimisation.depthwise import quick_depthwise
from hierattn.training.optimisation.objective import Objective
from hierattn.training.optimisation.optimiser import set_learning_rate
from hierattn.training.optimisation.schedule import learning_rate_with_transfer
from hierattn.training.recipe import Recipe
from hierattn.training.running_sums import RunningSums
from hierattn.training.teaching.feature_matching import feature_loss
from hierattn.training.teaching.teachers import Lesson, Teachers

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class Learner:
    """Everything that takes part in a step."""

    fabric: Fabric
    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: WeightAverage | None
    data: TrainingImages
    spec: ImageSpec
    recipe: Recipe
    objective: Objective
    teachers: Teachers | None = None
    hidden: HiddenAnswers | None = None
    on_logits: bool = False
    """Whether the images are logits of a fixed network (``logit_views``), and the model is the head on them."""


@dataclass
class Position:
    """Where a run stands: ``step`` steps of ``epoch`` are done, with these sums over them."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    interrupted: bool = field(default=False, repr=False)
    waited: float = field(default=0.0, repr=False)


def train_epoch(learner: Learner, position: Position, listener: Listener, stop: Callable[[], bool]) -> None:
    """Train the rest of epoch ``position.epoch``; return early, between two steps, once ``stop()``.

    Raises
    ------
    TrainingError
        Where the loss is not finite.
    """
    fabric, recipe, epoch, first = learner.fabric, learner.recipe, position.epoch, position.step
    size = recipe.optimiser.batch_size
    steps = steps_per_epoch(recipe, len(learner.data.labels))
    sums = RunningSums(fabric, position.loss_sum, position.correct)
    order = epoch_order(
        learner.data.labels,
        sampling=recipe.data.sampling,
        draws=recipe.data.epoch_images,
        cells=learner.data.cells,
        batch=size,
        generator=seeds.numpy_generator(recipe.seed, "order", epoch),
    )[: steps * size].reshape(steps, size)[first:, my_share(fabric, size)]
    batches = Stopwatch(learner.data.batches(order.ravel(), size // fabric.world_size, fabric.device))
    learner.model.train()
    started, before = time.perf_counter(), position.seconds
    for step, (pixels, labels, answers) in enumerate(batches, start=first):
        images, mix = prepare_images(learner, pixels, epoch, step)
        told = hide_answers(learner, answers, labels, epoch, step)
        set_learning_rate(learner.optimiser, rate_at(recipe, epoch + step / steps))
        seeds.seed_layers(recipe.seed, epoch, step, fabric.global_rank)
        loss, logits = take_step(learner, images, labels, mix, told)
        sums.add(loss, logits, labels)

        position.step = step + 1
        position.seconds = before + time.perf_counter() - started
        speed = (step + 1 - first) * size / max(time.perf_counter() - started, 1e-9)
        listener.step(epoch, sums.glance(epoch, step + 1, size // fabric.world_size), speed)
        if stop():
            position.interrupted = True
            break
    position.loss_sum, position.correct = sums.read(epoch, position.step)
    position.seconds = before + time.perf_counter() - started
    position.waited += batches.waited


def prepare_images(learner: Learner, pixels: Tensor, epoch: int, step: int) -> tuple[Tensor, Mix | None]:
    """Augment and mix this process's share: (share, side, side, 3) uint8 -> (share, 3, side, side) in [0, 1].

    Augmentation is drawn for the whole batch, whatever the number of processes; mixing pairs images of one process.
    """
    recipe, fabric = learner.recipe, learner.fabric
    generator = seeds.torch_generator(recipe.seed, "augmentation", epoch, step)
    if learner.on_logits:
        return pick_view(pixels, generator), None
    changes = augmentation.draw(recipe.optimiser.batch_size, recipe.augmentation, generator)
    if fabric.world_size > 1:
        changes = changes.part(my_share(fabric, recipe.optimiser.batch_size))
    images = augmentation.apply(to_unit(pixels, learner.spec.size), changes)
    if images.device.type == "cuda":
        images = images.contiguous(memory_format=torch.channels_last)
    if not (recipe.mixing.mixup or recipe.mixing.cutmix):
        return images, None
    mix = draw_mix(len(images), recipe.mixing, seeds.numpy_generator(recipe.seed, "mixing", epoch, step))
    return apply_mix(images, mix), mix


def hide_answers(learner: Learner, answers: Tensor, labels: Tensor, epoch: int, step: int) -> Tensor:
    """The answers of this process, (share, questions), some hidden; drawn by the process's own generator."""
    if learner.hidden is None:
        return answers
    generator = seeds.torch_generator(learner.recipe.seed, "answers", epoch, step)
    if rank := learner.fabric.global_rank:
        generator.manual_seed(generator.initial_seed() + rank)
    return learner.hidden.hide(answers, labels, generator)


def take_step(
    learner: Learner, images: Tensor, labels: Tensor, mix: Mix | None, answers: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One optimiser step; the mean loss, and the logits (share, classes)."""
    lesson = Lesson(None, None)
    if learner.teachers is not None:
        with learner.fabric.autocast():
            lesson = learner.teachers.answer(images)
    if learner.recipe.compile == "cuda-graphs":
        torch.compiler.cudagraph_mark_step_begin()
    values = images if learner.on_logits else normalise(images, learner.spec)
    with quick_depthwise(learner.fabric.device, compiled=learner.recipe.compile != "no"):
        answer = learner.model(values) if learner.hidden is None else learner.model(values, answers)
    logits = answer if lesson.features is None else answer[0]
    loss = learner.objective(logits, labels, mix, lesson.logits)
    if lesson.features is not None:
        loss = loss + learner.recipe.distillation.features * feature_loss(answer[1], lesson.features)
    learner.optimiser.zero_grad(set_to_none=True)
    learner.fabric.backward(loss)
    if clip := learner.recipe.optimiser.gradient_clip:
        # Asking whether the norm is finite would make a GPU wait; a loss that is not is seen anyway.
        learner.fabric.clip_gradients(learner.model, learner.optimiser, max_norm=clip, error_if_nonfinite=False)
    learner.optimiser.step()
    if learner.average is not None:
        learner.average.update()
    return loss, logits


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


def epoch_row(position: Position, recipe: Recipe, validation: dict[str, float]) -> dict[str, Any]:
    """The row of the log for a finished epoch."""
    seen = position.step * recipe.optimiser.batch_size
    return {
        "epoch": position.epoch,
        "learning_rate": rate_at(recipe, position.epoch + 1),
        "train_loss": position.loss_sum / seen,
        "train_top1": position.correct / seen,
        **validation,
        "images_per_second": seen / max(position.seconds, 1e-9),
        "seconds": position.seconds,
    }
