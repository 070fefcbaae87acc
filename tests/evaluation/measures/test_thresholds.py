"""The triage threshold: the plain choice by every threshold tried, and the safe one by what it promises, measured."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

from hierattn.errors import UsageError
from hierattn.evaluation.measures.thresholds import (
    attained,
    choose_by_lesion,
    choose_by_source,
    choose_safe_threshold,
    choose_threshold,
    safe_share,
)


@pytest.mark.parametrize("wished", [0.5, 0.8, 0.95, 1.0])
def test_the_plain_threshold_is_the_highest_that_keeps_the_wish(wished):
    rng = np.random.default_rng(1)
    positive, scores = rng.random(200) < 0.3, np.round(rng.random(200), 2)
    kept = [tried for tried in np.unique(scores) if (scores[positive] >= tried).mean() >= wished]
    assert choose_threshold(positive, scores, wished) == max(kept)


@pytest.mark.parametrize(("count", "allowed", "sure"), [(200, 0.05, 0.8), (60, 0.05, 0.9), (45, 0.1, 0.95)])
def test_the_safe_share_is_the_largest_that_scipys_binomial_allows(count, allowed, sure):
    proof = [seen for seen in range(count) if binom.cdf(seen, count, allowed) <= 1 - sure]
    assert safe_share(count, allowed, sure) == (max(proof, default=0) / count)


def shares_kept(choose, lesions, photographs, runs=600, seed=0):
    """Sensitivity that thresholds set on ``lesions`` lesions have on all lesions: risks are uniform, so it is 1 - t."""
    rng = np.random.default_rng(seed)
    kept = []
    for _ in range(runs):
        of_lesion = rng.random(lesions)
        scores = np.repeat(of_lesion, photographs)  # two photographs of one lesion say the same
        groups = np.repeat(np.arange(lesions), photographs)
        kept.append(1 - choose(np.ones(len(scores), bool), scores, groups))
    return np.array(kept)


@pytest.mark.parametrize("photographs", [1, 3])
def test_new_lesions_keep_the_wish_as_often_as_was_asked_and_the_plain_choice_is_an_even_bet(photographs):
    safe = shares_kept(lambda *some: choose_safe_threshold(*some, 0.95, 0.8), 150, photographs)
    assert 0.78 < (safe >= 0.95).mean() < 0.95  # 150 lesions do not hit 0.8 exactly, they are on the safe side of it
    plain = shares_kept(lambda positive, scores, _: choose_threshold(positive, scores, 0.95), 150, photographs)
    assert 0.4 < (plain >= 0.95).mean() < 0.75


def test_a_surer_threshold_is_never_higher():
    rng = np.random.default_rng(3)
    positive, scores, groups = rng.random(500) < 0.4, rng.random(500), rng.integers(0, 250, 500)
    found = [choose_safe_threshold(positive, scores, groups, 0.9, sure) for sure in (0.0, 0.5, 0.8, 0.9, 0.99)]
    assert found[0] == choose_threshold(positive, scores, 0.9)
    assert all(higher >= lower for higher, lower in pairwise(found))
    assert found[-1] < found[0]


def test_too_few_lesions_take_the_least_suspected_and_say_how_sure_that_is():
    scores, groups = np.linspace(0.2, 0.9, 20), np.arange(20)
    assert choose_safe_threshold(np.ones(20, bool), scores, groups, 0.95, 0.8) == pytest.approx(0.2)
    assert attained(20, 0.95, 0.8) == pytest.approx(1 - 0.95**20)
    assert attained(500, 0.95, 0.8) == 0.8
    assert attained(0, 0.95, 0.8) == 0.0


def test_without_a_positive_there_is_no_threshold_and_bad_wishes_are_refused():
    nobody, scores, groups = np.zeros(3, bool), np.array([0.1, 0.2, 0.3]), np.arange(3)
    assert math.isnan(choose_threshold(nobody, scores, 0.95))
    assert math.isnan(choose_safe_threshold(nobody, scores, groups, 0.95))
    with pytest.raises(UsageError, match="target sensitivity"):
        choose_threshold(~nobody, scores, 0)
    with pytest.raises(UsageError, match="confidence 1"):
        choose_safe_threshold(~nobody, scores, groups, 0.95, 1.0)


def test_many_photographs_of_one_lesion_count_once_in_the_plain_threshold_too():
    rng = np.random.default_rng(5)
    easy = rng.uniform(0.90, 0.95, 100)  # of lesion 0
    others = np.linspace(0.1, 0.8, 24)
    scores, groups = np.append(easy, others), np.append(np.zeros(100, int), np.arange(1, 25))
    chosen = choose_by_lesion(np.ones(124, bool), scores, groups, 0.95)
    missed = len(set(groups[scores < chosen]))
    assert missed == 1  # of 25 lesions 0.05 is one
    hard = np.append(np.linspace(0.01, 0.05, 30), np.linspace(0.3, 0.9, 24))
    lowest = choose_by_lesion(np.ones(54, bool), hard, np.append(np.zeros(30, int), np.arange(1, 25)), 0.95)
    assert lowest == pytest.approx(0.3)  # lesion 0 is the one that may be left out


def test_with_a_photograph_a_lesion_it_is_the_plain_threshold():
    rng = np.random.default_rng(6)
    for count in (19, 20, 33, 58, 200):
        scores, positive = rng.random(count), rng.random(count) < 0.7
        for target in (0.8, 0.95, 1.0):
            by_lesion = choose_by_lesion(positive, scores, np.arange(count), target)
            assert by_lesion == choose_threshold(positive, scores, target)


def test_of_several_sources_the_worst_sets_the_threshold_and_one_of_too_few_lesions_has_no_say():
    # At home risks of cancers lie from 0.5 up, at another clinic from 0.2 up, and a third has 3 cancers at 0.01.
    scores = np.concatenate([np.linspace(0.5, 1, 300), np.linspace(0.2, 0.7, 60), np.full(3, 0.01), np.zeros(40)])
    sources = ["home"] * 300 + ["other"] * 60 + ["tiny"] * 3 + ["home"] * 40
    positive, groups = np.arange(403) < 363, np.arange(403)
    threshold, known = choose_by_source(positive, scores, groups, sources, 0.95, 0.8)
    home = choose_safe_threshold(np.ones(300, bool), scores[:300], groups[:300], 0.95, 0.8)
    other = choose_safe_threshold(np.ones(60, bool), scores[300:360], groups[300:360], 0.95, 0.8)
    assert threshold == other < home
    assert [(source.source, source.lesions) for source in known] == [("home", 300), ("other", 60), ("tiny", 3)]
    assert [source.threshold for source in known[:2]] == [home, other]
    assert np.isnan(known[2].threshold)


def test_no_sources_threshold_is_the_risk_of_a_single_lesion():
    # 36 cancers elsewhere, one of them labelled wrongly at a risk of 0.003: with confidence it would decide alone.
    scores = np.concatenate([np.linspace(0.5, 1, 300), [0.003], np.linspace(0.2, 0.7, 35)])
    sources, positive = ["home"] * 300 + ["other"] * 36, np.ones(336, bool)
    threshold, (home, other) = choose_by_source(positive, scores, np.arange(336), sources, 0.95, 0.8)
    assert choose_safe_threshold(positive[300:], scores[300:], np.arange(36), 0.95, 0.8) == 0.003
    assert threshold == other.threshold == pytest.approx(0.2)
    assert (home.confidence, other.confidence) == (0.8, 0.0)
    *_, few = choose_by_source(positive[:319], scores[:319], np.arange(319), sources[:319], 0.95, 0.8)[1]
    assert (few.lesions, np.isnan(few.threshold)) == (19, True)


def test_one_source_or_none_with_enough_lesions_has_the_threshold_of_all():
    scores, positive, groups = np.linspace(0, 1, 20), np.arange(20) >= 10, np.arange(20)
    pooled = choose_safe_threshold(positive, scores, groups, 0.95)
    assert choose_by_source(positive, scores, groups, ["one"] * 20, 0.95) == (pooled, ())
    threshold, known = choose_by_source(positive, scores, groups, ["one", "two"] * 10, 0.95)
    assert threshold == pooled
    assert all(np.isnan(source.threshold) for source in known)
