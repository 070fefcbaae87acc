"""Rulers against lines that OpenCV draws, and as often as they are asked for."""

import math

import cv2
import numpy as np
import pytest
import torch

from hierattn.training.augmentation import photo_defects, ruler
from hierattn.training.augmentation.ranges import AugmentationRanges

SIDE = 129  # pixels lie 1/64 of a half side apart


def drawn(batch, probability, seed=0):
    return ruler.draw_rulers(batch, probability, torch.Generator().manual_seed(seed))


def scale(turn=0.0, length=0.15, line=0.0, first=0.0):
    """A black scale on white skin: at 0.6 to the right unless turned, from -0.8 to 0.8, a tick at each 0.2."""
    values = torch.zeros(1, ruler.SCALES, ruler.VALUES)
    values[0, 0] = torch.tensor([turn, 0.6, 0.83, 0.2, first, 5, length, 0.02, line, 0.0, 1.0])
    values[:, 1] = values[:, 0] * torch.tensor([1.0] * 10 + [0.0])  # the second is not there
    return (ruler.add_rulers(torch.ones(1, 3, SIDE, SIDE), values)[0, 0] < 0.5).numpy()


def opencv_lines(ends):
    """Lines of that thickness between ends given in half sides from the middle."""
    large = 16
    picture = np.zeros((SIDE * large, SIDE * large), np.uint8)
    for start, end in ends:
        points = [tuple(round((1 + value) * 64 * large + large / 2) for value in point) for point in (start, end)]
        cv2.line(picture, points[0], points[1], 255, round(0.04 * 64 * large))
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 127


@pytest.mark.parametrize("length", [0.15, -0.15])
def test_ticks_stand_where_opencv_draws_them_each_fifth_longer(length):
    reaches = {number: length * (1.8 if number % 5 == 0 else 1) for number in range(-4, 5)}
    shorter = math.copysign(0.02, length)  # opencv's ends are round
    theirs = opencv_lines(
        [((0.6 + shorter, 0.2 * n), (0.6 + reach - shorter, 0.2 * n)) for n, reach in reaches.items()]
    )
    ours = scale(length=length)
    assert (theirs & ours).sum() > 0.8 * (theirs | ours).sum()


def test_the_line_is_drawn_only_where_it_is_asked_for_and_ends_with_the_scale():
    bare, lined = scale(), scale(line=1.0)
    column = round(64 * 1.6)
    between = round(64 * 1.1)  # halfway between two ticks
    assert not bare[between, column]
    assert lined[between, column]
    assert not lined[: round(64 * 0.15)].any()
    assert (bare & ~lined).sum() == 0


def test_a_turned_scale_is_the_scale_turned():
    assert (scale(turn=math.pi / 2) == np.rot90(scale(), -1)).mean() > 0.995
    assert (scale(turn=math.pi) == np.rot90(scale(), 2)).mean() > 0.995


def test_as_many_photographs_have_a_ruler_as_asked_for_some_a_second_across_it():
    scales = drawn(4000, 0.3)
    there = scales[:, :, -1] > 0
    assert there[:, 0].float().mean() == pytest.approx(0.3, abs=0.03)
    assert there[:, 1].float().mean() == pytest.approx(0.09, abs=0.02)
    assert not (there[:, 1] & ~there[:, 0]).any()
    assert torch.allclose(scales[:, 1, 0] - scales[:, 0, 0], torch.tensor(math.pi / 2), atol=1e-5)
    assert (scales[:, 0, [3, 5, 7, 9]] == scales[:, 1, [3, 5, 7, 9]]).all()  # both of one ruler


def test_rulers_stay_out_of_the_middle():
    ruled = ruler.add_rulers(torch.ones(400, 3, 64, 64) * 0.5, drawn(400, 1.0)).mean(1).sub(0.5).abs() > 0.1
    assert ruled.any(dim=(1, 2)).float().mean() > 0.95
    share = ruled.float().mean(0)
    assert share[26:38, 26:38].mean() < 0.1 * share.mean()


def test_rulers_do_not_change_what_else_is_drawn():
    plain, ruled = (
        photo_defects.draw_defects(
            4, AugmentationRanges(hair=1.0, stickers=1.0, ink=1.0, ruler=share), torch.Generator().manual_seed(2)
        )
        for share in (0.0, 1.0)
    )
    for name in ("hairs", "stickers", "ink", "circle", "quality"):
        assert torch.equal(getattr(plain, name), getattr(ruled, name))
    images = torch.full((4, 3, 32, 32), 0.6)
    bare = photo_defects.apply_to_skin(images, plain)
    assert not torch.equal(bare, photo_defects.apply_to_skin(images, ruled))
