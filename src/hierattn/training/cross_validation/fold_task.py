"""One fold as a task for another process: plain values in, an outcome out. Light: a worker imports torch itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hierattn.run_folder import RunFolder
from hierattn.training.recipe import Recipe

MOST_RESTARTS = 2
"""Times that a fold is resumed after its worker was killed."""

Ended = Literal["finished", "interrupted", "failed"]
EndHeard = Callable[["FoldTask", Ended, str], None]
"""Called at a fold's end, with the error's line where it failed."""


@dataclass(frozen=True)
class FoldTask:
    """One fold to train.

    Attributes
    ----------
    recipe
        With its fold and prepared set.
    out
        The run folder; a run that is there is resumed.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads, 1 or more.
    save_every
        As :func:`hierattn.training.fit.fit` takes it.
    """

    recipe: Recipe
    out: Path
    device: str
    threads: int
    save_every: int = 0

    @property
    def fold(self) -> int:
        """The fold that is held out."""
        return self.recipe.data.fold

    @property
    def source(self) -> str:
        """The source that is left out; empty where it is a fold alone."""
        return self.recipe.data.left_out_source

    @property
    def held_out(self) -> str:
        """What is held out, in words.

        >>> FoldTask(Recipe(), Path("out"), "cpu", 1).held_out
        'fold 0'
        """
        return f"source {self.source}" if self.source else f"fold {self.fold}"


def train_fold(task: FoldTask) -> Ended:
    """Train a fold in this process, from its last state.

    Raises
    ------
    HierAttnError
        As :func:`hierattn.training.fit.fit`.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(task.threads))
    import torch

    from hierattn.training.fit import fit

    torch.set_num_threads(task.threads)
    resume = RunFolder(task.out).recipe.exists()
    result = fit(task.recipe, task.out, resume=resume, device=task.device, save_every=task.save_every)
    return "interrupted" if result.interrupted else "finished"
