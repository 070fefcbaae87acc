"""The row of figures of one set of images, against scikit-learn and the metrics that take no weights."""

import math

import numpy as np
import pytest
from prediction_tables import table
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from hierattn import metrics
from hierattn.evaluation.measures.calibration import fit_calibration, measure_threshold
from hierattn.evaluation.measures.shift_measures import MEASURES, measure_set
from hierattn.evaluation.predictions import rows_of
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(scope="module")
def predictions():
    return table(240, seed=3)


@pytest.fixture(scope="module")
def calibration(predictions):
    return fit_calibration(predictions, resamples=0)


def test_every_figure_is_what_others_compute(predictions, calibration):
    row = measure_set(predictions, calibration, resamples=0)
    labels, probabilities = predictions.labels, predictions.probabilities
    melanoma, nevus = EIGHT.codes.index("MEL"), EIGHT.codes.index("NV")
    both = np.isin(labels, (melanoma, nevus))
    cancer = [code in EIGHT.malignant for code in EIGHT.codes]
    calibrated = calibration.apply(probabilities)
    point = measure_threshold(predictions, calibration.temperature, calibration.risk_threshold, 0, 0)
    expected = {
        "melanoma_auc": roc_auc_score(labels == melanoma, probabilities[:, melanoma]),
        "melanoma_nevus_auc": roc_auc_score(labels[both] == melanoma, probabilities[both, melanoma]),
        "malignant_auc": roc_auc_score(np.array(cancer)[labels], probabilities[:, cancer].sum(axis=1)),
        "balanced_accuracy": balanced_accuracy_score(labels, probabilities.argmax(axis=1)),
        "calibration_error": metrics.expected_calibration_error(labels, calibrated),
        "sensitivity": point.sensitivity,
        "specificity": point.specificity,
    }
    assert set(expected) == set(MEASURES)
    for name, value in expected.items():
        assert row[name]["value"] == pytest.approx(value, abs=1e-12), name
        assert row[name]["interval"] is None
    assert row["classes"] == {code: int((labels == index).sum()) for index, code in enumerate(EIGHT.codes)}


def test_intervals_hold_their_value(predictions, calibration):
    row = measure_set(predictions, calibration, resamples=200)
    for name in MEASURES:
        if name == "calibration_error":  # no resample is unbiased: noise only adds to a sum of distances
            assert row[name]["interval"] is None
            continue
        low, high = row[name]["interval"]
        assert low <= row[name]["value"] <= high
        assert low < high


def test_what_is_accepted_is_measured_without_what_is_rejected(predictions, calibration):
    rejected = np.arange(len(predictions)) % 3 == 0
    row = measure_set(predictions, calibration, rejected, resamples=100, seed=5)
    assert row["rejected"]["value"] == pytest.approx(rejected.mean())
    accepted = measure_set(rows_of(predictions, np.flatnonzero(~rejected)), calibration, resamples=100, seed=5)
    assert row["accepted"] == accepted


def test_what_cannot_be_known_is_none(predictions, calibration):
    nevi = rows_of(predictions, np.flatnonzero(predictions.labels == EIGHT.codes.index("NV")))
    row = measure_set(nevi, calibration, np.ones(len(nevi), bool), resamples=100)
    for name in ("melanoma_auc", "melanoma_nevus_auc", "malignant_auc", "sensitivity"):
        assert row[name] == {"value": None, "interval": None}
    assert row["specificity"]["value"] is not None
    assert row["rejected"]["value"] == 1
    assert row["accepted"]["images"] == 0
    assert all(row["accepted"][name]["value"] is None for name in MEASURES)
    assert not any(isinstance(value, float) and math.isnan(value) for value in row.values())
