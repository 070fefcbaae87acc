"""Ink against OpenCV's own arcs, and as often as it is asked for."""

import math

import cv2
import numpy as np
import pytest
import torch

from hierattn.training.augmentation import ink, photo_defects
from hierattn.training.augmentation.ranges import AugmentationRanges

SIDE = 96


def drawn(batch, probability, seed=0):
    return ink.draw_ink(batch, probability, torch.Generator().manual_seed(seed))


def mark(x=0.0, y=0.0, radius=0.7, half=0.03, towards=0.0, sweep=1.0):
    """One black mark on each of one image's white skin."""
    marks = torch.zeros(1, ink.MARKS, ink.VALUES)
    marks[0, 0] = torch.tensor([x, y, radius, half, towards, sweep, 0, 0, 0, 1.0])
    return ink.add_ink(torch.ones(1, 3, SIDE, SIDE), marks)[0, 0] < 0.5


@pytest.mark.parametrize(
    ("radius", "towards", "sweep"),
    [(0.7, 0.0, 1.0), (0.5, math.pi, 0.6), (0.85, -2.0, 2.5), (0.6, 1.0, math.pi)],
)
def test_a_mark_is_the_arc_that_opencv_draws(radius, towards, sweep):
    large, middle = 16 * SIDE, 8 * SIDE
    picture, far = np.zeros((large, large), np.uint8), round(radius * 8 * (SIDE - 1))
    turned = [math.degrees(angle) for angle in (towards - sweep, towards + sweep)]
    cv2.ellipse(picture, (middle, middle), (far, far), 0, *turned, 255, round(0.06 * 8 * (SIDE - 1)))
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    theirs, ours = picture > 127, mark(radius=radius, towards=towards, sweep=sweep).numpy()
    assert (theirs & ours).sum() > 0.8 * (theirs | ours).sum()


def test_a_dot_is_a_disc():
    dot = mark(x=0.5, radius=0.0, half=0.1, sweep=math.pi)
    assert int(dot.sum()) == pytest.approx(math.pi * (0.05 * (SIDE - 1)) ** 2, rel=0.15)
    assert dot[(SIDE - 1) // 2, round(0.75 * (SIDE - 1))]


def test_as_many_photographs_have_ink_as_asked_for_one_to_five_marks_each_of_one_pen():
    marks = drawn(4000, 0.3)
    there = (marks[:, :, -1] > 0).sum(1)
    assert (there > 0).float().mean() == pytest.approx(0.3, abs=0.03)
    assert set(there.tolist()) == {0, *range(1, ink.MARKS + 1)}
    assert (marks[:, :, 6:9] == marks[:, :1, 6:9]).all()


def test_strokes_and_arcs_go_around_the_middle_more_often_than_through_it():
    inked = ink.add_ink(torch.ones(400, 3, 48, 48), drawn(400, 1.0)).mean(1) < 0.8
    assert inked.any(dim=(1, 2)).float().mean() > 0.9
    share = inked.float().mean(0)
    assert share[20:28, 20:28].mean() < 0.2 * share.mean()


def test_ink_does_not_change_what_else_is_drawn():
    plain, inked = (
        photo_defects.draw_defects(
            4, AugmentationRanges(hair=1.0, stickers=1.0, ink=share), torch.Generator().manual_seed(2)
        )
        for share in (0.0, 1.0)
    )
    for name in ("hairs", "stickers", "circle", "quality"):
        assert torch.equal(getattr(plain, name), getattr(inked, name))
    images = torch.full((4, 3, 32, 32), 0.6)
    bare = photo_defects.apply_to_skin(images, plain)
    assert not torch.equal(bare, photo_defects.apply_to_skin(images, inked))
    assert torch.equal(bare, photo_defects.apply_to_skin(images, plain))
