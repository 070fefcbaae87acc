"""The novelty: a Mahalanobis distance as the textbook has it, which turns drawings away and keeps lesions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom
from sklearn.covariance import LedoitWolf

from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.rejection.novelty import (
    DIRECTIONS,
    WIDEST,
    Novelty,
    Rejection,
    choose_threshold,
    describe_threshold,
    fit_layer,
    measure,
    summary,
)
from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.deploy.predict.triage import TriageSettings, decide
from hierattn.evaluation.measures.thresholds import safe_share
from hierattn.preprocessing.photo_quality import UNLIKE, PhotoQuality, with_novelty


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 400)
    mixing = generator.normal(size=(6, 6))
    return (generator.normal(size=(400, 6)) @ mixing + 4 * np.eye(6)[labels]).astype(np.float32), labels


def test_it_is_the_distance_to_the_nearest_class_by_the_shared_covariance(features):
    values, labels = features
    means = np.stack([values[labels == label].mean(0) for label in range(3)]).astype(np.float64)
    weights = 400 / 3 / np.bincount(labels)[labels]  # every class counts alike
    precision = LedoitWolf(assume_centered=True).fit((values - means[labels]) * np.sqrt(weights)[:, None]).precision_
    asked = np.random.default_rng(1).normal(0, 5, (20, 6))
    apart = asked[:, None] - means
    wanted = np.sqrt(np.einsum("ncd,de,nce->nc", apart, precision, apart).min(1) / 6)
    found = fit_layer(values, labels)(torch.tensor(asked, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_what_the_network_trained_on_is_about_one_and_what_is_far_is_more(features):
    layer = fit_layer(*features)
    usual = layer(torch.from_numpy(features[0])).numpy()
    assert 0.7 < np.sqrt((usual**2).mean()) < 1.3
    assert layer(torch.full((1, 6), 100.0)).item() > 5


def test_features_that_vary_only_by_rounding_do_not_turn_it_into_strangeness():
    generator = np.random.default_rng(4)
    level = generator.normal(0, 0.3, 24)
    rounding = lambda: level * generator.normal(0, 3e-6, (400, 24))  # noqa: E731
    features = level + rounding()
    features[:, 0] += generator.normal(0, 5e-3, 400)
    layer = fit_layer(features, np.zeros(400, int))
    once, again = (measure(layer, (features + rounding()).astype(np.float32)) for _ in range(2))
    assert np.abs(once - again).max() < 1e-2 * np.abs(once).max()


def test_long_vectors_are_put_on_their_first_directions():
    generator = np.random.default_rng(0)
    layer = fit_layer(generator.normal(size=(120, WIDEST + 8)), np.zeros(120, int))
    assert layer.whitening.shape == (WIDEST + 8, DIRECTIONS)
    assert torch.isfinite(layer(torch.zeros(2, WIDEST + 8))).all()


def test_summary_is_the_mean_of_every_channel():
    maps = [torch.arange(8.0).reshape(1, 2, 2, 2), torch.ones(1, 3, 1, 1)]
    assert summary(maps).tolist() == [[1.5, 5.5, 1.0, 1.0, 1.0]]


def test_safe_share_is_the_binomial_tails():
    for count in (76, 300, 637, 5000):
        allowed = round(safe_share(count, 0.03, 0.9) * count)
        assert binom.cdf(allowed, count, 0.03) <= 0.1 < binom.cdf(allowed + 1, count, 0.03)
    assert safe_share(75, 0.03, 0.9) == 0


def test_threshold_turns_away_the_safe_share_of_groups_and_no_more():
    values, alone = np.random.default_rng(0).permutation(1000.0 + np.arange(1000)), np.arange(1000)
    threshold = choose_threshold(values, alone)
    assert np.mean(values >= threshold) == pytest.approx(safe_share(1000, 0.05, 0.9))
    assert choose_threshold(values, alone, 0.1) < threshold
    assert choose_threshold(values[:20], alone[:20]) > values[:20].max()


def test_a_lesion_of_many_photographs_counts_once():
    values = np.r_[np.arange(1000.0), np.full(500, 2000.0)]
    groups = np.r_[np.arange(1000), np.full(500, 1000)]
    alone = choose_threshold(np.r_[np.arange(1000.0), 2000.0], np.arange(1001))
    assert choose_threshold(values, groups) == alone < 1000


def test_threshold_keeps_its_promise_as_often_as_it_says():
    """New draws of the inner fold, and the true share beyond each one's threshold: known, the values are uniform."""
    generator = np.random.default_rng(3)
    shares = [1 - choose_threshold(generator.uniform(size=400), np.arange(400), 0.05, 0.9) for _ in range(400)]
    assert 0.87 < np.mean(np.array(shares) <= 0.05) <= 0.99
    assert np.mean(shares) > 0.025  # cautious, and not more than that


def test_it_is_said_what_the_untouched_fold_loses_of_each_class():
    labels = np.array([0] * 1000 + [0, 0, 1, 1])
    rows = np.arange(1004)
    own = OwnImages(np.zeros((1004, 1, 1, 3), np.uint8), labels, rows, rows[:0], rows[:1000], rows[1000:])
    described = describe_threshold(np.arange(1000.0), np.array([0.0, 999.0, 999.0, 999.0]), own, ("MEL", "NV", "DF"))
    assert described["rejected"] == 0.75
    assert described["rejected_of_class"] == {"MEL": 0.5, "NV": 1.0}
    assert described["images"] == 4


def test_a_rare_class_that_varies_more_is_not_stranger_for_being_rare():
    """A thousand of one class in a tight cloud, forty of another in a wide: a vote an image puts the forty far out."""
    generator = np.random.default_rng(0)
    values = np.r_[generator.normal(0, 1, (1000, 4)), generator.normal(8, 5, (40, 4))].astype(np.float32)
    layer = fit_layer(values, np.r_[np.zeros(1000, int), np.ones(40, int)])
    rare = layer(torch.from_numpy(values[1000:])).numpy()
    assert np.median(rare) < 1.5


def test_an_unlike_photo_is_to_be_taken_again_whatever_the_risk():
    quality = with_novelty(PhotoQuality(ok=True), 2.0, 1.5)
    settings = TriageSettings(group=("MEL",), threshold=0.3)
    assert decide({"MEL": 0.0, "NV": 1.0}, 0.0, settings, quality).level == "retake"
    assert with_novelty(PhotoQuality(ok=True), 1.4, 1.5).ok


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_the_reason_is_said_in_every_language(language):
    assert TEXTS[language][f"problem.{UNLIKE}"].strip()


def test_without_resemblances_nothing_is_held_that_executorch_refuses():
    distance = Novelty(np.zeros(3), np.eye(3), np.ones((2, 3)))
    rejection = Rejection(distance)
    assert [tuple(held.stride()) for held in (rejection.weights, rejection.centre, rejection.biases)] == [(1,)] * 3
    features = torch.rand(4, 3)
    assert torch.equal(rejection(features, torch.rand(4, 5)), distance(features))
