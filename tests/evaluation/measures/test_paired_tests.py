"""Paired tests against other libraries, naive loops and what chance must give."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from hierattn import metrics
from hierattn.errors import UsageError
from hierattn.evaluation.measures.paired_tests import (
    MOST_ENUMERATED,
    compare_auc,
    compare_balanced_accuracy,
    exchange_test,
    holm,
)


def test_holm_is_the_published_procedure():
    # Holm's steps by hand: 4 x 0.01, 3 x 0.013, 2 x 0.03, 1 x 0.04, each at least the one before.
    assert holm([0.04, 0.01, 0.03, 0.013]) == pytest.approx([0.06, 0.04, 0.06, 0.04])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
    with_unknown = holm([0.01, math.nan, 0.04])
    assert with_unknown[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(with_unknown[1])
    with pytest.raises(UsageError, match="0 to 1"):
        holm([1.2])


def test_holm_keeps_its_promise_under_the_null():
    rng = np.random.default_rng(0)
    wrong = np.mean([(holm(rng.uniform(size=8)) < 0.05).any() for _ in range(4000)])
    assert wrong < 0.06


def test_with_single_images_it_is_mcnemars_exact_test():
    for gained, lost in ((9, 3), (5, 5), (0, 6), (1, 0), (12, 2)):
        parts = np.concatenate([np.ones(gained), -np.ones(lost), np.zeros(7)]) / 40
        assert len(parts) - 7 <= MOST_ENUMERATED
        exact = stats.binomtest(gained, gained + lost, 0.5).pvalue
        assert exchange_test(parts) == pytest.approx(exact, abs=1e-12)


def test_random_exchanges_agree_with_all_of_them(monkeypatch):
    parts = np.random.default_rng(3).normal(0.3, 1, 12)
    exact = exchange_test(parts)
    monkeypatch.setattr("hierattn.evaluation.measures.paired_tests.MOST_ENUMERATED", 0)
    assert exchange_test(parts, resamples=20_000) == pytest.approx(exact, abs=0.012)
    assert exchange_test(np.full(30, 1.0), resamples=999) == pytest.approx(1 / 1000)  # never 0
    assert exchange_test(parts, seed=1) == exchange_test(parts, seed=1)


def two_answers(seed, images=60, classes=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    first = np.where(rng.random(images) < 0.7, labels, rng.integers(0, classes, images))
    second = np.where(rng.random(images) < 0.5, labels, rng.integers(0, classes, images))
    return labels, first, second, np.arange(images) // 3


def test_the_difference_is_that_of_the_two_balanced_accuracies():
    for seed in range(30):
        labels, first, second, groups = two_answers(seed)
        found = compare_balanced_accuracy(labels, first, second, groups, resamples=100)
        expected = [metrics.balanced_accuracy(labels, np.eye(4)[answers]) for answers in (first, second)]
        assert found.value == pytest.approx(expected[0] - expected[1], abs=1e-12)
        mirrored = compare_balanced_accuracy(labels, second, first, groups, resamples=100)
        assert mirrored.value == pytest.approx(-found.value, abs=1e-12)
        low, high = found.interval
        assert low < found.value < high


def test_equal_models_differ_in_one_table_of_twenty_and_not_more():
    rng = np.random.default_rng(5)
    small = []
    for _ in range(300):
        groups = np.arange(120) // 4
        labels = rng.integers(0, 2, 30)[groups]
        # All four photographs of a lesion are right or wrong together: a test over images would see 120 of them.
        answers = [np.where((rng.random(30) < 0.7)[groups], labels, 1 - labels) for _ in range(2)]
        parts = np.bincount(groups, weights=(answers[0] == labels) * 1.0 - (answers[1] == labels)) / 120
        small.append(exchange_test(parts, 400) <= 0.05)
    assert np.mean(small) < 0.08


def test_a_real_difference_is_found_and_no_difference_is_none():
    labels, first, second, groups = two_answers(1, images=600)
    assert compare_balanced_accuracy(labels, first, second, groups, resamples=200).p < 0.001
    same = compare_balanced_accuracy(labels, first, first, groups, resamples=200)
    assert (same.value, same.interval, same.p) == (0.0, None, 1.0)
    nothing = np.zeros(0, np.int64)
    assert math.isnan(compare_balanced_accuracy(nothing, nothing, nothing, nothing).p)


def naive_delong(positive, first, second):
    """DeLong's variance of a difference, term by term as in the 1988 paper."""

    def psi(high, low):
        return 1.0 if high > low else 0.5 if high == low else 0.0

    of_positive, of_negative = [], []
    ones, zeros = np.flatnonzero(positive), np.flatnonzero(~positive)
    for scores in (first, second):
        of_positive.append([np.mean([psi(scores[i], scores[j]) for j in zeros]) for i in ones])
        of_negative.append([np.mean([psi(scores[i], scores[j]) for i in ones]) for j in zeros])
    covariance = np.cov(of_positive) / len(ones) + np.cov(of_negative) / len(zeros)
    contrast = np.array([1.0, -1.0])
    return np.mean(of_positive[0]) - np.mean(of_positive[1]), contrast @ covariance @ contrast


