"""Fingerprints turn as their images do, and of a crop they are near the crop's own."""

from __future__ import annotations

import numpy as np
import pytest

from hierattn.data.near_duplicates.fingerprints import TURNS, VIEWS, fingerprints, thumbnail, turn, turned
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.taxonomy.built_in import EIGHT

COUNT = 32


@pytest.fixture(scope="module")
def lesions() -> list[np.ndarray]:
    """Rendered photographs of 32 lesions, four of each class."""
    return [render_lesion(EIGHT.codes[k % 8], np.random.default_rng(1000 + k), 192).image for k in range(COUNT)]


def test_a_turned_fingerprint_is_that_of_the_turned_image(lesions: list[np.ndarray]) -> None:
    small = np.stack([thumbnail(image) for image in lesions])
    for number in range(TURNS):
        wanted = fingerprints(np.stack([turn(image, number) for image in small])).astype(int)
        assert np.abs(turned(fingerprints(small), number) - wanted).max() <= 1  # a half may round either way


@pytest.mark.parametrize("view", [VIEWS[1], VIEWS[5], VIEWS[9]])
def test_the_fingerprint_of_a_view_is_near_that_of_the_cropped_image(lesions: list[np.ndarray], view: object) -> None:
    top, left, side = (round(192 * share) for share in (view.top, view.left, view.side))  # type: ignore[attr-defined]
    crops = np.stack([thumbnail(image[top : top + side, left : left + side]) for image in lesions])
    seen = fingerprints(np.stack([thumbnail(image) for image in lesions]), view).astype(float)  # type: ignore[arg-type]
    wanted = fingerprints(crops).astype(float)
    cosines = (seen * wanted).sum(1) / np.linalg.norm(seen, axis=1) / np.linalg.norm(wanted, axis=1)
    assert np.median(cosines) > 0.97
