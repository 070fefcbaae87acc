"""What is measured of a model on photographs from other sources: one row of figures a set of images.

Melanoma against everything else and against nevi alone, cancer against the rest, balanced accuracy, calibration and the
run's own triage threshold, each with its 95 % interval over lesions or patients; then the share of photographs that is
rejected, and the same figures of those that are accepted. Nothing is fitted here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.intervals import bootstrap, interval, share_interval, share_of
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.evaluation.records import to_plain
from hierattn.taxonomy.built_in import class_like

MEASURES: dict[str, str] = {
    "melanoma_auc": "melanoma AUC",
    "melanoma_nevus_auc": "melanoma against nevi, AUC",
    "malignant_auc": "cancer AUC",
    "balanced_accuracy": "balanced accuracy",
    "calibration_error": "calibration error",
    "sensitivity": "sensitivity of the advice",
    "specificity": "specificity of the advice",
}
"""Name -> words. ``calibration_error`` is the expected one in 15 bins, of the calibrated probabilities; the advice is
the run's own threshold. Balanced accuracy counts the classes that are there."""
BINS = 15
SHARES = ("sensitivity", "specificity")
COUNTS = ("melanomas", "cancers")
"""Images of the class that is melanoma, and of those that are cancer."""


def measure_set(
    predictions: Predictions,
    calibration: Calibration,
    rejected: np.ndarray | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of one set of images.

    Parameters
    ----------
    predictions
        The network's own probabilities, before calibration.
    calibration
        The run's own.
    rejected
        bool, (N,): photographs that the software would reject; None where it cannot tell.
    resamples, seed
        Of the bootstrap over groups; 0 resamples gives no intervals.

    Returns
    -------
    dict
        ``images, groups, classes`` (code -> images), :data:`COUNTS` (images; None where no class is one), each of
        :data:`MEASURES` as ``{"value", "interval"}``, the calibration error without an interval, and with ``rejected``
        its share as ``rejected`` and the same of the others as ``accepted``. Undefined is None.
    """
    row = _figures(predictions, calibration, resamples, seed)
    if rejected is not None:
        row["rejected"] = share_of(rejected, predictions.group_numbers, resamples, seed)
        row["accepted"] = _figures(rows_of(predictions, np.flatnonzero(~rejected)), calibration, resamples, seed)
    plain: dict[str, Any] = to_plain(row)
    return plain


def _figures(predictions: Predictions, calibration: Calibration, resamples: int, seed: int) -> dict[str, Any]:
    table = _Table(predictions, calibration)
    groups = predictions.group_numbers
    values = table.measures(np.ones((1, len(predictions))))[0]
    draws = bootstrap(table.measures, groups, resamples, seed)
    row: dict[str, Any] = {
        "images": len(predictions),
        "groups": len(np.unique(groups)),
        "classes": {code: int((predictions.labels == index).sum()) for index, code in enumerate(predictions.classes)},
    }
    melanoma, cancers = class_like(predictions.taxonomy, "MEL"), predictions.taxonomy.malignant
    row["melanomas"] = row["classes"][melanoma] if melanoma else None
    row["cancers"] = sum(row["classes"][code] for code in cancers) if cancers else None
    for place, name in enumerate(MEASURES):
        mine = draws[:, place] if draws.size else np.zeros(0)
        value = float(values[place])
        of = table.positive if name == "sensitivity" else ~table.positive
        known = share_interval(value, mine, len(np.unique(groups[of]))) if name in SHARES else interval(mine)
        if name == "calibration_error":  # a sum of distances: resampling makes it larger, and its draws are no interval
            known = None
        row[name] = {"value": value, "interval": known}
    return row


class _Table:
    """One set's predictions, and every figure of it under any weights of its images."""

    def __init__(self, predictions: Predictions, calibration: Calibration) -> None:
        self.predictions, self.calibration = predictions, calibration
        calibrated = calibration.apply(predictions.probabilities)
        self.positive, scores = risk(predictions, calibration.temperature, calibration.class_bias)
        self.sent = scores >= calibration.risk_threshold
        confidence = calibrated.max(axis=1) if len(calibrated) else np.zeros(0)
        place = metrics.bin_of(confidence, BINS)
        answer = calibrated.argmax(axis=1) if len(calibrated) else np.zeros(0, np.int64)
        surprise = (answer == predictions.labels) - confidence
        self.surprise_of_bins = np.eye(BINS)[place] * surprise[:, None]  # (N, bins)

    def measures(self, weights: np.ndarray) -> np.ndarray:
        """Weights (B, N) -> :data:`MEASURES` in their order, (B, 7)."""
        labels, probabilities = self.predictions.labels, self.predictions.probabilities
        classes = self.predictions.classes
        of_class = np.eye(len(classes))[labels]  # (N, C), one-hot
        found, actual = weights @ (of_class * (self.predictions.predicted == labels)[:, None]), weights @ of_class
        balanced = metrics.shares_of_counts(found, actual, actual)["balanced_accuracy"]
        cancer = metrics.group_scores(labels, probabilities, classes, self.predictions.taxonomy.malignant)
        pair = [class_like(self.predictions.taxonomy, code) for code in ("MEL", "NV")]
        total = weights.sum(axis=1)
        error = np.abs(weights @ self.surprise_of_bins).sum(axis=1)
        columns = [
            self._melanoma(weights, np.ones(len(labels), bool)),
            self._melanoma(weights, np.isin(labels, [classes.index(code) for code in pair if code])),
            metrics.auc(*cancer, weights),
            balanced,
            np.divide(error, total, out=np.full(len(total), np.nan), where=total > 0),
            self._share(weights, self.positive, self.sent),
            self._share(weights, ~self.positive, ~self.sent),
        ]
        return np.stack(columns, axis=1)

    def _melanoma(self, weights: np.ndarray, among: np.ndarray) -> np.ndarray:
        """AUC of melanoma's own probability among the images of ``among``, (B,)."""
        melanoma = class_like(self.predictions.taxonomy, "MEL")
        if melanoma is None:
            return np.full(len(weights), np.nan)
        index = self.predictions.classes.index(melanoma)
        scores = self.predictions.probabilities[among, index]
        return metrics.auc(self.predictions.labels[among] == index, scores, weights[:, among])

    def _share(self, weights: np.ndarray, of: np.ndarray, hit: np.ndarray) -> np.ndarray:
        below = weights @ of.astype(np.float64)
        if math.isnan(self.calibration.risk_threshold):
            below = np.zeros(len(weights))
        above = weights @ (of & hit).astype(np.float64)
        return np.divide(above, below, out=np.full(len(weights), np.nan), where=below > 0)
