"""What the photographer does: pose and surround."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import Surround, draw_photo, lay_object
from hierattn.data.rendered.rendered_set import render


def test_pose_moves_the_mask_as_it_says() -> None:
    appearance = draw_appearance("NV", np.random.default_rng(7))
    still = replace(draw_photo(np.random.default_rng(8), surround=False), angle=0.0, scale=1.0, shift=(0.0, 0.0))
    moved = replace(still, shift=(0.25, -0.125))
    assert np.array_equal(
        np.roll(render(appearance, still, 64).mask, (-4, 8), (0, 1)), render(appearance, moved, 64).mask
    )


def test_surround_is_black_outside_its_circle_and_nowhere_else() -> None:
    generator = np.random.default_rng(2)
    appearance = draw_appearance("DF", generator)
    photo = replace(draw_photo(generator, surround=True), surround=Surround(0.0, 0.0, 0.8), noise=0.0)
    image = render(appearance, photo, 128).image
    rows, columns = np.mgrid[:128, :128]
    radius = np.hypot(rows - 63.5, columns - 63.5) / 64
    assert image[radius > 0.82].max() == 0
    assert image[radius < 0.75].max(1).min() > 20
    without = render(appearance, replace(photo, surround=None), 128).image
    assert without[radius > 0.82].max(1).min() > 20


def test_surround_is_drawn_for_about_eight_in_a_hundred() -> None:
    generator = np.random.default_rng(0)
    share = np.mean([draw_photo(generator).surround is not None for _ in range(1500)])
    assert 0.055 < share < 0.105


def test_a_ruler_and_bubbles_are_laid_on_any_photograph_and_change_little_of_it():
    picture = np.random.default_rng(0).integers(90, 200, (96, 96, 3), np.uint8)
    for kind in ("ruler", "bubbles"):
        laid = lay_object(picture, kind, np.random.default_rng(1))
        assert laid.dtype == np.uint8
        changed = (laid != picture).any(axis=2).mean()
        assert 0 < changed < 0.2, kind
        np.testing.assert_array_equal(laid, lay_object(picture, kind, np.random.default_rng(1)))
