"""The eight operations: identities, closed forms, ranges, records; each parent equally often."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from hierattn.data.balance.oversampling import OPERATIONS, Change, apply_change, copies_a_parent, draw_change
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import UsageError


@pytest.fixture(scope="module")
def lesion() -> np.ndarray:
    return render_lesion("MEL", np.random.default_rng(0), size=64).image


def test_no_change_is_the_image_itself(lesion: np.ndarray) -> None:
    for order in ([*OPERATIONS], [*reversed(OPERATIONS)]):
        np.testing.assert_array_equal(apply_change(lesion, Change(order=tuple(order))), lesion)


def test_a_flip_mirrors_whole_pixels(lesion: np.ndarray) -> None:
    np.testing.assert_array_equal(apply_change(lesion, Change(flip=True)), lesion[:, ::-1])


def test_a_shift_moves_by_its_share_of_the_side_and_mirrors_at_the_border(lesion: np.ndarray) -> None:
    moved = apply_change(lesion, Change(translate=(0.125, -0.25)))  # 8 to the right, 16 up
    np.testing.assert_array_equal(moved[:48, 8:], lesion[16:, :56])
    np.testing.assert_array_equal(moved[:48, :8], lesion[16:, 1:9][:, ::-1])


def test_contrast_is_linear_about_middle_grey(lesion: np.ndarray) -> None:
    expected = np.clip(127.5 + 1.3 * (lesion.astype(float) - 127.5), 0, 255)
    np.testing.assert_allclose(apply_change(lesion, Change(contrast=1.3)), expected, atol=0.51)


def test_a_crop_of_whole_pixels_is_opencvs_resize_of_the_part(lesion: np.ndarray) -> None:
    import cv2

    cropped = apply_change(lesion, Change(crop=(4 / 64, 2 / 64, 4 / 64, 6 / 64)))
    expected = cv2.resize(lesion[2:58, 4:60], (64, 64), interpolation=cv2.INTER_LINEAR)
    inner = (slice(3, -3), slice(3, -3))  # resize repeats its border, a warp sees beyond it
    assert np.abs(cropped[inner].astype(int) - expected[inner]).max() <= 2  # the warp rounds places to 1/32 pixel


@pytest.mark.parametrize(
    ("change", "place"),
    [
        # The pixel 20 to the right of the centre goes down when turned clockwise, ...
        (Change(rotate=90.0), (20, 0)),
        (Change(rotate=-90.0), (-20, 0)),
        # ... further out when enlarged, and stays when sheared along its row.
        (Change(scale=1.25), (0, 25)),
        (Change(shear=45.0), (0, 20)),
        (Change(flip=True), (0, -20)),
    ],
)
def test_a_point_goes_where_geometry_says(change: Change, place: tuple[int, int]) -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[31:34, 51:54] = 255
    moved = apply_change(image, change)[:, :, 0].astype(float)
    rows, columns = np.mgrid[:65, :65] - 32
    centre = (rows * moved).sum() / moved.sum(), (columns * moved).sum() / moved.sum()
    np.testing.assert_allclose(centre, place, atol=0.3)


def test_a_shear_moves_rows_by_their_height() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[41:44, 31:34] = 255  # 10 below the centre
    moved = apply_change(image, Change(shear=45.0))[:, :, 0].astype(float)
    columns = np.arange(65) - 32
    assert (columns * moved).sum() / moved.sum() == pytest.approx(-10, abs=0.3)


def test_the_order_matters_and_is_obeyed(lesion: np.ndarray) -> None:
    others = tuple(name for name in OPERATIONS if name not in ("flip", "translate"))
    first = apply_change(lesion, Change(order=("flip", "translate", *others), flip=True, translate=(0.125, 0.0)))
    last = apply_change(lesion, Change(order=("translate", "flip", *others), flip=True, translate=(0.125, 0.0)))
    np.testing.assert_array_equal(first[:, 8:], lesion[:, ::-1][:, :56])
    np.testing.assert_array_equal(last[:, :56], lesion[:, :56][:, ::-1])


def test_geometry_on_end_is_one_resampling_and_keeps_detail(lesion: np.ndarray) -> None:
    """There and back is the image itself; step by step it would have been blurred twice and cut off."""
    others = tuple(name for name in OPERATIONS if name not in ("rotate", "shear"))
    change = Change(order=("rotate", "shear", *others), translate=(0.0, 0.0), rotate=0.0, shear=8.0)
    moved = apply_change(lesion, change)
    assert moved.shape == lesion.shape
    spread = np.abs(np.diff(lesion.astype(float), axis=1)).mean()
    assert np.abs(np.diff(moved.astype(float), axis=1)).mean() > 0.6 * spread


def test_draws_stay_within_the_papers_ranges_and_reach_them() -> None:
    changes = [draw_change(np.random.default_rng([7, k])) for k in range(3000)]
    for value, low, high in (
        ([c.contrast for c in changes], 0.75, 1.5),
        ([c.scale for c in changes], 0.8, 1.2),
        ([c.rotate for c in changes], -10, 10),
        ([c.shear for c in changes], -8, 8),
        (list(itertools.chain(*(c.translate for c in changes))), -0.2, 0.2),
        (list(itertools.chain(*(c.crop for c in changes))), 0, 0.1),
    ):
        assert low <= min(value) < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < max(value) <= high
    assert np.mean([c.flip for c in changes]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([c.blur > 0 for c in changes]) == pytest.approx(0.1, abs=0.025)
    places = Counter((name, c.order.index(name)) for c in changes for name in OPERATIONS)
    assert {c.order[0] for c in changes} == set(OPERATIONS)
    assert min(places.values()) > 3000 / 8 * 0.8


def test_a_change_comes_back_from_its_row_and_makes_the_same_pixels(lesion: np.ndarray) -> None:
    for k in range(20):
        change = draw_change(np.random.default_rng(k))
        again = Change.from_row(change.to_row())
        assert again == change
        np.testing.assert_array_equal(apply_change(lesion, again), apply_change(lesion, change))


def test_every_parent_has_as_many_copies_to_within_one() -> None:
    for parents, copies in ((7, 0), (7, 3), (7, 7), (7, 40)):
        chosen = copies_a_parent(parents, copies, np.random.default_rng(0))
        count = np.bincount(chosen, minlength=parents)
        assert len(chosen) == copies
        assert count.max() - count.min() <= 1


def test_what_is_no_image_or_no_order_is_refused(lesion: np.ndarray) -> None:
    with pytest.raises(UsageError, match="float64"):
        apply_change(lesion / 255, Change())
    with pytest.raises(UsageError, match="each of flip"):
        apply_change(lesion, Change(order=("flip",)))
    with pytest.raises(UsageError, match="columns of copies"):
        Change.from_row({"order": "[]"})
