"""Clinical operating points: the best threshold among all, tried one by one."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table

from hierattn.evaluation.measures.operating_points import FIXED, operating_points
from hierattn.taxonomy.built_in import EIGHT


def test_they_are_the_best_of_all_thresholds():
    some = table(images=200, seed=3)
    melanoma = EIGHT.codes.index("MEL")
    positive, scores = some.labels == melanoma, some.probabilities[:, melanoma]
    pairs = [
        ((scores[positive] >= limit).mean(), (scores[~positive] < limit).mean()) for limit in [*np.unique(scores), 2]
    ]
    figures = operating_points(some, resamples=100)["melanoma"]
    best = max(sensitivity for sensitivity, specificity in pairs if specificity >= FIXED)
    assert figures.sensitivity_at_95_specificity.value == pytest.approx(best)
    best = max(specificity for sensitivity, specificity in pairs if sensitivity >= FIXED)
    assert figures.specificity_at_95_sensitivity.value == pytest.approx(best)
    assert figures.partial_auc.interval is not None


def test_without_the_class_there_are_none_and_without_its_images_they_are_undefined():
    assert operating_points(table(images=30, classes=("BKL", "NV")), resamples=0) == {}
    assert list(operating_points(table(images=30, classes=("BCC", "NV")), resamples=0)) == ["malignant"]
    some = table(images=30, classes=("MEL", "NV"))
    figures = operating_points(replace(some, labels=np.ones_like(some.labels)), resamples=0)["melanoma"]
    assert figures.partial_auc.value is figures.sensitivity_at_95_specificity.value is None
