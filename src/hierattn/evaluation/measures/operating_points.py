"""Where a clinic would use a model: few missed or few alarmed, not the middle of the ROC curve.

For cancer against the rest and melanoma against the rest: partial AUC above 80 % sensitivity (ISIC 2024), sensitivity
at 95 % specificity, specificity at 95 % sensitivity. The thresholds behind the last two are the best on these very
images: they compare models, and promise nothing for new patients (the triage threshold, fitted elsewhere, does).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, interval
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import class_like
from hierattn.taxonomy.records import Taxonomy

FIXED = 0.95
"""The specificity, or the sensitivity, at which the other one is read."""


def subjects(taxonomy: Taxonomy) -> dict[str, frozenset[str]]:
    """``malignant`` and ``melanoma`` -> the classes that are; without the one that the taxonomy has no class of.

    >>> from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN
    >>> list(subjects(MALIGNANT_OR_BENIGN))
    ['malignant']
    """
    melanoma = class_like(taxonomy, "MEL")
    own = {"malignant": taxonomy.malignant, "melanoma": frozenset({melanoma} if melanoma else ())}
    return {subject: codes for subject, codes in own.items() if codes}


@dataclass(frozen=True)
class ClinicalFigures:
    """One subject against the rest, where a clinic would use a model. Partial AUC: 0.02 is chance, 0.2 perfect."""

    partial_auc: Estimate
    sensitivity_at_95_specificity: Estimate
    specificity_at_95_sensitivity: Estimate


def operating_points(predictions: Predictions, resamples: int = 1000, seed: int = 0) -> dict[str, ClinicalFigures]:
    """The figures of each of :func:`subjects`, with intervals over groups."""
    own = subjects(predictions.taxonomy)
    return {subject: _figures(predictions, codes, resamples, seed) for subject, codes in own.items()}


def _figures(predictions: Predictions, codes: frozenset[str], resamples: int, seed: int) -> ClinicalFigures:
    positive, scores = metrics.group_scores(predictions.labels, predictions.probabilities, predictions.classes, codes)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                metrics.partial_auc(positive, scores, weights=weights),
                metrics.sensitivity_at_specificity(positive, scores, FIXED, weights),
                metrics.specificity_at_sensitivity(positive, scores, FIXED, weights),
            ],
            axis=-1,
        )

    values = statistic(np.ones((1, len(predictions))))[0]
    draws = bootstrap(statistic, predictions.group_numbers, resamples, seed)
    return ClinicalFigures(
        *(
            Estimate.of(float(value), interval(draws[:, place]) if draws.size else None)
            for place, value in enumerate(values)
        )
    )
