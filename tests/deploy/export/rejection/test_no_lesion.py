"""Pictures of skin without one lesion: made of the skin around lesions alone, with its grain, never of a surround."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import laplace

from hierattn.deploy.export.rejection.no_lesion import KINDS, make_pictures, plainest, skin_of

SIDE = 48
SKIN, BLUE = (220, 170, 150), (20, 20, 250)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Skin with grain, and a blue disc in the middle that no skin has."""
    generator = np.random.default_rng(0)
    images = np.clip(generator.normal(SKIN, 8, (12, SIDE, SIDE, 3)), 0, 255)
    down, across = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    images[:, np.hypot(down, across) < SIDE / 5] = BLUE
    return images.astype(np.uint8)


def test_every_kind_is_made_and_the_seed_decides_what(photographs):
    one, again = (make_pictures(photographs, 3, np.random.default_rng(5)) for _ in range(2))
    assert list(one) == list(KINDS)
    for kind in KINDS:
        assert (one[kind].shape, one[kind].dtype) == ((3, SIDE, SIDE, 3), np.uint8)
        np.testing.assert_array_equal(one[kind], again[kind])
    assert (make_pictures(photographs, 3, np.random.default_rng(6))["bare"] != one["bare"]).any()


def test_nothing_of_the_lesion_is_left_on_the_skin_around_it(photographs):
    generator = np.random.default_rng(1)
    for image in photographs:
        skin = skin_of(image, generator)
        assert (skin[..., 0] > skin[..., 2]).mean() > 0.995  # red over blue, as skin is and the disc is not


def test_the_skin_keeps_its_grain(photographs):
    """By the second differences of plain skin: blended by a mean, pieces would have half of them."""
    generator = np.random.default_rng(2)
    own = np.std(laplace(photographs[0, :8, :, 0].astype(float))[1:-1, 1:-1])
    made = [np.std(laplace(skin_of(photographs[0], generator)[..., 0])) for _ in range(10)]
    assert 0.8 < np.mean(made) / own < 1.25


def test_a_black_surround_and_uneven_edges_are_no_skin(photographs):
    dark, uneven = photographs.copy(), photographs.copy()
    dark[:, :8], dark[:, -8:], dark[:, :, :8], dark[:, :, -8:] = 0, 0, 0, 0
    uneven[:, :2] = 255
    assert not len(plainest(dark))
    assert make_pictures(dark, 2, np.random.default_rng(0)) == {}
    assert set(plainest(np.concatenate([uneven, dark, photographs]))) == set(range(24, 36))


@pytest.mark.parametrize("kind", ["rash", "blisters", "reddening", "several"])
def test_what_is_on_the_skin_is_seen_and_leaves_skin_free(photographs, kind):
    generator = np.random.default_rng(3)
    plain = np.full((SIDE, SIDE, 3), SKIN, float)
    for _ in range(20):
        changed = np.abs(KINDS[kind](plain, photographs, generator) - plain).max(2) > 12
        assert changed.any()
    if kind != "reddening":
        assert not changed.all()
    assert (plain == SKIN).all()  # the skin that was given stays as it is


def test_a_rash_is_redder_than_the_skin_that_it_is_on(photographs):
    generator = np.random.default_rng(4)
    plain = np.full((SIDE, SIDE, 3), SKIN, float)
    for kind in ("rash", "reddening"):
        pictures = [KINDS[kind](plain, photographs, generator) for _ in range(30)]
        redness = [np.mean(picture[..., 0] / picture[..., 1:].mean(2)) for picture in pictures]
        assert np.mean(redness) > SKIN[0] / np.mean(SKIN[1:])
