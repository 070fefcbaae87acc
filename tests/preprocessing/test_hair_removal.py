"""Hair removal: hairs go, the lesion stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hierattn.preprocessing.hair_removal import find_hair, remove_hair


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
