"""``report.json``: every figure of an evaluation with its interval, computed from predictions alone (§4.1).

:func:`report_from_predictions` is all the arithmetic; the same table of predictions gives the same bits again. A share
or an area is ``{"value": ..., "interval": [low, high]}``; what is undefined is null.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import TableError
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.abstention import judge_abstention
from hierattn.evaluation.measures.calibration import Calibration, to_json, undefined_as_none
from hierattn.evaluation.measures.conformal import judge_sets
from hierattn.evaluation.measures.intervals import (
    LEVEL,
    Interval,
    balanced_interval,
    bootstrap,
    interval,
    share_interval,
)
from hierattn.evaluation.measures.operating_points import operating_points
from hierattn.evaluation.measures.subgroups import by_subgroups
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy import BY_CODE, MALIGNANT

FORMAT_VERSION = 1
PER_CLASS = ("sensitivity", "specificity", "precision", "f1", "auc")
HONEST = (
    "Folds were made first, and no lesion, patient or near-duplicate is in two of them. Training saw neither of two "
    "folds: the inner one chose the epoch and fitted temperature and threshold, and the outer one, reported here, was "
    "looked at once, by this evaluation."
)
FOREIGN = (
    "All original images of a set other than the one trained on. Temperature and threshold are the run's own, fitted "
    "on its inner fold; nothing was fitted here."
)


def report_from_predictions(
    predictions: Predictions,
    calibration: Calibration | None = None,
    *,
    validation: Predictions | None = None,
    cases: Sequence[Case] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of ``predictions``, as plain values for JSON.

    Parameters
    ----------
    predictions
        As read from ``predictions.csv``.
    calibration
        Adds ``calibration`` (before and after the temperature), ``triage`` and ``abstention``.
    validation
        Of the inner fold: adds ``conformal``, prediction sets fitted on it.
    cases
        What is known of the images, in the same order: adds ``subgroups``.
    resamples, seed
        Of the bootstrap over groups; 0 resamples gives figures without intervals.

    Returns
    -------
    dict
        ``images, groups, folds, class_order, top1, balanced_accuracy, macro_auc, malignant_auc, melanoma_auc,
        melanoma_sensitivity, malignant_partial_auc, operating_points, classes, confusion_matrix, bootstrap`` and what
        the other tables add.
    """
    figures = Figures(predictions, resamples, seed)
    report: dict[str, Any] = {
        "images": len(predictions),
        "groups": figures.count_groups(np.ones(len(predictions), bool)),
        "folds": sorted({int(fold) for fold in predictions.folds}),
        "class_order": list(predictions.classes),
        "top1": figures.top1(),
        "balanced_accuracy": figures.balanced_accuracy(),
        "macro_auc": figures.area("macro_auc"),
        "malignant_auc": figures.area("malignant_auc"),
        "melanoma_auc": figures.of_melanoma("auc"),
        "melanoma_sensitivity": figures.of_melanoma("sensitivity"),
        "malignant_partial_auc": figures.malignant_partial_auc(),
        "operating_points": operating_points(predictions, resamples, seed),
        "classes": {code: figures.of_class(index) for index, code in enumerate(predictions.classes)},
        "confusion_matrix": figures.matrix.tolist(),
        "bootstrap": {"resamples": resamples, "seed": seed, "level": LEVEL, "unit": "group"},
    }
    if calibration is not None:
        report["calibration"] = _before_and_after(predictions, calibration)
        report["triage"] = to_json(calibration)
        report["abstention"] = judge_abstention(predictions.labels, calibration.apply(predictions.probabilities))
        if validation is not None:
            report["conformal"] = judge_sets(validation, predictions, calibration, resamples=resamples, seed=seed)
    if cases is not None:
        report["subgroups"] = by_subgroups(predictions, cases, calibration, resamples=resamples, seed=seed)
    plain: dict[str, Any] = undefined_as_none(report)
    return plain


