"""Before a run: what would stop it at its start, and a dry run, two batches of everything, thrown away."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.files import free_bytes
from hierattn.models.weights.checkpoint import count_parameters
from hierattn.run_folder import RunFolder
from hierattn.tracking.trackers import check_installed
from hierattn.training.devices import create_fabric
from hierattn.training.fit import explained, open_prepared
from hierattn.training.listener import Silent
from hierattn.training.loop import steps_per_epoch
from hierattn.training.optimisation.transfer_warmup import set_frozen
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run
from hierattn.training.run_state import load_state, save_state
from hierattn.training.validation import BATCH


@dataclass(frozen=True)
class DryRun:
    """What two batches showed.

    Attributes
    ----------
    device
        In words.
    parameters
        Learnable values of the network.
    training_images, validation_images, steps
        Of the recipe on this set: images of each part, optimiser steps an epoch.
    images_per_second, validation_images_per_second
        Of the second batch; the first warms up.
    waiting_share
        Share of the step's time spent waiting for data.
    memory_bytes
        The GPU's peak, or the process's on a CPU.
    state_bytes
        A state to resume from; a run folder holds two, and briefly three.
    free_bytes
        Of the disk of the run folder.
    seconds_per_epoch, seconds
        Expected: an epoch with its validation and saving, and the whole run.
    """

    device: str
    parameters: int
    training_images: int
    validation_images: int
    steps: int
    images_per_second: float
    validation_images_per_second: float
    waiting_share: float
    memory_bytes: int
    state_bytes: int
    free_bytes: int
    seconds_per_epoch: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check_start(recipe: Recipe, packed: PackedSet, device: str) -> int:
    """Build all that a run begins with, on the CPU, and train nothing; it leaves nothing.

    Parameters
    ----------
    recipe
        With its fold.
    packed
        The set that it names.
    device
        ``auto``, ``cpu`` or ``cuda``: only that it is there is looked at.

    Returns
    -------
    int
        Bytes of disk that the run will take, at most.

    Raises
    ------
    UsageError, DataError, CheckpointError
        As :func:`hierattn.training.fit.fit` before its first step: device, model and options, folds, leaks, sizes,
        starting weights and teachers, and what these have seen.
    """
    create_fabric(device, recipe)
    fabric = create_fabric("cpu", recipe)
    with tempfile.TemporaryDirectory(prefix="hierattn-check-") as name:
        run = Run(recipe, RunFolder(Path(name)), packed, fabric, Silent())
    weights = sum(value.numel() * value.element_size() for value in run.plain_model.state_dict().values())
    states = 3 * (3 + (run.average is not None))  # AdamW keeps two values a weight; briefly there are three states
    return weights * (states + 2)  # the best weights, and the ones that replace them


def dry_run(recipe: Recipe, out: Path, *, device: str = "auto") -> DryRun:
    """Train two batches (with all layers; also frozen, where the recipe freezes some), validate two, save, load.

    Parameters
    ----------
    recipe
        With ``data.prepared``.
    out
        Where the run would go: nothing is left there, only the free space is looked at.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UsageError, DataError, CheckpointError, TrainingError
        As :func:`hierattn.training.fit.fit`: whatever would stop the run at its start.
    """
    recipe = recipe.with_fold(recipe.data.fold)
    packed = open_prepared(recipe)
    two_batches = replace(recipe, data=replace(recipe.data, epoch_images=2 * recipe.optimiser.batch_size))
    fabric = create_fabric(device, recipe)
    if fabric.world_size > 1:
        raise UsageError("a dry run takes one process: start it without torchrun")
    if RunFolder(out).exists():
        raise UsageError(f"{out} already holds a run: a dry run asks what a new one would take")
    check_installed(recipe.trackers)
    with tempfile.TemporaryDirectory(prefix="hierattn-dry-run-") as name:
        folder = RunFolder(Path(name))
        with explained(recipe, folder, packed, fabric):
            run = Run(two_batches, folder, packed, fabric, Silent())
            if recipe.transfer.frozen_epochs:
                set_frozen(run.network, run.transferred, True)
                run.train(lambda: False)
                set_frozen(run.network, run.transferred, False)
            training, waiting = _time_training(run)
            validating = _time_validation(run)
            saving, state_bytes = _time_saving(run)
    steps = steps_per_epoch(recipe, len(run.training.labels))
    epoch = steps * training + len(run.inner) * validating + saving
    return DryRun(
        device=torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "CPU",
        parameters=count_parameters(run.plain_model),
        training_images=len(run.training.labels),
        validation_images=len(run.inner),
        steps=steps,
        images_per_second=recipe.optimiser.batch_size / training,
        validation_images_per_second=1 / validating,
        waiting_share=waiting,
        memory_bytes=_peak_memory(fabric.device),
        state_bytes=state_bytes,
        free_bytes=free_bytes(out),
        seconds_per_epoch=epoch,
        seconds=epoch * recipe.optimiser.epochs,
    )


def _time_training(run: Run) -> tuple[float, float]:
    """Seconds of the second of two steps, and the share of both that was waiting."""
    ends: list[float] = []

    def stop() -> bool:
        _synchronise(run.fabric.device)
        ends.append(time.perf_counter())
        return False

    run.position.step, run.position.waited = 0, 0.0
    began = time.perf_counter()
    run.train(stop)
    return ends[1] - ends[0], run.position.waited / (ends[-1] - began)


def _time_validation(run: Run) -> float:
    """Seconds an image, over two batches, the first to warm up."""
    for images in (BATCH, 2 * BATCH):
        began = time.perf_counter()
        run.validate_first(images)
    return (time.perf_counter() - began) / len(run.inner[: 2 * BATCH])


def _time_saving(run: Run) -> tuple[float, int]:
    began = time.perf_counter()
    save_state(run.folder, run.state())
    saving = time.perf_counter() - began
    run.restore(load_state(run.folder))
    return saving, run.folder.last.stat().st_size


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
