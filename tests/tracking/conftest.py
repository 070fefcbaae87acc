"""A run folder without a run: what a tracker sees of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hierattn.run_folder import LOG_COLUMNS, RunFolder
from hierattn.training.recipe import Recipe


def row(epoch: int) -> dict[str, float]:
    """A row of the log, its figures told apart by the epoch."""
    return {column: epoch + number / 16 for number, column in enumerate(LOG_COLUMNS)}


def begin(path: Path, epochs: int = 0) -> RunFolder:
    """A run of so many epochs."""
    folder = RunFolder(path)
    folder.create("0" * 64, {"hierattn": "1.2.3", "platform": "a machine"})
    Recipe(name="tiny").save(folder.recipe)
    folder.start_log(0)
    for epoch in range(epochs):
        folder.append_log(row(epoch))
    return folder


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked for a server."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
