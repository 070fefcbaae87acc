"""The novelty: a Mahalanobis distance as the textbook has it, which turns drawings away and keeps lesions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from hierattn.deploy.advice_texts import TEXTS
from hierattn.deploy.novelty import DIRECTIONS, WIDEST, choose_threshold, describe_threshold, fit_layer, summary
from hierattn.deploy.photo_quality import UNLIKE, PhotoQuality, with_novelty
from hierattn.deploy.triage import TriageSettings, decide


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 400)
    mixing = generator.normal(size=(6, 6))
    return (generator.normal(size=(400, 6)) @ mixing + 4 * np.eye(6)[labels]).astype(np.float32), labels


def test_it_is_the_distance_to_the_nearest_class_by_the_shared_covariance(features):
    values, labels = features
    means = np.stack([values[labels == label].mean(0) for label in range(3)]).astype(np.float64)
    precision = LedoitWolf(assume_centered=True).fit(values - means[labels]).precision_
    asked = np.random.default_rng(1).normal(0, 5, (20, 6))
    apart = asked[:, None] - means
    wanted = np.sqrt(np.einsum("ncd,de,nce->nc", apart, precision, apart).min(1) / 6)
    found = fit_layer(values, labels)(torch.tensor(asked, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_what_the_network_learnt_from_is_about_one_and_what_is_far_is_more(features):
    layer = fit_layer(*features)
    usual = layer(torch.from_numpy(features[0])).numpy()
    assert 0.7 < np.sqrt((usual**2).mean()) < 1.3
    assert layer(torch.full((1, 6), 100.0)).item() > 5


def test_long_vectors_are_put_on_their_first_directions():
    generator = np.random.default_rng(0)
    layer = fit_layer(generator.normal(size=(120, WIDEST + 8)), np.zeros(120, int))
    assert layer.whitening.shape == (WIDEST + 8, DIRECTIONS)
    assert torch.isfinite(layer(torch.zeros(2, WIDEST + 8))).all()


def test_summary_is_the_mean_of_every_channel():
    maps = [torch.arange(8.0).reshape(1, 2, 2, 2), torch.ones(1, 3, 1, 1)]
    assert summary(maps).tolist() == [[1.5, 5.5, 1.0, 1.0, 1.0]]


def test_threshold_turns_away_its_share_of_the_inner_fold_and_says_what_the_other_loses():
    inner = np.arange(1000.0)
    assert np.mean(inner >= choose_threshold(inner, 0.04)) == pytest.approx(0.04)
    described = describe_threshold(inner, np.array([0.0, 999.0]))
    assert described["turned_away"] == 0.5
    assert described["images"] == 2


def test_an_unlike_photo_is_to_be_taken_again_whatever_the_risk():
    quality = with_novelty(PhotoQuality(ok=True), 2.0, 1.5)
    settings = TriageSettings(group=("MEL",), threshold=0.3)
    assert decide({"MEL": 0.0, "NV": 1.0}, 0.0, settings, quality).level == "retake"
    assert with_novelty(PhotoQuality(ok=True), 1.4, 1.5).ok


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_the_reason_is_said_in_every_language(language):
    assert TEXTS[language][f"problem.{UNLIKE}"].strip()
