"""The resemblance to skin without a lesion stands beside the distance: neither shouts the other down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_runs import TINY

from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.own_images import OtherKind, OwnImages
from hierattn.deploy.export.rejection.fit import Resembled, fit_rejection, fit_resemblance, read_features
from hierattn.deploy.export.rejection.novelty import choose_threshold, fit_layer, measure
from hierattn.evaluation.measures.thresholds import safe_share
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model

INNER = 400


@pytest.fixture(scope="module")
def drawn():
    """Stages' means that look alike for all, and features of which the first tells lesions from other pictures."""
    generator = np.random.default_rng(0)

    def features(count, first=0.0):
        pooled = generator.standard_t(4, (count, 12))  # heavy tails, as features have them
        pooled[:, 0] += first
        return generator.normal(size=(count, 5)).astype(np.float32), pooled.astype(np.float32)

    lesions, labels = features(600), generator.integers(0, 3, 600)
    made = [features(80, 6)[1], features(20, 7)[1]]
    distance = fit_layer(lesions[0], labels)
    inner = features(INNER)
    return (
        distance,
        fit_resemblance(distance, lesions[1], labels, [Resembled(made)], inner, np.arange(INNER)),
        inner,
        features,
    )


def test_a_kind_that_the_fit_has_not_seen_is_rejected_and_the_distance_alone_would_not(drawn):
    distance, layer, inner, features = drawn
    unseen = features(200, 5)
    threshold = choose_threshold(measure(layer, *inner), np.arange(INNER))
    assert np.mean(measure(layer, *unseen) >= threshold) > 0.7
    alone = choose_threshold(measure(distance, inner[0]), np.arange(INNER))
    assert np.mean(measure(distance, unseen[0]) >= alone) < 0.15


def test_what_the_distance_finds_strange_stays_so(drawn):
    distance, layer, inner, _ = drawn
    far = np.full((5, 5), 6, np.float32), np.zeros((5, 12), np.float32)
    threshold = choose_threshold(measure(layer, *inner), np.arange(INNER))
    assert (measure(layer, *far) >= threshold).all()
    np.testing.assert_array_equal(measure(layer, *far), measure(distance, far[0]))


def test_both_together_reject_no_more_lesions_than_one_may(drawn):
    distance, layer, inner, _ = drawn
    values = measure(layer, *inner)
    threshold = choose_threshold(values, np.arange(INNER))
    rejected = values >= threshold
    assert 0 < rejected.mean() <= safe_share(INNER, 0.05, 0.9)
    by_distance = measure(distance, inner[0]) >= threshold
    assert 0.2 < by_distance.sum() / rejected.sum() < 0.8  # each of them takes its part


def test_a_feature_that_hardly_varies_does_not_magnify_rounding(drawn):
    distance, _, inner, features = drawn
    lesions, made = features(300), features(100, 6)

    def flat(stages, pooled):
        pooled = pooled.copy()
        pooled[:, 1] = 3 + 1e-6 * pooled[:, 1]
        return stages, pooled

    (stages, pooled), seen = flat(*inner), flat(*lesions)[1]
    labels = np.arange(300) % 3
    layer = fit_resemblance(distance, seen, labels, [Resembled([flat(*made)[1]])], (stages, pooled), np.arange(INNER))
    rounded = pooled * np.float32(1 + 1e-6)
    np.testing.assert_allclose(measure(layer, stages, rounded), measure(layer, stages, pooled), rtol=1e-4)


def test_features_that_are_nearly_the_same_for_all_leave_the_distance_alone(drawn):
    distance, _, inner, features = drawn
    alike = [1 + 1e-4 * pooled for pooled in (features(300)[1], features(100, 6)[1], inner[1])]
    values = inner[0], alike[2]
    layer = fit_resemblance(distance, alike[0], np.arange(300) % 3, [Resembled([alike[1]])], values, np.arange(INNER))
    np.testing.assert_array_equal(measure(layer, *values), measure(distance, inner[0]))


def test_without_pictures_the_distance_is_alone(drawn):
    distance, _, inner, _ = drawn
    layer = fit_resemblance(distance, inner[1], np.zeros(INNER, int), [Resembled([])], inner, np.arange(INNER))
    np.testing.assert_array_equal(measure(layer, *inner), measure(distance, inner[0]))


def test_two_kinds_on_opposite_sides_are_both_rejected_where_each_has_a_score_of_its_own(drawn):
    distance, _, inner, features = drawn
    (_, lesions), labels = features(600), np.arange(600) % 3
    sides = [features(150, first)[1] for first in (7, -7)]
    groups = np.arange(INNER)

    def rejected(resembled):
        layer = fit_resemblance(distance, lesions, labels, resembled, inner, groups)
        threshold = choose_threshold(measure(layer, *inner), groups)
        assert np.mean(measure(layer, *inner) >= threshold) <= safe_share(INNER, 0.05, 0.9)
        return min(np.mean(measure(layer, *features(200, first)) >= threshold) for first in (7, -7))

    assert rejected([Resembled([side]) for side in sides]) > 0.9
    assert rejected([Resembled(sides)]) < 0.2  # one plane cannot have lesions between


def test_the_features_are_those_that_the_network_multiplies_into_its_answer():
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=3, **TINY).eval()
    network = CalibratedNetwork(model, ImageSpec(size=32), [0.0] * 3, heatmap=False).eval()
    images = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
    rows = np.array([3, 69, 0])
    stages, pooled = read_features(network, images, rows)
    with torch.inference_mode():
        logits = model(torch.from_numpy(images[rows]).permute(0, 3, 1, 2) / 255)
        found = model.classifier(torch.from_numpy(pooled))
    torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-4)
    assert len(stages) == 3
    assert read_features(network, images, rows[:0])[0].shape == (0, 0)


def test_a_fit_is_a_function_of_its_seed_and_says_what_the_outer_fold_loses():
    generator = np.random.default_rng(0)
    images = np.clip(generator.normal((200, 140, 120), 25, (240, 32, 32, 3)), 0, 255).astype(np.uint8)
    rows = np.arange(240)
    own = OwnImages(images, rows % 3, rows, rows[:80], rows[80:200], rows[200:])
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=3, **TINY).eval()
    one, again = (fit_rejection(model, own, ImageSpec(size=32), ("MEL", "NV", "DF"), seed=4) for _ in range(2))
    assert one.description == again.description
    assert one.description["images"] == 40
    assert one.layer.resembles
    bright = np.clip(generator.normal((240, 240, 240), 25, (200, 32, 32, 3)), 0, 255).astype(np.uint8)
    other = OtherKind(bright, "paper", (np.arange(60), np.arange(60, 120)), np.arange(120, 200))
    also = fit_rejection(model, replace(own, others=(other,)), ImageSpec(size=32), ("MEL", "NV", "DF"), seed=4)
    assert also.description["other_kinds"][0].items() >= {"name": "paper", "images": 80}.items()
    assert also.description["other_kinds"][0]["rejected"] > 0.9
    assert "other_kinds" not in one.description
    assert fit_rejection(torch.nn.Flatten(), own, ImageSpec(size=32), ("MEL", "NV", "DF")) is None
