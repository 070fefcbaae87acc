"""Flips counted as they happen, and images thinned by lesion."""

import numpy as np
import pytest
from prediction_tables import table

from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.photo_changes import change
from hierattn.evaluation.measures.robustness import choose_rows, measure_robustness
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT


def one_of_each(images):
    """Predictions that a brightness tells: bright images are melanoma."""
    level = images.reshape(len(images), -1).mean(axis=1) / 255
    probabilities = np.full((len(images), 8), 0.0)
    probabilities[:, EIGHT.codes.index("MEL")], probabilities[:, EIGHT.codes.index("NV")] = level, 1 - level
    return probabilities


def test_flips_are_counted_as_they_happen():
    images = np.full((40, 16, 16, 3), 200, np.uint8)
    images[20:] = 40
    probabilities = one_of_each(images)
    labels = np.repeat([EIGHT.codes.index("MEL"), EIGHT.codes.index("NV")], 20)
    some = Predictions(tuple(map(str, range(40))), EIGHT, probabilities, labels, np.zeros(40), ("",) * 40)
    calibration = fit_calibration(some, resamples=0)
    found = measure_robustness(one_of_each, images, some, calibration, resamples=100)
    turned = found.changes["rotation"].severities
    assert all(row.advice_flips.value == 0 == row.answer_flips for row in turned)
    # The threshold is the brightest's own risk: every melanoma that was made darker is sent home, none sent in.
    bright = found.changes["brightness"].severities[1]
    darker = np.mean(
        [change("brightness", image, 1, 0, number).mean() < 200 for number, image in enumerate(images[:20])]
    )
    assert 0 < darker < 1
    assert bright.sent_home == pytest.approx(darker)
    assert bright.sent_in == 0
    assert bright.advice_flips.value == pytest.approx(darker / 2)
    assert found.balanced_accuracy == 1


def test_a_lesion_flips_where_any_of_its_photographs_does():
    """Two photographs a lesion; a lamp half as bright takes one of two below the threshold of those that it dims."""
    images = np.full((40, 16, 16, 3), 200, np.uint8)
    images[20:] = 40
    labels = np.repeat([EIGHT.codes.index("MEL"), EIGHT.codes.index("NV")], 20)
    groups = tuple(f"lesion {row // 2}" for row in range(40))
    some = Predictions(tuple(map(str, range(40))), EIGHT, one_of_each(images), labels, np.zeros(40), groups)
    found = measure_robustness(one_of_each, images, some, fit_calibration(some, resamples=0), resamples=100)
    row = found.changes["brightness"].severities[1]
    darker = np.array([change("brightness", image, 1, 0, n).mean() < 200 for n, image in enumerate(images[:20])])
    lesions = darker.reshape(10, 2).any(axis=1)
    assert row.advice_flips.value == pytest.approx(darker.sum() / 40)
    assert row.lesions.advice_flips.value == pytest.approx(lesions.sum() / 20)
    assert row.lesions.sent_home == pytest.approx(lesions.mean())
    assert row.lesions.advice_flips.value > row.advice_flips.value > 0
    low, high = row.lesions.advice_flips.interval
    assert low <= row.lesions.advice_flips.value <= high
    still = found.changes["rotation"].severities[0].lesions
    assert (still.advice_flips.value, still.answer_flips, still.sent_home) == (0, 0, 0)


def test_many_images_are_thinned_by_lesion():
    some = table(images=100)
    assert np.array_equal(choose_rows(some, most=200), np.arange(100))
    chosen = choose_rows(some, most=50, seed=1)
    assert len(chosen) == len(np.unique(chosen)) == 50
    assert len(np.unique(some.group_numbers[chosen])) == 50  # 60 groups: no lesion twice while others wait
    assert np.array_equal(chosen, choose_rows(some, most=50, seed=1))
