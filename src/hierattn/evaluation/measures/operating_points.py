"""Where a clinic would use a model: few missed or few alarmed, not the middle of the ROC curve.

For cancer against the rest and melanoma against the rest: partial AUC above 80 % sensitivity (ISIC 2024), sensitivity
at 95 % specificity, specificity at 95 % sensitivity. The thresholds behind the last two are the best on the very images
judged: they compare models, and promise nothing for new patients (the triage threshold, fitted elsewhere, does).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.intervals import bootstrap, interval
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy import MALIGNANT

WISHED = 0.95
SUBJECTS: dict[str, frozenset[str]] = {"malignant": MALIGNANT, "melanoma": frozenset({"MEL"})}
NAMES = ("partial_auc", "sensitivity_at_95_specificity", "specificity_at_95_sensitivity")


def operating_points(predictions: Predictions, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Subject -> figure -> ``{"value", "interval"}``, intervals over groups; what is undefined is nan."""
    return {subject: _of(predictions, codes, resamples, seed) for subject, codes in SUBJECTS.items()}


def _of(predictions: Predictions, codes: frozenset[str], resamples: int, seed: int) -> dict[str, Any]:
    positive, scores = metrics.group_scores(predictions.labels, predictions.probabilities, predictions.classes, codes)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                metrics.partial_auc(positive, scores, weights=weights),
                metrics.sensitivity_at_specificity(positive, scores, WISHED, weights),
                metrics.specificity_at_sensitivity(positive, scores, WISHED, weights),
            ],
            axis=-1,
        )

    values = statistic(np.ones((1, len(predictions))))[0]
    draws = bootstrap(statistic, predictions.group_numbers, resamples, seed)
    return {
        name: {"value": float(values[place]), "interval": interval(draws[:, place]) if draws.size else None}
        for place, name in enumerate(NAMES)
    }
