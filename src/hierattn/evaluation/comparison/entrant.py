"""A model that takes part in a comparison: the evaluations of its run, or of the runs of its folds, put together.

Read from files alone: ``RUN/evaluation``, or ``OUT/fold-0/evaluation``, ``OUT/fold-1/evaluation`` ...
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.cases import read_cases
from hierattn.evaluation.predictions import Predictions, read_predictions, rows_of

MOST_REPORT_BYTES = 64 << 20


@dataclass(frozen=True)
class Contestant:
    """One model on all its folds.

    Attributes
    ----------
    name
        What it is called in the comparison.
    protocol
        ``honest`` or ``paper``.
    predictions
        Of the untouched images of all folds. Each image is named so that it is found in another prepared set of the
        same photographs, and rows are in the order of these names.
    reports
        ``report.json`` of each fold, by fold.
    """

    name: str
    protocol: str
    predictions: Predictions
    reports: dict[int, dict[str, Any]]

    @property
    def provenance(self) -> dict[str, Any]:
        """Of its first fold: model, options, parameters, image_spec, recipe, judged_on."""
        known: dict[str, Any] = next(iter(self.reports.values()))["provenance"]
        return known

    @property
    def source(self) -> str:
        """Name of the data set that it was judged on."""
        return str(self.provenance["judged_on"]["source"])

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
    if (folder / "best.safetensors").is_file() or (folder / "evaluation").is_dir():
        return [folder]
    found = {int(path.name[5:]): path for path in folder.glob("fold-*") if re.fullmatch(r"fold-\d+", path.name)}
    if not found:
        raise UsageError(f"no run in {folder}: wanted a run folder, or one with fold-0, fold-1 ... from 'crossval'")
    return [found[number] for number in sorted(found)]


def is_judged(run: Path) -> bool:
    """Whether a run has an evaluation of this version, with all that a comparison reads."""
    return all((run / "evaluation" / name).is_file() for name in ("report.json", "predictions.csv", "cases.csv"))


def read_contestant(name: str, runs: Sequence[Path]) -> Contestant:
    """Put the evaluations of ``runs``, one a fold, together.

    Raises
    ------
    UsageError, DataError, TableError
        Where a run is not evaluated, a fold stands twice, or folds differ in model, classes or protocol.
    """
    reports: dict[int, dict[str, Any]] = {}
    tables: list[Predictions] = []
    for run in runs:
        if not is_judged(run):
            raise UsageError(f"{run} is not evaluated, or by an older version: run 'hierattn evaluate {run}' first")
        report = _read_report(run / "evaluation" / "report.json")
        fold = report["protocol"]["fold"]
        if fold is None or fold in reports:
            raise UsageError(f"{name}: fold {fold} of {run} stands there twice or is none; wanted each fold once")
        reports[fold] = report
        tables.append(_named_alike(run))
    _check_alike(name, reports)
    return Contestant(
        name=name,
        protocol=next(iter(reports.values()))["protocol"]["name"],
        predictions=_joined(tables),
        reports=dict(sorted(reports.items())),
    )


def _read_report(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_REPORT_BYTES:
        raise TableError(f"{path} is larger than {MOST_REPORT_BYTES >> 20} MiB: wanted a report; evaluate again")
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = report["protocol"]["name"], report["provenance"]["model"], report["provenance"]["judged_on"]["source"]
    except (ValueError, KeyError, TypeError) as error:
        raise TableError(f"{path} is not a report ({error}); evaluate the run again") from None
    return report


def _named_alike(run: Path) -> Predictions:
    """A run's predictions with each image under its file's name, checksum and class, wherever the set lay."""
    predictions = read_predictions(run / "evaluation" / "predictions.csv")
    cases = read_cases(run / "evaluation" / "cases.csv")
    if tuple(case.image for case in cases) != predictions.images:
        raise TableError(f"{run / 'evaluation'}: cases.csv and predictions.csv hold other images; evaluate again")
    seen: Counter[str] = Counter()
    names = []
    for case, label in zip(cases, predictions.labels, strict=True):
        key = " ".join((*case.key, predictions.classes[label]))
        names.append(f"{key} {seen[key]}")
        seen[key] += 1
    return Predictions(
        tuple(names),
        predictions.classes,
        predictions.probabilities,
        predictions.labels,
        predictions.folds,
        predictions.groups,
    )


def _joined(tables: Sequence[Predictions]) -> Predictions:
    names = [name for table in tables for name in table.images]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"image {twice[0]} is judged in two folds: wanted folds of one split; prepare and train again")
    joined = Predictions(
        tuple(names),
        tables[0].classes,
        np.concatenate([table.probabilities for table in tables]),
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.folds for table in tables]),
        tuple(group for table in tables for group in table.groups),
    )
    return rows_of(joined, np.argsort(np.array(names)))


def _check_alike(name: str, reports: dict[int, dict[str, Any]]) -> None:
    for what, read in (
        ("protocol", lambda report: report["protocol"]["name"]),
        ("model", lambda report: report["provenance"]["model"]),
        ("options", lambda report: json.dumps(report["provenance"].get("options", {}), sort_keys=True)),
        ("classes", lambda report: report["class_order"]),
    ):
        values = {str(read(report)) for report in reports.values()}
        if len(values) > 1:
            raise DataError(f"{name}: its folds differ in {what} ({'; '.join(sorted(values))}): wanted one recipe")
