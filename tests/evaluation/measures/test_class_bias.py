"""The bias a class: found again where it was made on purpose, and no other is better."""

import numpy as np
import pytest
from prediction_tables import table

from hierattn import metrics
from hierattn.errors import DataError
from hierattn.evaluation.measures.calibration import (
    calibrate,
    evaluate_calibration,
    fit_calibration,
    fit_temperature,
    read_calibration,
    risk,
    write_calibration,
)
from hierattn.evaluation.measures.class_bias import fit_class_bias, softmax


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
    biased = evaluate_calibration(fit_calibration(validation, per_class=True, resamples=0), test, resamples=0)
    before, after = (
        metrics.negative_log_likelihood(validation.labels, known.apply(validation.probabilities))
        for known in (plain, biased)
    )
    assert after < before
    write_calibration(tmp_path / "c.json", biased)
    assert read_calibration(tmp_path / "c.json") == biased
    positive, scores = risk(test, biased.temperature, biased.class_bias)
    assert biased.test.sensitivity == pytest.approx((scores[positive] >= biased.risk_threshold).mean())


def test_where_every_answer_is_right_nothing_is_fitted():
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, 60)
    sure = rng.uniform(0.45, 0.95, 60)
    probabilities = np.repeat(((1 - sure) / 3)[:, None], 4, axis=1)
    probabilities[np.arange(60), labels] = sure
    assert fit_class_bias(labels, probabilities, 1.3) == (1.3, (0.0,) * 4)
    labels[0] = (labels[0] + 1) % 4  # one is wrong: now there is something to learn
    temperature, bias = fit_class_bias(labels, probabilities)
    assert 0.05 < temperature < 50
    assert len(set(bias)) > 1
