"""A model that takes part in a comparison: the evaluations of its run, or of the runs of its folds, put together.

Read from files alone: ``RUN/evaluation``, or ``OUT/fold-0/evaluation``, ``OUT/fold-1/evaluation`` ...
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.cases import read_cases
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.predictions import Predictions, joined, read_predictions, rows_of
from hierattn.evaluation.report import Provenance, Report, report_of
from hierattn.run_folder import FoldsFolder, RunFolder
from hierattn.taxonomy.records import Taxonomy


@dataclass(frozen=True)
class Entrant:
    """One model on all its folds.

    Attributes
    ----------
    name
        What it is called in the comparison.
    protocol
        ``honest`` or ``paper``.
    predictions
        Of the outer folds, pooled. Each image is named so that it is found in another prepared set of the same
        photographs, and rows are in the order of these names.
    made
        Fold -> what made the weights that predicted it, and what evaluated them.
    left_out
        The source that training left out, and that the predictions are of; empty: they are of folds.
    """

    name: str
    protocol: str
    predictions: Predictions
    made: Mapping[int, Provenance]
    left_out: str = ""

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that were held out, each once."""
        return tuple(self.made)

    @property
    def provenance(self) -> Provenance:
        """Of its first fold."""
        return next(iter(self.made.values()))

    @property
    def source(self) -> str:
        """Name of the data set that it was evaluated on."""
        return self.provenance.evaluated_on.source

    def of_fold(self, fold: int) -> Predictions:
        """Its predictions where ``fold`` was held out."""
        return rows_of(self.predictions, np.flatnonzero(self.predictions.folds == fold))


def run_folders(folder: Path) -> list[Path]:
    """The run folders of a run (itself) or of a cross-validation (``fold-0``, ``fold-1`` ..., by number).

    Raises
    ------
    UsageError
        Where there is none.
    """
    run = RunFolder(folder)
    if run.best.is_file() or run.evaluation.is_dir():
        return [folder]
    folds = [run.path for run in FoldsFolder(folder).runs().values()]
    if not folds:
        raise UsageError(f"no run in {folder}: wanted a run folder, or one with fold-0, fold-1 ... from 'crossval'")
    return folds


def is_evaluated(run: Path) -> bool:
    """Whether a run has an evaluation with all that a comparison reads; one of an older version may lack some."""
    return EvaluationFolder(RunFolder(run).evaluation).is_complete()


def read_entrant(name: str, runs: Sequence[Path]) -> Entrant:
    """Put the evaluations of ``runs``, one a fold, together.

    Raises
    ------
    UsageError, DataError, TableError
        Where a run is not evaluated, a fold stands twice, or folds differ in model, classes or protocol.
    """
    reports: dict[int, Report] = {}
    tables: list[Predictions] = []
    for run in runs:
        if not is_evaluated(run):
            raise UsageError(f"{run} is not evaluated, or by an older version: run 'hierattn evaluate {run}' first")
        evaluation = EvaluationFolder(RunFolder(run).evaluation)
        report = report_of(evaluation)
        fold = report.protocol.fold
        if fold is None or fold in reports:
            raise UsageError(f"{name}: fold {fold} of {run} stands there twice or is none; wanted each fold once")
        reports[fold] = report
        table = _named_alike(evaluation, report.taxonomy)
        if report.protocol.source:  # all of a source, whatever its photographs' folds
            table = replace(table, folds=np.full(len(table), fold), sources=())
        tables.append(table)
    _check_alike(name, reports.values())
    return Entrant(
        name=name,
        protocol=next(iter(reports.values())).protocol.name,
        predictions=_joined(_once(tables, tuple(reports))),
        made={fold: report.provenance for fold, report in sorted(reports.items())},
        left_out=next(iter(reports.values())).protocol.source,
    )


def _named_alike(evaluation: EvaluationFolder, taxonomy: Taxonomy) -> Predictions:
    """A run's predictions with each image under its file's name, checksum and class, wherever the set lay."""
    predictions = read_predictions(evaluation.predictions, taxonomy)
    cases = read_cases(evaluation.cases)
    if tuple(case.image for case in cases) != predictions.images:
        raise TableError(f"{evaluation.path}: cases.csv and predictions.csv hold other images; evaluate again")
    seen: Counter[str] = Counter()
    names = []
    for case, label in zip(cases, predictions.labels, strict=True):
        key = " ".join((*case.key, predictions.classes[label]))
        names.append(f"{key} {seen[key]}")
        seen[key] += 1
    return replace(predictions, images=tuple(names))


def _once(tables: Sequence[Predictions], folds: Sequence[int]) -> list[Predictions]:
    """Of photographs for testing only, which every run is tested on, each by the run that holds out its fold."""
    everywhere = set.intersection(*(set(table.images) for table in tables))
    kept = [
        (table.folds == fold) | np.array([image not in everywhere for image in table.images], bool)
        for table, fold in zip(tables, folds, strict=True)
    ]
    if len(tables) == 1 or not all((table.folds == fold).any() for table, fold in zip(tables, folds, strict=True)):
        return list(tables)
    return [rows_of(table, np.flatnonzero(rows)) for table, rows in zip(tables, kept, strict=True)]


def _joined(tables: Sequence[Predictions]) -> Predictions:
    names = [name for table in tables for name in table.images]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"image {twice[0]} is in two folds: wanted folds of one split; prepare and train again")
    return rows_of(joined(tables), np.argsort(np.array(names)))


def _check_alike(name: str, reports: Collection[Report]) -> None:
    for what, read in (
        ("protocol", lambda report: report.protocol.name),
        ("model", lambda report: report.provenance.model),
        ("options", lambda report: json.dumps(report.provenance.options, sort_keys=True)),
        ("classes", lambda report: report.class_order),
    ):
        values = {str(read(report)) for report in reports}
        if len(values) > 1:
            raise DataError(f"{name}: its folds differ in {what} ({'; '.join(sorted(values))}): wanted one recipe")
