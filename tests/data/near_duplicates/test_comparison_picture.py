"""The picture that near-duplicates are looked for on does not depend on how a photograph is prepared."""

from __future__ import annotations

import numpy as np
import pytest

from hierattn.data.near_duplicates.comparison_picture import BYTES, SIDE, comparison_picture
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import crop, find_crop


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """A rendered lesion seen through a dark tube."""
    image = np.full((300, 400, 3), 4, np.uint8)
    rows, columns = np.mgrid[:300, :400]
    image[30:270, 80:320] = render_lesion("NV", np.random.default_rng(2), 240).image
    image[np.hypot(rows - 150, columns - 200) > 119] = 4
    return image


def test_it_is_small_and_grey(photograph: np.ndarray) -> None:
    picture = comparison_picture(photograph)
    assert (picture.shape, picture.dtype, picture.nbytes) == ((SIDE, SIDE), np.uint8, BYTES)


@pytest.mark.parametrize(
    "spec",
    [
        ImageSpec(size=SIDE, crop="surround"),
        ImageSpec(size=SIDE, crop="none"),
        ImageSpec(size=64, crop="surround"),
        ImageSpec(size=SIDE, crop="surround", mean=(0.1, 0.2, 0.3), std=(1, 1, 1)),
    ],
)
def test_what_was_prepared_saves_time_and_changes_nothing(photograph: np.ndarray, spec: ImageSpec) -> None:
    box = find_crop(photograph, spec.crop)
    packed = spec.resize(np.ascontiguousarray(crop(photograph, box)))
    np.testing.assert_array_equal(comparison_picture(photograph, spec, box, packed), comparison_picture(photograph))
