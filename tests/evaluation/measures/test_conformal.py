"""Prediction sets: the textbook's quantile, and a coverage kept on fresh draws."""

import numpy as np
import pytest
from prediction_tables import table

from hierattn.errors import UsageError
from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.conformal import fit_threshold, measure_sets, prediction_sets


def test_without_groups_it_is_the_textbooks_quantile():
    scores = np.random.default_rng(0).random(99)
    # Split conformal keeps the truth with the ceil((n + 1) coverage)-th best score: here the 90th of 99.
    assert fit_threshold(scores, np.arange(99), 0.9) == np.sort(scores)[::-1][89]
    assert fit_threshold(scores[:8], np.arange(8), 0.9) == 0.0  # eight cannot promise nine in ten
    with pytest.raises(UsageError, match="coverage 1"):
        fit_threshold(scores, np.arange(99), 1.0)


def test_the_stated_coverage_holds_for_new_groups():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(600):
        # Photographs of a lesion share how hard it is; lesions have one to six photographs.
        groups = np.repeat(np.arange(61), rng.integers(1, 7, 61))
        scores = rng.normal(size=61)[groups] + 0.3 * rng.normal(size=len(groups))
        known = groups < 60
        threshold = fit_threshold(scores[known], groups[known], 0.9)
        held.append(scores[~known][0] >= threshold if threshold != 0.0 else True)
    assert 0.87 < np.mean(held) < 0.94


def test_sets_are_measured_on_the_untouched_images():
    validation, test = table(images=200, seed=1), table(images=150, seed=2)
    calibration = fit_calibration(validation, resamples=0)
    narrow, wide = measure_sets(validation, test, calibration, resamples=100)
    assert narrow.target < wide.target
    assert narrow.mean_size <= wide.mean_size
    assert sum(narrow.sizes) == pytest.approx(1)
    sets = prediction_sets(calibration.apply(test.probabilities), narrow.threshold)
    assert narrow.coverage.value == sets[np.arange(150), test.labels].mean()
    assert narrow.mean_size == sets.sum() / 150
