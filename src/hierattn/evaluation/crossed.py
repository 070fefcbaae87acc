"""Calibration on crossed inner folds: several runs of one recipe, each with another inner fold, answer for these.

One inner fold of a small set holds too few patients to fit a temperature and a threshold on. Runs that differ in
nothing but ``data.inner_fold`` have the same outer fold, so that together they can calibrate on all of the others: each
photograph is answered by the run that has not seen it. The price: the answers are those of networks trained alike, not
of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.trained_run import TrainedRun

_MAY_DIFFER = ("name", "data.inner_fold", "data.prepared", "transfer.checkpoint", "distillation.teacher", "trackers")
"""Of two crossed runs: teachers and starting weights may be of the same inner fold as the run."""


def crossed_runs(run: TrainedRun, folders: Sequence[Path], packed: PackedSet) -> list[TrainedRun]:
    """The other runs that calibrate together with ``run``.

    Parameters
    ----------
    run
        The run to calibrate.
    folders
        The others' run folders.
    packed
        The set that all were trained on.

    Raises
    ------
    UsageError
        Where one is of another set or recipe, or has the outer fold or the inner fold of another.
    CheckpointError
        Where one is damaged.
    """
    others = [TrainedRun.open(folder) for folder in folders]
    inner = {_inner(packed, run): run.folder}
    for other in others:
        if other.manifest_sha256 != run.manifest_sha256:
            raise UsageError(f"{other.folder} was trained on another set than {run.folder}: wanted runs of the same")
        if differing := _differences(run.checkpoint.recipe, other.checkpoint.recipe):
            raise UsageError(
                f"{other.folder} differs from {run.folder} in {', '.join(differing)}: wanted runs that differ in "
                "data.inner_fold alone"
            )
        fold = _inner(packed, other)
        if fold in inner:
            raise UsageError(
                f"{other.folder} has inner fold {fold}, as {inner[fold]} has: wanted a run for another inner fold"
            )
        inner[fold] = other.folder
    return others


def _inner(packed: PackedSet, run: TrainedRun) -> int:
    return packed.records[int(run.parts(packed).validation[0])].fold


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], before: str = "") -> list[str]:
    """The dotted keys in which two recipes differ, but for those that may."""
    found: list[str] = []
    for key in sorted({*one, *other}):
        name, mine, theirs = f"{before}{key}", one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found += _differences(mine, theirs, f"{name}.")
        elif mine != theirs and name not in _MAY_DIFFER:
            found.append(name)
    return found
