"""Recalibration at home: the bound holds for new lesions, no threshold rests on one, and what does not help is left."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from hierattn import metrics
from hierattn.errors import DataError
from hierattn.evaluation.clinical_use.recalibration import (
    KEPT,
    LOWERED,
    PROVEN,
    choose_home_threshold,
    crossed_gain,
    examine_cases,
    fewest_positives,
    recalibrate,
)
from hierattn.evaluation.measures.calibration import Calibration, ThresholdFigures, risk
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT

NOWHERE = ThresholdFigures(np.nan, None, np.nan, None, 0, 0, 0)
PARENT = Calibration(1.0, 0.2, 0.95, NOWHERE, None, "")
THREE = EIGHT.subset(("BKL", "MEL", "NV"))


def clinic(rng, lesions, overconfidence=1.0, shift=(0.0, 0.0, 0.0), mix=(0.2, 0.4, 0.4)):
    """Answers that are calibrated for ``mix`` without ``overconfidence`` and ``shift``: a normal score a class."""
    labels = rng.choice(3, lesions, p=mix)
    scores = rng.normal(0, 1, (lesions, 3))
    scores[np.arange(lesions), labels] += 1.5
    logits = (1.5 * scores + np.log(mix)) * overconfidence + np.asarray(shift)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    names = tuple(map(str, range(lesions)))
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    return Predictions(names, THREE, probabilities, labels, np.zeros(lesions, np.int64), ("",) * lesions)


def test_new_lesions_reach_the_target_as_often_as_was_promised_after_everything_was_fitted_on_the_same_cases():
    """2,000 such clinics are published under results/recalibration; here fewer, each fitted from beginning to end."""
    rng, runs, held = np.random.default_rng(0), 150, 0
    new = clinic(rng, 20_000, 1.8, (1.0, -1.0, 0.0))
    for seed in range(runs):
        fitted = recalibrate(clinic(rng, 220, 1.8, (1.0, -1.0, 0.0)), PARENT, resamples=0, seed=seed)
        assert fitted.rule == PROVEN
        positive, scores = risk(replace(new, probabilities=fitted.apply(new.probabilities)), 1.0)
        held += (scores[positive] >= fitted.threshold).mean() >= 0.95
    assert binom.cdf(held, runs, 0.8) > 0.01, f"{held} of {runs}"


def test_a_model_that_is_overconfident_and_shifted_at_home_is_corrected_on_new_cases():
    rng = np.random.default_rng(1)
    fitted = recalibrate(clinic(rng, 200, 2.0, (1.5, -1.5, 0.0)), PARENT, resamples=0)
    new = clinic(rng, 5_000, 2.0, (1.5, -1.5, 0.0))
    best = clinic(np.random.default_rng(2), 5_000)
    before, after, ideal = (
        metrics.negative_log_likelihood(table.labels, table.probabilities)
        for table in (new, replace(new, probabilities=fitted.apply(new.probabilities)), best)
    )
    assert fitted.changed
    assert after < before - 0.15
    assert after < ideal + 0.05


def test_a_model_that_fits_at_home_is_mostly_left_as_it_is_and_its_answers_stay_to_the_last_bit():
    rng = np.random.default_rng(3)
    fitted = [recalibrate(clinic(rng, 60), PARENT, resamples=0, seed=seed) for seed in range(20)]
    kept = [each for each in fitted if not each.changed]
    assert len(kept) >= 14
    answers = clinic(rng, 10).probabilities
    assert all(each.apply(answers) is answers and each.gain <= 0 for each in kept)


def test_the_gain_is_read_on_lesions_that_were_not_fitted_on():
    rng = np.random.default_rng(4)
    labels, answers = rng.integers(0, 3, 30), rng.dirichlet(np.ones(3), 30)
    twice = crossed_gain(np.tile(labels, 2), np.tile(answers, (2, 1)), np.tile(np.arange(30), 2))
    assert twice == pytest.approx(crossed_gain(labels, answers, np.arange(30)), abs=0.1)  # a copy proves nothing


def test_so_many_lesions_prove_a_threshold_as_scipy_counts():
    for target, confidence in ((0.95, 0.8), (0.9, 0.9), (0.95, 0.95)):
        count = fewest_positives(target, confidence)
        assert binom.cdf(1, count, 1 - target) <= 1 - confidence < binom.cdf(1, count - 1, 1 - target)


@pytest.mark.parametrize(("positives", "rules"), [(70, {PROVEN}), (40, {LOWERED, KEPT}), (15, {KEPT})])
@pytest.mark.parametrize("parents", [0.02, 0.9])
def test_the_threshold_goes_up_on_proof_alone_and_never_rests_on_one_lesion(positives, rules, parents):
    rng = np.random.default_rng(5)
    for _ in range(50):
        scores = rng.random(positives + 60)
        positive = np.arange(len(scores)) < positives
        scores[0] = 1e-9  # a cancer that nobody could see, or a wrong label
        parent = replace(PARENT, risk_threshold=parents)
        threshold, rule = choose_home_threshold(positive, scores, scores, np.arange(len(scores)), parent)
        assert rule in rules
        assert threshold > 1e-9
        assert rule == PROVEN or threshold <= parents


def test_where_nothing_is_proven_as_many_of_the_cases_are_referred_as_before():
    rng = np.random.default_rng(6)
    old, new = rng.random(100), rng.random(100)
    threshold, rule = choose_home_threshold(np.arange(100) < 10, old, new, np.arange(100), PARENT)
    assert rule == KEPT
    assert (new >= threshold).sum() == (old >= PARENT.risk_threshold).sum()


def test_what_so_few_can_show_is_said_before_anything_is_fitted():
    rng = np.random.default_rng(7)
    few = examine_cases(clinic(rng, 60), PARENT)
    many = examine_cases(clinic(rng, 300), PARENT)
    assert (few.confidence, many.confidence, few.wanted) == (0.0, 0.8, 59)
    assert few.advice.interval is not None
    with pytest.raises(DataError, match="29 lesions or patients with truth: wanted 30"):
        examine_cases(clinic(rng, 29), PARENT)
    with pytest.raises(DataError, match="no threshold"):
        examine_cases(clinic(rng, 60), replace(PARENT, risk_threshold=float("nan")))


def test_cases_without_a_wrong_answer_teach_nothing_and_no_answer_becomes_certain():
    rng = np.random.default_rng(8)
    for lesions in (40, 100):
        cases = clinic(rng, lesions)
        sure = rng.uniform(0.45, 0.95, lesions)
        probabilities = np.repeat(((1 - sure) / 2)[:, None], 3, axis=1)
        probabilities[np.arange(lesions), cases.labels] = sure
        cases = replace(cases, probabilities=probabilities)
        fitted = recalibrate(cases, PARENT, told=cases, resamples=0)
        assert (fitted.temperature, fitted.class_bias, fitted.answers_temperature) == (1.0, (), 1.0)
        assert np.array_equal(fitted.apply(probabilities), probabilities)


def test_the_advice_that_is_told_is_that_of_the_very_threshold_where_answers_stay():
    """The threshold is one lesion's own risk: rounded anew it would miss that lesion."""
    rng, checked = np.random.default_rng(9), 0
    for seed in range(40):
        cases = clinic(rng, 120)
        fitted = recalibrate(cases, PARENT, resamples=0, seed=seed)
        if fitted.gain > 0:
            continue
        positive, scores = metrics.group_scores(cases.labels, cases.probabilities, THREE.codes, THREE.triage_group)
        assert fitted.advice.sensitivity == (scores[positive] >= fitted.threshold).mean()
        checked += 1
    assert checked > 10
