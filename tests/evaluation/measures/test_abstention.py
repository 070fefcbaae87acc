"""Abstention: the error of every prefix, counted; ties are answered together."""

import numpy as np
import pytest

from hierattn.evaluation.measures.abstention import area_under, measure_abstention, risk_coverage


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
    found = measure_abstention(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert [step.share for step in found.steps if step.target == 0.5] == [0.5]
    assert found.steps[-1].error == 0.0
    assert found.area_at_random == 0.5
    assert measure_abstention(np.zeros(0, int), np.zeros((0, 3))).steps == ()
