"""Hair removal: hairs go, the lesion stays, at every size."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hierattn.data.rendered.photo_conditions import _draw_hairs
from hierattn.data.rendered.rendered_set import Rendered, draw_appearance, draw_photo, render
from hierattn.data.rendered.rendering import Plane
from hierattn.preprocessing.hair_removal import SMALLEST, find_hair, remove_hair
from hierattn.taxonomy.built_in import EIGHT


def skin(height: int = 240, width: int = 320, seed: int = 0) -> np.ndarray:
    """Light skin with a soft brown spot and a little noise."""
    rows, columns = np.mgrid[:height, :width]
    spot = 1 / (1 + np.exp((np.hypot(rows - height / 2, columns - width / 2) - height / 4) / 5))
    image = np.array([215.0, 175, 155]) - spot[:, :, None] * np.array([90.0, 95, 90])
    return (image + np.random.default_rng(seed).normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)


def with_hairs(image: np.ndarray, hairs: int, thickness: int) -> tuple[np.ndarray, np.ndarray]:
    """Dark curves across the image, and where they are."""
    generator = np.random.default_rng(1)
    mask = np.zeros(image.shape[:2], np.uint8)
    height, width = mask.shape
    for _ in range(hairs):
        ends = generator.uniform(0, 1, (2, 2)) * (width, height)
        bend = ends.mean(0) + generator.uniform(-0.15, 0.15, 2) * width
        share = np.linspace(0, 1, 60)[:, None]
        curve = (1 - share) ** 2 * ends[0] + 2 * share * (1 - share) * bend + share**2 * ends[1]
        cv2.polylines(mask, [np.rint(curve).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    covered = mask[:, :, None] / 255.0
    return np.rint(image * (1 - covered) + np.array([45, 32, 28]) * covered).astype(np.uint8), mask > 127


@pytest.mark.parametrize(("scale", "thickness"), [(1, 2), (3, 6)])
def test_drawn_hairs_are_filled_with_what_lies_under_them(scale: int, thickness: int) -> None:
    plain = skin(240 * scale, 320 * scale)
    hairy, mask = with_hairs(plain, 8, thickness)
    cleaned = remove_hair(hairy)
    assert cleaned.shape == hairy.shape
    assert cleaned.dtype == np.uint8
    before, after = (np.abs(one.astype(float) - plain)[mask].mean() for one in (hairy, cleaned))
    assert after < before / 4


def test_outside_the_hairs_every_pixel_stays() -> None:
    hairy, _ = with_hairs(skin(), 6, 2)
    cleaned, found = remove_hair(hairy), find_hair(hairy)
    np.testing.assert_array_equal(cleaned[~found], hairy[~found])
    assert 0 < found.mean() < 0.2


def test_without_hairs_the_image_comes_back_itself() -> None:
    plain = skin()
    assert remove_hair(plain) is plain


def test_dots_and_the_lesion_itself_are_no_hairs() -> None:
    image = skin()
    for row, column in ((60, 60), (60, 200), (180, 90), (120, 160)):
        cv2.circle(image, (column, row), 4, (60, 40, 35), -1)
    cv2.circle(image, (160, 120), 45, (50, 35, 30), -1)
    assert not find_hair(image).any()


def rendered(number: int, size: int) -> tuple[Rendered, np.ndarray, np.ndarray]:
    """A lesion without hair; the same photograph with hairs; where those are drawn."""
    generator = np.random.default_rng([number, 7])
    lesion = draw_appearance(EIGHT.codes[number % len(EIGHT.codes)], generator)
    bare = replace(draw_photo(generator, surround=False), hairs=None, ruler=None, bubbles=None)
    hairs = _draw_hairs(generator)
    drawn = Plane.of_pose(size).strokes(hairs) > 0.5
    return render(lesion, bare, size), render(lesion, replace(bare, hairs=hairs), size).image, drawn


@pytest.mark.parametrize("size", [128, 256, 512])
def test_lesions_of_every_class_keep_their_texture_and_hairs_are_found_at_every_size(size: int) -> None:
    lost, found = [], []
    for number in range(16 if size < 512 else 8):
        plain, hairy, drawn = rendered(number, size)
        changed = (remove_hair(plain.image) != plain.image).any(axis=2)
        lost.append(changed[plain.mask].mean())
        if drawn.sum() > 50:
            found.append(find_hair(hairy)[drawn].mean())
    assert max(lost) < 0.3
    assert np.mean(lost) < 0.04
    assert np.mean(found) > 0.6


@pytest.mark.parametrize("times", [2, 4])
def test_one_photograph_at_two_sizes_has_its_hairs_in_the_same_places(times: int) -> None:
    large, _ = with_hairs(skin(960, 1280), 10, 10)
    at_large = find_hair(large)
    small = cv2.resize(large, (1280 // times, 960 // times), interpolation=cv2.INTER_AREA)
    at_small = cv2.resize(find_hair(small).astype(np.uint8), (1280, 960), interpolation=cv2.INTER_NEAREST) > 0
    assert (at_large & at_small).sum() > 0.7 * (at_large | at_small).sum()


@pytest.mark.parametrize(("hairs", "wanted"), [(3, 0.9), (40, 0.75)])
def test_few_hairs_and_a_net_of_many_are_found(hairs: int, wanted: float) -> None:
    hairy, drawn = with_hairs(skin(), hairs, 2)
    assert find_hair(hairy)[drawn].mean() > wanted


@pytest.mark.parametrize("shape", [(SMALLEST - 1, 300), (300, SMALLEST - 1), (8, 8), (64, 64)])
def test_where_a_hair_is_thinner_than_a_pixel_nothing_is_touched(shape: tuple[int, int]) -> None:
    hairy, _ = with_hairs(skin(*shape), 6, 1)
    assert remove_hair(hairy) is hairy
    assert not find_hair(hairy).any()


@pytest.mark.parametrize("shape", [(96, 96), (97, 1500), (500, 700), (1200, 900)])
def test_every_shape_comes_back_in_its_own(shape: tuple[int, int]) -> None:
    hairy, _ = with_hairs(skin(*shape), 8, 3)
    cleaned = remove_hair(hairy)
    assert (cleaned.shape, cleaned.dtype) == (hairy.shape, np.uint8)
    assert np.array_equal(cleaned[~find_hair(hairy)], hairy[~find_hair(hairy)])
