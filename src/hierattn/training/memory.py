"""Out of memory: recognised on CPU and GPU, and answered with the batch that would fit, found by trying."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.run_folder import RunFolder
from hierattn.training.devices import create_fabric
from hierattn.training.listener import Silent
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run
from hierattn.training.validation import BATCH

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
        done = subprocess.run(words, input=json.dumps(recipe.to_dict()), capture_output=True, text=True, check=False)
        *_, found = done.stdout.split() or ["0"]  # libraries may have printed before it
        fits = int(found) if found.isdigit() else 0
    else:
        fits = _largest(recipe, folder, packed, fabric)
    return fits // 2


def _largest(recipe: Recipe, folder: RunFolder, packed: PackedSet, fabric: Fabric) -> int:
    """The batch that fits, by runs that are thrown away.

    Each takes two steps, of which the second finds the optimiser's state, and validates one batch.
    """

    def attempt(batch: int) -> None:
        data = replace(recipe.data, epoch_images=2 * batch)
        smaller = replace(recipe, data=data, optimiser=replace(recipe.optimiser, batch_size=batch))
        run = Run(smaller, folder, packed, fabric, Silent())
        run.train(lambda: False)
        run.validate_first(BATCH)

    return fitting_batch(attempt, recipe.optimiser.batch_size)


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
    asked = Recipe.from_dict(json.load(sys.stdin))
    data, processor = PackedSet.open(Path(asked.data.prepared)), create_fabric("cpu", asked)
    print(_largest(asked, RunFolder(Path(sys.argv[1])), data, processor))
