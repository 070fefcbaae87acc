"""Folds whose worker is killed once, and what must be true of them afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tiny_runs import weights, with_one_thread
from torch import Tensor

from hierattn.run_folder import RunFolder
from hierattn.training.cross_validation.cross_validate import CrossValidation, FoldOutcome, SilentFolds
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe


def short_recipe(prepared: Path, epochs: int = 2) -> Recipe:
    """Two steps an epoch."""
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 16},
            "optimiser": {"epochs": epochs, "batch_size": 8, "warmup_epochs": 1},
        }
    )


class Killer(SilentFolds):
    """Kills the worker of a fold once, when its log holds two epochs: the first is then saved for certain."""

    def __init__(self, fold: int) -> None:
        self.fold, self.killed = fold, 0
        self.said: list[str] = []

    def look(self, folds: Sequence[FoldOutcome]) -> None:
        """Kill it once."""
        for fold in folds:
            if fold.fold == self.fold and fold.epochs >= 2 and fold.status == "training" and not self.killed:
                self.killed = RunFolder(fold.run).read_starts()[-1]["process"]
                os.kill(self.killed, signal.SIGKILL)

    def note(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)


def uninterrupted(recipe: Recipe, fold: int, out: Path) -> Mapping[str, Tensor]:
    """The best weights of a fold that nobody kills."""
    for _ in with_one_thread():
        fit(recipe.with_fold(fold), out, device="cpu")
    return weights(out)


def assert_nothing_lost_and_nothing_twice(
    result: CrossValidation, killed_fold: int, expected: Mapping[str, Tensor]
) -> None:
    """Every epoch once, the killed fold started twice, and its weights those of one that was never killed."""
    assert result.complete
    assert [fold.starts for fold in result.folds] == [2 if fold.fold == killed_fold else 1 for fold in result.folds]
    for fold in result.folds:
        folder = RunFolder(fold.run)
        epochs = [int(row["epoch"]) for row in folder.read_log()]
        assert epochs == list(range(fold.epochs))
        first, *later = folder.read_starts()
        assert (first["epoch"], first["step"]) == (0, 0)
        assert all(start["epoch"] >= 1 for start in later)  # the epoch that was saved is not trained again
    found = weights(result.folds[killed_fold].run)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
