"""The headline of each source by itself, where the photographs are of several.

A pooled figure is the largest source's, and it is flattered where sources differ in their share of cancer: a network
that only tells the sources apart has an AUC above 0.5. So a set of several sources is never read by its pooled figures
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.calibration import Calibration, error_by_chance, measure_threshold
from hierattn.evaluation.measures.classification import Classification
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import Predictions, rows_of


@dataclass(frozen=True)
class SourceFigures:
    """One source.

    Attributes
    ----------
    source, images, groups
        Its name, and what was evaluated of it.
    classes
        Classes that it has; balanced accuracy is a mean over these.
    balanced_accuracy, malignant_auc, melanoma_auc
        As in :class:`~hierattn.evaluation.report.Measurements`.
    known_classes
        Classes of which it has five groups or more; None in reports of older versions.
    known_balanced_accuracy, macro_auc
        Means over these: a class of one lesion says nothing, and weighs as much as the others. In reports of older
        versions the macro AUC is over all classes.
    calibration_error
        Expected calibration error after the temperature; None without a calibration.
    by_chance
        That error of exactly right probabilities on as many photographs; None in reports of older versions, too.
    sensitivity, specificity
        Of the advice; None without a threshold.
    """

    source: str
    images: int
    groups: int
    classes: int
    balanced_accuracy: Estimate
    macro_auc: Estimate
    malignant_auc: Estimate
    melanoma_auc: Estimate
    calibration_error: float | None = None
    by_chance: Estimate | None = None
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    known_classes: int | None = None
    known_balanced_accuracy: Estimate | None = None


def measure_by_source(
    predictions: Predictions, calibration: Calibration | None = None, *, resamples: int = 1000, seed: int = 0
) -> tuple[SourceFigures, ...]:
    """The figures of each source, by name; none where ``predictions`` are of one.

    ``resamples`` and ``seed`` are those of the intervals over groups.
    """
    return tuple(
        _of_one(source, rows_of(predictions, np.flatnonzero(np.array(predictions.sources) == source)), calibration,
                resamples, seed)
        for source in sorted(set(predictions.sources))
    )  # fmt: skip


def _of_one(source: str, own: Predictions, calibration: Calibration | None, resamples: int, seed: int) -> SourceFigures:
    figures = Classification(own, resamples, seed)
    known, known_accuracy, macro_auc = figures.of_known_classes()
    error: float | None = None
    by_chance: Estimate | None = None
    advice: tuple[Estimate | None, Estimate | None] = (None, None)
    if calibration is not None:
        calibrated = calibration.apply(own.probabilities)
        error = metrics.expected_calibration_error(own.labels, calibrated)
        by_chance = error_by_chance(calibrated)
        if calibration.has_threshold:
            fitted = (calibration.temperature, calibration.risk_threshold)
            advice = measure_threshold(own, *fitted, resamples, seed, calibration.class_bias).estimates
    return SourceFigures(
        source=source,
        images=len(own),
        groups=figures.count_groups(np.ones(len(own), bool)),
        classes=len(set(own.labels.tolist())),
        balanced_accuracy=figures.balanced_accuracy(),
        macro_auc=macro_auc,
        malignant_auc=figures.area("malignant_auc"),
        melanoma_auc=figures.of_melanoma("auc"),
        known_classes=known,
        known_balanced_accuracy=known_accuracy,
        calibration_error=error,
        by_chance=by_chance,
        sensitivity=advice[0],
        specificity=advice[1],
    )