def test_single_images_give_delongs_test():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        positive = rng.random(40) < 0.4
        first, second = (np.round(rng.normal(positive * shift, 1), 1) for shift in (1.2, 0.6))
        found = compare_auc(positive, first, second, np.arange(40))
        value, variance = naive_delong(positive, first, second)
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.value == pytest.approx(
            float(metrics.auc(positive, first) - metrics.auc(positive, second)), abs=1e-12
        )
        assert found.p == pytest.approx(2 * stats.norm.sf(abs(value) / math.sqrt(variance)), abs=1e-9)


def test_copies_of_every_image_are_no_new_evidence():
    rng = np.random.default_rng(2)
    positive = rng.random(60) < 0.5
    first, second = rng.normal(positive * 1.0, 1), rng.normal(positive * 0.5, 1)
    alone = compare_auc(positive, first, second, np.arange(60))
    copied = compare_auc(*(np.repeat(values, 3) for values in (positive, first, second)), np.repeat(np.arange(60), 3))
    assert copied.p == pytest.approx(alone.p, abs=1e-9)
    assert copied.interval == pytest.approx(alone.interval, abs=1e-9)


def test_groups_that_hold_both_kinds_have_the_spread_of_a_jackknife_over_groups():
    rng = np.random.default_rng(4)
    groups = np.arange(300) // 3
    positive = rng.random(300) < 0.4
    shared = rng.normal(0, 1, 100)[groups]
    first, second = shared + rng.normal(positive * 1.5, 1), shared + rng.normal(positive * 1.0, 1)
    found = compare_auc(positive, first, second, groups)
    left_out = []
    for group in range(100):
        kept = groups != group
        left_out.append(metrics.auc(positive[kept], first[kept]) - metrics.auc(positive[kept], second[kept]))
    error = math.sqrt(99 / 100 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    low, high = found.interval
    assert (high - low) / 2 / 1.96 == pytest.approx(error, rel=0.05)


def test_what_cannot_be_compared_is_nan_and_bad_shapes_one_clear_line():
    ones = np.ones(4, bool)
    assert math.isnan(compare_auc(ones, np.arange(4.0), np.arange(4.0), np.arange(4)).p)
    both = np.array([True, True, False, False])
    assert compare_auc(both, np.arange(4.0), np.arange(4.0), np.arange(4)).p == 1.0
    for wrong in itertools.permutations([np.zeros(3, int), np.zeros(3, int), np.zeros(2, int)], 3):
        with pytest.raises(UsageError, match="wanted"):
            compare_balanced_accuracy(*wrong, np.zeros(3, int))
