"""Out of memory: recognised on CPU and GPU, and answered with the batch that would fit, found by trying."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.run_folder import RunFolder
from hierattn.training.devices import create_fabric
from hierattn.training.listener import Silent
from hierattn.training.loop import prepare_images, take_step
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run
from hierattn.training.validation import BATCH, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that there is no memory left, on a GPU or on the CPU."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    # The second is what oneDNN, the CPU's convolutions, says when its buffers do not fit.
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "could not create a primitive")
    )


def roomy_batch(recipe: Recipe, folder: RunFolder, packed: PackedSet, fabric: Fabric) -> int:
    """Half of the largest power of two below the recipe's batch with which the run trains and validates; 0: none found.

    Half, because a long run takes a little more than its first steps. On a CPU it is sought in a process of its own:
    a C library keeps much of what a failed step had taken, and would leave too little for the steps tried after it.
    """
    if fabric.device.type == "cpu" and fabric.world_size == 1:
        _give_back()
        words = [sys.executable, "-m", "hierattn.training.memory", str(folder.path)]
        said = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        *_, found = said.split() or ["0"]  # libraries may have printed before it
        return int(found) // 2 if found.isdigit() else 0
    attempt = partial(_try_run, recipe, folder, packed, fabric)
    return fitting_batch(attempt, recipe.optimiser.batch_size) // 2


def _try_run(recipe: Recipe, folder: RunFolder, packed: PackedSet, fabric: Fabric, batch: int) -> None:
    """Two steps with ``batch`` images, the second of which finds the optimiser's state, and one batch of validation.

    The run is thrown away.
    """
    run = Run(replace(recipe, optimiser=replace(recipe.optimiser, batch_size=batch)), folder, packed, fabric, Silent())
    positions = torch.arange(2 * batch).numpy() % len(run.learner.data.labels)
    for pixels, labels, answers in run.learner.data.batches(positions, batch, fabric.device):
        images, mix = prepare_images(run.learner, pixels, 0, 0)
        take_step(run.learner, images, labels, mix, answers)
    inner = run.inner[:BATCH]
    validate(fabric, run.plain_model, run.images, inner, run.inner_labels[:BATCH], run.spec, run.training.answers)


def fitting_batch(attempt: Callable[[int], object], batch: int) -> int:
    """The largest of 2, 4, 8, ... below ``batch`` with which ``attempt`` succeeds; 0 where not even 2 does.

    Upwards, because an attempt that fails in the CPU's backward pass may not give all its memory back.
    """
    fits, smaller = 0, 2
    while smaller < batch:
        _give_back()
        try:
            attempt(smaller)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            break
        fits, smaller = smaller, 2 * smaller
    return fits


def _give_back() -> None:
    """Return freed memory to the device and to the system: allocators keep it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    own = RunFolder(Path(sys.argv[1]))
    asked = Recipe.load(own.recipe)
    data, processor = PackedSet.open(Path(asked.data.prepared)), create_fabric("cpu", asked)
    print(fitting_batch(partial(_try_run, asked, own, data, processor), asked.optimiser.batch_size))
