"""Prediction sets, abstention and the bias a class: promises kept on fresh draws, and closed forms."""

import numpy as np
import pytest
from tests.evaluation.test_predictions import table

from hierattn import metrics
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.measures.abstention import area_under, judge_abstention, risk_coverage
from hierattn.evaluation.measures.calibration import (
    calibrate,
    fit_calibration,
    fit_temperature,
    judged_on,
    read_calibration,
    risk,
    write_calibration,
)
from hierattn.evaluation.measures.class_bias import fit_class_bias, softmax
from hierattn.evaluation.measures.conformal import fit_threshold, judge_sets, prediction_sets


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
    narrow, wide = judge_sets(validation, test, calibration, resamples=100)
    assert narrow["wished"] < wide["wished"]
    assert narrow["mean_size"] <= wide["mean_size"]
    assert sum(narrow["sizes"]) == pytest.approx(1)
    sets = prediction_sets(calibration.apply(test.probabilities), narrow["threshold"])
    assert narrow["coverage"]["value"] == sets[np.arange(150), test.labels].mean()
    assert narrow["mean_size"] == sets.sum() / 150


def test_risk_coverage_is_the_error_of_every_prefix():
    rng = np.random.default_rng(2)
    confidence, right = rng.permutation(50) / 50.0, rng.random(50) < 0.7
    answered, error = risk_coverage(right, confidence)
    order = np.argsort(-confidence)
    for count in range(1, 51):
        assert answered[count - 1] == count / 50
        assert error[count - 1] == pytest.approx(1 - right[order[:count]].mean())
    assert area_under(right, confidence) == pytest.approx(error.mean())


def test_equal_confidence_is_answered_together_and_abstaining_gains_nothing_by_chance():
    right = np.array([True, False, True, False])
    answered, error = risk_coverage(right, np.full(4, 0.5))
    assert (answered.tolist(), error.tolist()) == ([1.0], [0.5])
    assert area_under(right, np.full(4, 0.5)) == 0.5
    assert np.isnan(area_under(right[:0], np.zeros(0)))
    found = judge_abstention(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert [step["share"] for step in found["steps"] if step["wished"] == 0.5] == [0.5]
    assert found["steps"][-1]["error"] == 0.0
    assert found["area_at_random"] == 0.5
    assert judge_abstention(np.zeros(0, int), np.zeros((0, 3)))["steps"] == []


def test_biases_made_on_purpose_are_taken_back():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (20_000, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    shifted = softmax(2 * (logits - np.array([1.0, 0.0, -1.0])))
    temperature, bias = fit_class_bias(labels, shifted, fit_temperature(labels, shifted))
    assert temperature == pytest.approx(2, rel=0.05)
    assert bias == pytest.approx([1, 0, -1], abs=0.08)
    assert sum(bias) == pytest.approx(0, abs=1e-12)


def test_no_other_bias_is_better_and_a_class_never_seen_has_a_finite_one():
    some = table(images=300, seed=4)
    some.labels[:200] = some.predicted[:200]
    some.labels[some.labels == 3] = 0
    temperature, bias = fit_class_bias(some.labels, some.probabilities, 1.5)
    assert np.isfinite(bias).all()

    def loss(values):
        nll = metrics.negative_log_likelihood(some.labels, calibrate(some.probabilities, temperature, values))
        return nll + (np.square(values).sum() / 2) / 300

    rng = np.random.default_rng(0)
    best = loss(np.array(bias))
    for _ in range(20):
        step = rng.normal(0, 0.05, 8)
        assert loss(np.array(bias) + step - step.mean()) >= best - 1e-9
    with pytest.raises(DataError, match="no validation image"):
        fit_class_bias(np.zeros(0, int), np.zeros((0, 3)))


def test_the_bias_is_kept_and_used_by_the_threshold(tmp_path):
    validation, test = table(images=200, seed=1), table(images=100, seed=2)
    plain = fit_calibration(validation, resamples=0)
    biased = judged_on(fit_calibration(validation, per_class=True, resamples=0), test, resamples=0)
    before, after = (
        metrics.negative_log_likelihood(validation.labels, known.apply(validation.probabilities))
        for known in (plain, biased)
    )
    assert after < before
    write_calibration(tmp_path / "c.json", biased)
    assert read_calibration(tmp_path / "c.json") == biased
    positive, scores = risk(test, biased.temperature, biased.class_bias)
    assert biased.test.sensitivity == pytest.approx((scores[positive] >= biased.risk_threshold).mean())
