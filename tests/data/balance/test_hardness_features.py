"""Features of hardness: what each number means, checked pixel by pixel, and that memory stays bounded."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from hierattn.data.balance.hardness_features import FEATURES, colour_texture, extract_features, pixels, uniform_patterns
from hierattn.errors import UsageError


def noise(images: int, side: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (images, side, side, 3), dtype=np.uint8)


def naive_pattern(grey: np.ndarray, row: int, column: int, radius: int) -> int:
    """Ojala's definition, bit by bit: the run of neighbours at least as bright as the centre."""
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    bits = [int(grey[row + radius * y, column + radius * x] >= grey[row, column]) for y, x in ring]
    changes = sum(bits[k] != bits[k - 1] for k in range(8))
    return sum(bits) if changes <= 2 else 9


@pytest.mark.parametrize("radius", [1, 3])
def test_patterns_are_those_of_the_definition(radius: int) -> None:
    grey = np.random.default_rng(1).integers(0, 8, (2, 12, 15))
    found = uniform_patterns(grey, radius)
    assert found.shape == (2, 12 - 2 * radius, 15 - 2 * radius)
    for image in range(2):
        for row in range(radius, 12 - radius):
            for column in range(radius, 15 - radius):
                expected = naive_pattern(grey[image], row, column, radius)
                assert found[image, row - radius, column - radius] == expected


def test_patterns_do_not_change_when_the_image_is_turned_or_brightened() -> None:
    grey = np.random.default_rng(2).integers(0, 200, (1, 20, 20))
    counts = np.bincount(uniform_patterns(grey, 1).ravel(), minlength=10)
    for other in (np.rot90(grey, axes=(1, 2)), grey * 1.2 + 10):
        np.testing.assert_array_equal(np.bincount(uniform_patterns(other, 1).ravel(), minlength=10), counts)


def test_every_histogram_is_of_shares() -> None:
    values = colour_texture(noise(3))
    assert values.shape == (3, 136)
    assert values.dtype == np.float32
    for image in values.reshape(3, 2, 68):  # middle and rim
        edges = np.cumsum([0, 16, 16, 16, 10, 10])
        sums = [image[:, low:high].sum(axis=1) for low, high in itertools.pairwise(edges)]
        np.testing.assert_allclose(sums, 1, atol=1e-6)


def test_colour_histograms_are_opencvs_of_the_middle_and_of_the_rim() -> None:
    image = noise(1)[0]
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    middle = np.zeros((64, 64), np.uint8)
    middle[16:48, 16:48] = 1
    for region, mask in enumerate((middle, 1 - middle)):
        for channel in range(3):
            expected = cv2.calcHist([lab], [channel], mask, [16], [0, 256]).ravel() / mask.sum()
            start = region * 68 + channel * 16
            np.testing.assert_allclose(colour_texture(image[None])[0, start : start + 16], expected, atol=1e-6)


def test_pixels_are_the_means_of_squares() -> None:
    images = noise(2, side=64)
    means = images.reshape(2, 16, 4, 16, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(pixels(images), means.reshape(2, -1) / 255, atol=0.51 / 255)


@pytest.mark.parametrize("feature", list(FEATURES))
@pytest.mark.parametrize("side", [32, 64, 100])
def test_features_of_many_are_those_of_each_alone(feature: str, side: int) -> None:
    images = noise(70, side)
    together = extract_features(images, feature)
    assert together.shape == (70, FEATURES[feature].columns)
    assert np.isfinite(together).all()
    alone = np.concatenate([extract_features(images[k : k + 1], feature) for k in (0, 63, 64, 69)])
    np.testing.assert_array_equal(together[[0, 63, 64, 69]], alone)
    np.testing.assert_array_equal(extract_features(images, feature, np.array([69, 0])), together[[69, 0]])


def test_another_name_or_another_array_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="'sift': wanted one of colour-texture, pixels"):
        extract_features(noise(1), "sift")
    with pytest.raises(UsageError, match="float64"):
        extract_features(noise(1) / 255)