class Figures:
    """The figures of one table, and their draws under resampling of groups."""

    def __init__(self, predictions: Predictions, resamples: int, seed: int) -> None:
        self.predictions = predictions
        self.groups = predictions.group_numbers
        self.matrix = metrics.confusion_matrix(predictions.labels, predictions.probabilities)
        self.values = self._split(self._statistics(np.ones((1, len(predictions)))))
        self.draws = self._split(bootstrap(self._statistics, self.groups, resamples, seed))

    def _statistics(self, weights: np.ndarray) -> np.ndarray:
        """Weights (B, N) -> [top-1, balanced accuracy, macro AUC, malignant AUC, then PER_CLASS], (B, 4 + 5 C)."""
        labels, probabilities = self.predictions.labels, self.predictions.probabilities
        classes = len(self.predictions.classes)
        cells = np.eye(classes * classes)[labels * classes + self.predictions.predicted]  # (N, C * C), one-hot
        matrices = (weights @ cells).reshape(-1, classes, classes)
        areas = metrics.auc_per_class(labels, probabilities, weights)
        malignant = metrics.group_scores(labels, probabilities, self.predictions.classes, MALIGNANT)
        single = [
            metrics.top1_accuracy_of(matrices),
            metrics.balanced_accuracy_of(matrices),
            metrics.macro_auc_of(areas),
            metrics.auc(*malignant, weights),
        ]
        of_classes = [
            metrics.sensitivity_of(matrices),
            metrics.specificity_of(matrices),
            metrics.precision_of(matrices),
            metrics.f1_of(matrices),
            areas,
        ]
        return np.concatenate([np.stack(single, axis=1), *of_classes], axis=1)

    def _split(self, statistics: np.ndarray) -> dict[str, np.ndarray]:
        """Name the columns of :meth:`_statistics`: (B,) each, (B, C) those of classes."""
        classes = len(self.predictions.classes)
        if not statistics.size:
            statistics = np.zeros((0, 4 + len(PER_CLASS) * classes))
        names = ("top1", "balanced_accuracy", "macro_auc", "malignant_auc")
        columns = {name: statistics[:, place] for place, name in enumerate(names)}
        for place, name in enumerate(PER_CLASS):
            start = len(names) + place * classes
            columns[name] = statistics[:, start : start + classes]
        return columns

    def count_groups(self, rows: np.ndarray) -> int:
        """Different groups among the images of ``rows``, bool (N,)."""
        return len(np.unique(self.groups[rows]))

    def top1(self) -> dict[str, Any]:
        """Top-1 accuracy with its interval."""
        value = float(self.values["top1"][0])
        return _figure(value, share_interval(value, self.draws["top1"], int(self.groups.max(initial=-1)) + 1))

    def balanced_accuracy(self) -> dict[str, Any]:
        """Balanced accuracy with its interval."""
        value = float(self.values["balanced_accuracy"][0])
        labels = self.predictions.labels
        sizes = [self.count_groups(labels == index) for index in range(len(self.predictions.classes))]
        return _figure(value, balanced_interval(value, self.draws["balanced_accuracy"], sizes))

    def area(self, name: str) -> dict[str, Any]:
        """An AUC with its interval."""
        return _figure(float(self.values[name][0]), interval(self.draws[name]))

    def of_class(self, index: int) -> dict[str, Any]:
        """Everything about one class."""
        lesion = BY_CODE[self.predictions.classes[index]]
        mine, called = self.predictions.labels == index, self.predictions.predicted == index
        # A share's interval needs the groups that it is a share of.
        of = {"sensitivity": mine, "specificity": ~mine, "precision": called}
        figures: dict[str, Any] = {
            "name": lesion.name,
            "malignancy": lesion.malignancy,
            "images": int(mine.sum()),
            "groups": self.count_groups(mine),
            "predicted": int(called.sum()),
        }
        for name in PER_CLASS:
            value, draws = float(self.values[name][0, index]), self.draws[name][:, index]
            known = share_interval(value, draws, self.count_groups(of[name])) if name in of else interval(draws)
            figures[name] = _figure(value, known)
        return figures

    def of_melanoma(self, name: str) -> dict[str, Any]:
        """One figure of the class MEL; undefined for a model without it."""
        if "MEL" not in self.predictions.classes:
            return _figure(float("nan"), None)
        figure: dict[str, Any] = self.of_class(self.predictions.classes.index("MEL"))[name]
        return figure

    def malignant_partial_auc(self) -> float:
        """Of cancer against the rest, above 80 % sensitivity: 0.02 is chance, 0.2 perfect."""
        table = self.predictions
        kept = metrics.group_scores(table.labels, table.probabilities, table.classes, MALIGNANT)
        return float(metrics.partial_auc(*kept))


def _figure(value: float, known: Interval | None) -> dict[str, Any]:
    return {"value": value, "interval": None if known is None else list(known)}


def _before_and_after(predictions: Predictions, calibration: Calibration) -> dict[str, Any]:
    """ECE, Brier score and NLL before and after the calibration."""
    labels, before = predictions.labels, predictions.probabilities
    after = calibration.apply(before)
    compared: dict[str, Any] = {"temperature": calibration.temperature, "bins": 15}
    for name, figure in (
        ("expected_calibration_error", metrics.expected_calibration_error),
        ("brier", metrics.brier),
        ("negative_log_likelihood", metrics.negative_log_likelihood),
    ):
        compared[name] = {"before": figure(labels, before), "after": figure(labels, after)}
    return compared


def read_learning_curve(log: Path) -> dict[str, list[float | None]]:
    """The columns of a run's ``log.csv``; empty where there is no log (imported weights).

    Raises
    ------
    TableError
        Where a value is no number.
    """
    if not log.is_file():
        return {}
    with log.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        columns: dict[str, list[float | None]] = {name: [] for name in names}
        for row in reader:
            for name in names:
                try:
                    columns[name].append(float(row[name]))
                except (TypeError, ValueError):
                    raise TableError(
                        f"{log}:{reader.line_num}: {name} is {row[name]!r}, wanted a number; train the run again"
                    ) from None
    plain: dict[str, list[float | None]] = undefined_as_none(columns)
    return plain


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write ``report.json``, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)
