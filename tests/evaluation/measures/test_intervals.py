"""Intervals: the spread of whole groups, and no more certainty than so few can give."""

import math

import numpy as np
import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.measures.intervals import (
    balanced_interval,
    bootstrap,
    group_numbers,
    interval,
    resampled_weights,
    share_interval,
)


def test_bootstrap_spread_is_the_binomial_one_for_single_images():
    right = np.arange(400) < 300
    draws = bootstrap(
        lambda weights: weights @ right[:, None] / weights.sum(axis=1, keepdims=True), np.arange(400), 2000
    )
    assert draws.shape == (2000, 1)
    assert draws.std() == pytest.approx(math.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_photographs_of_one_lesion_are_not_so_many_pieces_of_evidence():
    # 40 lesions with 10 photographs each, all right or all wrong: the spread is that of 40, not of 400.
    right = (np.arange(400) // 10) < 30

    def share(weights):
        return weights @ right[:, None] / weights.sum(axis=1, keepdims=True)

    draws = bootstrap(share, np.arange(400) // 10, 2000)
    assert draws.std() == pytest.approx(math.sqrt(0.75 * 0.25 / 40), rel=0.06)


def test_the_draws_do_not_depend_on_the_size_of_a_block(monkeypatch):
    groups = np.arange(50) // 2
    whole = np.concatenate(list(resampled_weights(groups, 30, np.random.default_rng(1))))
    monkeypatch.setattr("hierattn.evaluation.measures.intervals._BLOCK_VALUES", 120)
    cut = np.concatenate(list(resampled_weights(groups, 30, np.random.default_rng(1))))
    assert np.array_equal(whole, cut)
    assert np.array_equal(whole[:, 0::2], whole[:, 1::2])  # a group stays together
    assert (whole[:, ::2].sum(axis=1) == 25).all()


def test_what_resampling_cannot_tell_is_none():
    assert interval(np.zeros(0)) is None
    assert interval(np.full(100, 0.4)) is None
    assert interval(np.array([np.nan] * 60 + [0.1, 0.2] * 20)) is None
    assert share_interval(1.0, np.zeros(0), groups=9) is None
    assert bootstrap(lambda weights: weights, np.zeros(0, np.int64)).shape == (0, 0)
    with pytest.raises(UsageError, match="100 or more"):
        bootstrap(lambda weights: weights, np.arange(3), resamples=10)


def test_group_names_never_collide_with_image_names():
    assert len(set(group_numbers(("a", ""), ("x", "a")).tolist())) == 2


def test_all_right_is_not_reported_as_certain():
    low, high = share_interval(1.0, np.ones(100), groups=59)
    assert (round(low, 3), high) == (0.939, 1.0)
    assert share_interval(0.0, np.zeros(100), groups=1) == (0.0, pytest.approx(0.975))
    bounds = balanced_interval(1.0, np.ones(100), [59, 1, 0])
    assert bounds == (pytest.approx((low + 0.025) / 2), 1.0)
