"""What networks say of photographs that they have not seen: the only predictions that an audit may use.

A network remembers the labels that it was trained on, wrong ones too. So each photograph is judged by those runs alone
whose record of photographs (:mod:`hierattn.models.weights.trained_on`) holds neither it nor another of its group: its
lesion, its patient, its copies. Best are the runs that hold it in their outer fold. Where there are none, one that
chose its epoch by it is taken: the weights did not see it, but the epoch was kept that agrees best with such labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.export.own_images import spread_rows
from hierattn.deploy.export.rejection.novelty import MIN_IMAGES, MOST_IMAGES, fit_layer, measure
from hierattn.errors import CheckpointError, UsageError
from hierattn.evaluation.measures.intervals import group_numbers
from hierattn.evaluation.predict import probabilities_of
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.models.classifier import classifier_of
from hierattn.models.inference import predict_logits
from hierattn.models.weights.trained_on import are_among
from hierattn.progress import Progress, silent
from hierattn.run_folder import FoldsFolder

NONE, INNER, OUTER = 0, 1, 2
"""How a photograph was held out: not at all, to choose the epoch, or altogether."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of N photographs by networks that have not seen them.

    Attributes
    ----------
    rows
        Of the prepared set, (N,), rising.
    classes
        Codes in the order of the columns.
    probabilities
        float64, (N, C); the mean over the runs that may judge a photograph.
    strangeness
        By how many robust standard deviations the log of the novelty exceeds the median of all that the same run holds
        out, (N,); nan where it could not be measured.
    outer
        Whether it was held out altogether, bool (N,).
    notes
        What was left out, and what weakens the result; a line each.
    """

    rows: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    strangeness: np.ndarray
    outer: np.ndarray
    notes: tuple[str, ...]


def open_runs(folders: Sequence[Path]) -> tuple[list[TrainedRun], list[str]]:
    """The runs of some folders, each a run's or a cross-validation's, and notes on folds without weights.

    Raises
    ------
    UsageError
        Where a folder is neither, or the runs know different classes.
    CheckpointError
        Where a run is damaged, or keeps no whole record of the photographs that it was trained on.
    """
    runs: list[TrainedRun] = []
    notes: list[str] = []
    for folder in folders:
        folds = FoldsFolder(folder).runs()
        ready = [run.path for run in folds.values() if run.finished.is_file()]
        if len(ready) < len(folds):
            notes.append(f"{len(folds) - len(ready)} of {len(folds)} folds in {folder} are not trained to their end")
        if folds and not ready:
            raise UsageError(f"no fold in {folder} is trained to its end: wanted one or more; resume 'crossval'")
        runs += [TrainedRun.open(path) for path in (ready if folds else [folder])]
    for run in runs:
        record = run.checkpoint.trained_on
        if record is None or not record.whole:
            raise CheckpointError(
                f"{run.folder} does not name all photographs that its weights were trained on: wanted a run that does, "
                "for predictions of those would repeat their labels; train it again"
            )
        if set(run.checkpoint.classes) != set(runs[0].checkpoint.classes):
            raise UsageError(
                f"{run.folder} knows the classes {', '.join(run.checkpoint.classes)}, {runs[0].folder} "
                f"{', '.join(runs[0].checkpoint.classes)}: wanted runs of the same"
            )
    return runs, notes


def how_held_out(packed: PackedSet, rows: np.ndarray, runs: Sequence[TrainedRun]) -> np.ndarray:
    """:data:`NONE`, :data:`INNER` or :data:`OUTER` of each photograph and run, (len(rows), len(runs)).

    A photograph without a checksum is held out by none: nothing would prove it.
    """
    groups = group_numbers([one.group for one in packed.records], [one.image for one in packed.records])
    unproven = np.array([not record.sha256 for record in packed.records])

    def touched(those: np.ndarray) -> np.ndarray:
        """Whether the group of each photograph has one of these."""
        return np.bincount(groups, weights=those, minlength=groups.max() + 1)[groups] > 0

    held = np.full((len(packed), len(runs)), OUTER)
    for column, run in enumerate(runs):
        record = run.checkpoint.trained_on
        assert record is not None, "open_runs refuses such"
        held[touched(are_among(packed.records, record.chosen)), column] = INNER
        held[touched(are_among(packed.records, record.trained) | unproven), column] = NONE
    return held[rows]


def predict_held_out(
    packed: PackedSet,
    runs: Sequence[TrainedRun],
    *,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Progress | None = None,
) -> HeldOut:
    """Predict the original photographs of a set by the runs that have not seen them.

    Parameters
    ----------
    packed
        The set.
    runs
        One or more, as :func:`open_runs` gives them.
    device, batch_size
        Of the networks.
    progress
        Called with images, for a step a run.
    """
    classes = runs[0].checkpoint.classes
    original = np.array([record.role == "original" for record in packed.records])
    known = np.array([record.label in classes for record in packed.records])
    held = how_held_out(packed, np.arange(len(packed)), runs)
    held[~(original & known)] = NONE
    best = held.max(axis=1)
    sums = np.zeros((len(packed), len(classes)))
    strange, counted = np.zeros(len(packed)), np.zeros(len(packed))
    labels = np.array([record.label for record in packed.records])
    for column, run in enumerate(runs):
        rows = np.flatnonzero((held[:, column] == best) & (best > NONE))
        network = _Network(run, device, batch_size, progress or silent)
        order = [run.checkpoint.classes.index(code) for code in classes]
        logits, seen = network.read(packed, rows)
        sums[rows] += probabilities_of(logits)[:, order]
        trained = np.flatnonzero((held[:, column] == NONE) & known & original)
        values = network.strangeness(packed, spread_rows(trained, MOST_IMAGES), labels, seen)
        if values is not None:
            strange[rows] += values
            counted[rows] += 1
    rows = np.flatnonzero(best > NONE)
    judges = np.maximum((held == best[:, None]).sum(axis=1), 1)
    with np.errstate(invalid="ignore"):
        strange /= counted
    return HeldOut(
        rows=rows,
        classes=classes,
        probabilities=sums[rows] / judges[rows, None],
        strangeness=strange[rows],
        outer=best[rows] == OUTER,
        notes=tuple(_notes(packed, runs, original, known, best)),
    )


def _notes(
    packed: PackedSet, runs: Sequence[TrainedRun], original: np.ndarray, known: np.ndarray, best: np.ndarray
) -> Iterator[str]:
    if foreign := int((original & ~known).sum()):
        codes = sorted({record.label for record, knows in zip(packed.records, known, strict=True) if not knows})
        yield f"{foreign} photographs of {', '.join(codes)} are not judged: the runs have no such class"
    if unseen := int((original & known & (best == NONE)).sum()):
        yield (
            f"{unseen} of {int(original.sum())} photographs have no out-of-fold prediction and are not judged: every "
            "run was trained on them, or on others of their lesion or patient; add runs of other folds"
        )
    if inner := int((best == INNER).sum()):
        yield (
            f"{inner} photographs are judged by a run that chose its epoch by them: errors among them are found a "
            "little less often than in an outer fold"
        )
    if moved := [run.folder.name for run in runs if run.manifest_sha256 != packed.manifest_sha256]:
        yield (
            f"{', '.join(moved)}: trained on another preparation; that it has not seen these lesions is checked by the "
            "bytes of the photographs, and by the groups of this set"
        )


@dataclass(frozen=True)
class _Network:
    """One run's network, at work."""

    run: TrainedRun
    device: str
    batch_size: int
    progress: Progress

    def read(self, packed: PackedSet, rows: np.ndarray, *, train: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, C) and what the last layer reads (N, D) of some rows, in one pass."""
        checkpoint = self.run.checkpoint
        model = checkpoint.build().to(self.device)
        seen: list[np.ndarray] = []

        def remember(_: Any, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0].detach().float().cpu().numpy())

        step = f"{self.run.folder.name}, {'trained on' if train else 'held out'}"
        hook = classifier_of(model).register_forward_pre_hook(remember)
        try:
            logits = predict_logits(
                model,
                packed.images,
                rows,
                checkpoint.image_spec,
                batch_size=self.batch_size,
                device=self.device,
                progress=lambda _, done, total: self.progress(step, done, total),
            )
        finally:
            hook.remove()
        features = np.concatenate(seen) if seen else np.zeros((0, 1), np.float32)
        return logits.reshape(len(rows), len(checkpoint.classes)), features

    def strangeness(
        self, packed: PackedSet, trained: np.ndarray, labels: np.ndarray, held_out: np.ndarray
    ) -> np.ndarray | None:
        """Of the photographs held out, whose features are (N, D); None where there are too few to measure it."""
        if min(len(trained), len(held_out)) < MIN_IMAGES:
            return None
        _, features = self.read(packed, trained, train=True)
        novelty = np.log(np.maximum(measure(fit_layer(features, labels[trained]), held_out), 1e-6))
        middle = np.median(novelty)
        spread = 1.4826 * np.median(np.abs(novelty - middle))
        return np.asarray((novelty - middle) / max(float(spread), 1e-6))
