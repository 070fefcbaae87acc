"""Coordinates against the pixels' own places."""

import torch

from hierattn.training.augmentation.picture_plane import pixel_coordinates


def test_the_outermost_pixels_lie_at_one_half_side_x_to_the_right_and_y_down():
    x, y = pixel_coordinates(torch.zeros(2, 3, 5, 3))
    assert x.flatten().tolist() == [-1, 0, 1]
    assert y.flatten().tolist() == [-1, -0.5, 0, 0.5, 1]
    assert (x + y).shape == (1, 5, 3)
    assert x.dtype == torch.float32
    assert pixel_coordinates(torch.zeros(1, 3, 4, 4, dtype=torch.float64))[0].dtype == torch.float64
