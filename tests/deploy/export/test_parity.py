"""The parity report: its bounds, and the images that it is measured on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hierattn.bundle.bundle import HEATMAP, NOVELTY
from hierattn.deploy.export import parity
from hierattn.deploy.export.parity import LOSSY, PHOTO_SIZES, TOLERANCE, ParityReport, parity_images
from hierattn.image_spec import ImageSpec

GOOD = ParityReport(16, 1e-6, 1.0, 4, 1e-3, 1.0, 1e-5)


def test_small_differences_are_in_order():
    assert GOOD.ok
    assert GOOD.bounds.probability == TOLERANCE == 1e-4


def test_fewer_bits_are_held_to_the_share_of_equal_answers():
    lossy = replace(GOOD, difference=0.3, photo_difference=0.4, heatmap_difference=0.2, bounds=LOSSY)
    assert replace(lossy, agreement=0.99).ok
    assert not replace(lossy, agreement=0.9899).ok
    assert not replace(lossy, difference=float("nan")).ok
    assert "in 98.99 % (wanted 99.00 %)" in str(replace(lossy, agreement=0.9899))


@pytest.mark.parametrize(
    "change",
    [
        {"difference": 2e-4},
        {"difference": float("nan")},
        {"agreement": 0.9375},
        {"photo_difference": 0.05},
        {"photo_difference": float("nan")},
        {"heatmap_difference": 0.1},
        {"answers_difference": 2e-4},
        {"levels": 2, "same_pixels_difference": 1e-6},
        {"levels": 1, "same_pixels_difference": 2e-4},
        {"levels": 1, "same_pixels_difference": float("nan")},
    ],
    ids=str,
)
def test_each_bound_counts_alone(change):
    assert not replace(GOOD, **change).ok


def test_a_network_that_one_grey_level_moves_far_is_in_order_and_the_line_tells_it():
    sharp = replace(GOOD, photo_difference=0.029, levels=1, same_pixels_difference=1e-6)
    assert sharp.ok
    assert "of Pillow's within 2.9e-02" in str(sharp)


def test_report_reads_as_one_line_with_its_figures():
    line = str(GOOD)
    assert "\n" not in line
    assert "1.0e-06" in line
    assert "100 %" in line


def test_images_are_always_the_same_and_of_both_kinds():
    spec = ImageSpec(size=32)
    images, again = parity_images(spec), parity_images(spec)
    assert all(np.array_equal(one, other) for one, other in zip(images, again, strict=True))
    sizes = [image.shape[:2] for image in images]
    assert sizes[:16] == [(32, 32)] * 16
    assert tuple(sizes[16:]) == PHOTO_SIZES
    assert len({image.tobytes() for image in images}) == len(images)


class Wrapped:
    """A network that gives a heat map and a novelty of ones."""

    output_names = (HEATMAP, NOVELTY)

    def __call__(self, images):
        return torch.ones(1, 4), torch.ones(1)


@pytest.mark.parametrize("name", [HEATMAP, NOVELTY])
def test_what_is_not_a_number_is_the_largest_difference(name):
    found = {HEATMAP: np.ones((1, 4)), NOVELTY: np.ones(1)}
    image = np.zeros((8, 8, 3), np.uint8)
    assert parity._largest_relative(found, Wrapped(), image) == 0
    found[name] = found[name] * np.nan
    assert np.isnan(parity._largest_relative(found, Wrapped(), image))
