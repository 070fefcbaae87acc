"""Changed photographs: identities, strengths that grow, and the same pixels again."""

import numpy as np
import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.measures.photo_changes import CHANGES, change, crop, flip, jpeg, rotate


@pytest.fixture(scope="module")
def photograph():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128] / 127
    spot = np.hypot(x - 0.45, y - 0.55) < 0.25
    image = np.where(spot[..., None], (120, 70, 50), (220, 180, 160)) + rng.integers(-6, 7, (128, 128, 3))
    return image.astype(np.uint8)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_keeps_shape_and_source_and_comes_again(name, photograph):
    before = photograph.copy()
    for severity in range(5):
        changed = change(name, photograph, severity, seed=3, number=7)
        assert (changed.shape, changed.dtype) == (photograph.shape, np.uint8)
        assert np.array_equal(changed, change(name, photograph, severity, seed=3, number=7))
        assert not np.array_equal(changed, photograph)
    assert np.array_equal(photograph, before)


@pytest.mark.parametrize("name", ["jpeg", "blur", "brightness", "colour_cast", "dark_corners", "hair"])
def test_a_higher_severity_changes_more(name, photograph):
    def distance(severity):
        pairs = (change(name, photograph, severity, seed=0, number=n) for n in range(6))
        return np.mean([np.abs(changed.astype(float) - photograph).mean() for changed in pairs])

    found = [distance(severity) for severity in range(5)]
    assert found == sorted(found)


def test_geometry_is_exact_where_it_can_be(photograph):
    dice = np.random.default_rng(0)
    square = flip(photograph, 3, dice)
    assert np.array_equal(rotate(photograph, 180, dice), square)
    assert np.array_equal(flip(flip(photograph, 1, dice), 1, dice), photograph)
    assert np.array_equal(flip(photograph, 4, dice), photograph.transpose(1, 0, 2))
    assert np.array_equal(rotate(photograph, 0, dice), photograph)
    assert np.array_equal(crop(photograph, 0, dice), photograph)
    assert np.abs(jpeg(photograph, 95, dice).astype(int) - photograph).mean() < 5


def test_bad_input_is_one_clear_line(photograph):
    with pytest.raises(UsageError, match="unknown change"):
        change("sepia", photograph, 0, 0, 0)
    with pytest.raises(UsageError, match="severity 5"):
        change("jpeg", photograph, 5, 0, 0)
