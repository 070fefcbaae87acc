"""Colour constancy: the closed forms, and one lesion under two lamps."""

from __future__ import annotations

import numpy as np
import pytest

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import UsageError
from hierattn.preprocessing.colour_constancy import balance_colours, lamp_gains

METHODS = ("shades_of_grey", "grey_world", "max_rgb")


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize(("method", "order"), [("shades_of_grey", 6), ("grey_world", 1)])
def test_the_lamp_is_the_minkowski_mean_computed_pixel_by_pixel(image: np.ndarray, method: str, order: int) -> None:
    lamp = (image.astype(float) ** order).mean((0, 1)) ** (1 / order)
    unit = lamp / np.linalg.norm(lamp)
    np.testing.assert_allclose(lamp_gains(image, method), 1 / (np.sqrt(3) * unit))  # type: ignore[arg-type]


def test_max_rgb_takes_the_brightest_of_each_channel(image: np.ndarray) -> None:
    lamp = image.max((0, 1)).astype(float)
    np.testing.assert_allclose(lamp_gains(image, "max_rgb"), np.linalg.norm(lamp) / np.sqrt(3) / lamp)


@pytest.mark.parametrize("method", METHODS)
def test_grey_stays_grey_and_the_pixels_are_scaled_and_cut(image: np.ndarray, method: str) -> None:
    grey = np.repeat(image[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(balance_colours(grey, method), grey)  # type: ignore[arg-type]
    wanted = np.rint(image * lamp_gains(image, method)).clip(0, 255)  # type: ignore[arg-type]
    np.testing.assert_array_equal(balance_colours(image, method), wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_two_lamps_give_nearly_one_hue(method: str) -> None:
    """The brightness may differ: the formula keeps the lamp's length, not the image's."""

    def hue(image: np.ndarray) -> np.ndarray:
        return image / np.maximum(image.sum(axis=2, keepdims=True, dtype=float), 1)

    skin = (render_lesion("NV", np.random.default_rng(3), 96).image * 0.7).astype(np.uint8)
    warm = np.rint(skin * (1.25, 1.0, 0.8)).clip(0, 255).astype(np.uint8)
    before = np.abs(hue(warm) - hue(skin)).mean()
    after = np.abs(hue(balance_colours(warm, method)) - hue(balance_colours(skin, method))).mean()  # type: ignore[arg-type]
    assert after < before / 8


@pytest.mark.parametrize("method", METHODS)
def test_black_and_one_coloured_images_do_no_harm(method: str) -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    np.testing.assert_array_equal(balance_colours(black, method), black)  # type: ignore[arg-type]
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert lamp_gains(red, method).max() <= 4  # type: ignore[arg-type]


def test_none_is_the_image_itself_and_other_names_are_refused(image: np.ndarray) -> None:
    assert balance_colours(image, "none") is image
    with pytest.raises(UsageError, match="shades_of_grey"):
        balance_colours(image, "retinex")  # type: ignore[arg-type]
