"""Each source by itself: the same figures as of its photographs alone, and none for a set of one source."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table
from sklearn.metrics import roc_auc_score

from hierattn.evaluation.measures.calibration import evaluate_calibration, fit_calibration
from hierattn.evaluation.predictions import rows_of
from hierattn.evaluation.report import measure_predictions
from hierattn.evaluation.source_figures import measure_by_source

HOW = {"resamples": 100, "seed": 3}


def test_a_sources_figures_are_those_of_its_photographs_alone():
    some = replace(table(images=120, seed=2), sources=("b", "b", "a") * 40)
    calibration = fit_calibration(table(images=100, seed=1), resamples=0)
    first, second = measure_by_source(some, calibration, **HOW)
    assert (first.source, first.images, second.source, second.images) == ("a", 40, "b", 80)
    alone = replace(rows_of(some, np.arange(2, 120, 3)), sources=())
    expected = measure_predictions(alone, evaluate_calibration(calibration, alone, **HOW), **HOW)
    for name in ("balanced_accuracy", "malignant_auc", "melanoma_auc"):
        assert getattr(first, name) == getattr(expected, name), name
    assert first.groups == expected.groups
    assert first.calibration_error == pytest.approx(expected.calibration.expected_calibration_error.after)
    assert first.sensitivity.value == expected.triage.test.sensitivity
    assert first.specificity.interval == expected.triage.test.specificity_interval


def test_a_class_of_fewer_than_five_lesions_counts_in_no_mean_that_says_it_does_not():
    some = table(images=90, seed=4, classes=("BCC", "MEL", "NV", "VASC"))
    labels = np.array([0] * 4 + [1] * 40 + [2] * 40 + [3] * 6)  # VASC: six photographs of two lesions
    groups = tuple(f"g{number if number < 84 else 84 + number % 2}" for number in range(90))
    some = replace(some, labels=labels, groups=groups, sources=("a",) * 89 + ("b",))
    figures, _ = measure_by_source(some, **HOW)
    own = rows_of(some, np.arange(89))
    right = own.probabilities.argmax(1) == own.labels
    assert (figures.classes, figures.known_classes) == (4, 2)
    assert figures.known_balanced_accuracy.value == pytest.approx(
        np.mean([right[own.labels == place].mean() for place in (1, 2)])
    )
    assert figures.macro_auc.value == pytest.approx(
        np.mean([roc_auc_score(own.labels == place, own.probabilities[:, place]) for place in (1, 2)])
    )
    assert figures.balanced_accuracy.value == pytest.approx(
        np.mean([right[own.labels == place].mean() for place in range(4)])
    )


def test_a_set_of_one_source_has_no_such_table_and_a_network_without_threshold_no_advice():
    assert measure_by_source(table(images=20)) == ()
    (only, _) = measure_by_source(replace(table(images=20), sources=("a", "b") * 10), **HOW)
    assert only.sensitivity is only.specificity is only.calibration_error is None


def test_pooling_flatters_where_sources_differ_in_their_share_of_melanoma():
    # A network that only knows the sources: at each of them it guesses.
    some = table(images=400, seed=5, classes=("MEL", "NV"))
    sources = np.array(["clinic"] * 200 + ["screening"] * 200)
    labels = np.where(np.arange(400) % 200 < np.where(sources == "clinic", 120, 10), 0, 1)
    likely = np.where(sources == "clinic", 0.6, 0.05) + np.random.default_rng(0).normal(0, 1e-3, 400)
    some = replace(some, labels=labels, probabilities=np.stack([likely, 1 - likely], 1), sources=tuple(sources))
    report = measure_predictions(some, resamples=0)
    assert report.melanoma_auc.value > 0.8
    assert all(abs(source.melanoma_auc.value - 0.5) < 0.15 for source in report.by_source)
