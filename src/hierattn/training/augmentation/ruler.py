"""Rulers that clinics lay beside a lesion, or engrave on the dermatoscope's glass, drawn batched on the device.

Rulers stand beside some diagnoses more than beside others, and networks learn it (Winkler et al., "Association between
different scale bars in dermoscopic images and diagnostic performance of a market-approved deep learning convolutional
neural network for melanoma recognition", European Journal of Cancer 145, 2021). Drawn on every class alike they come to
mean nothing. They are not in the paper.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hierattn.training.augmentation.picture_plane import pixel_coordinates

SCALES = 2
"""Most scales in one image: one along a side, sometimes a second across it."""
VALUES = 11
"""What describes a scale: see :func:`draw_rulers`."""
LONGER = 1.8
"""Length of each fifth or tenth tick, over that of the others."""


def draw_rulers(batch: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw the rulers of ``batch`` images.

    Returns
    -------
    torch.Tensor
        (batch, SCALES, 11). Lengths are in half sides. Of each scale: the direction from the image's middle to it, in
        radians; how far its line lies; half its length; from tick to tick; where the first tick stands, of that step;
        each how many-th tick is longer; the ticks' length, below 0 where they point to the middle; half the lines'
        thickness; whether the line itself is drawn; the shade of grey, 0 is black; how much of the skin the lines
        cover, 0 where there is no scale.
    """

    def between(low: float, high: float, scales: int = SCALES) -> Tensor:
        return low + (high - low) * torch.rand(batch, scales, generator=generator)

    turn, white, second = between(0, 2 * math.pi, 1), between(0, 1, 1) < 0.25, between(0, 1, 1) < 0.3
    shade = torch.where(white, between(0.8, 1, 1), between(0, 0.3, 1))
    has = between(0, 1, 1) < probability
    there = torch.cat([has, has & second], dim=1)
    one_of_all = [value.expand(batch, SCALES) for value in (between(0.04, 0.16, 1), between(0.005, 0.02, 1))]
    values = [
        turn + torch.tensor([0.0, math.pi / 2]),
        between(0.5, 0.97),
        between(0.5, 1.2),
        one_of_all[0],
        between(0, 1),
        torch.where(between(0, 1, 1) < 0.5, 5.0, 10.0).expand(batch, SCALES),
        between(0.04, 0.16) * between(-1, 1).sign(),
        one_of_all[1],
        (between(0, 1) < 0.5).float(),
        shade.expand(batch, SCALES),
        between(0.5, 1) * there,
    ]
    return torch.stack(values, dim=2)


def add_rulers(images: Tensor, rulers: Tensor) -> Tensor:
    """Draw ``rulers``, (batch, SCALES, 11) as :func:`draw_rulers` has them, on (batch, 3, h, w) in [0, 1]."""
    x, y = pixel_coordinates(images)
    for one in range(SCALES):
        turn, far, extent, step, first, longer, length, half, line, shade, covers = (
            rulers[:, one, :, None, None].to(images).unbind(1)
        )
        cosine, sine = torch.cos(turn), torch.sin(turn)
        across, along = x * cosine + y * sine - far, y * cosine - x * sine
        number = torch.round(along / step - first)
        off = (along - (number + first) * step).abs()
        reach = length * torch.where(torch.remainder(number, longer) == 0, LONGER, 1.0)
        past_tick = torch.maximum(off, (across - reach / 2).abs() - reach.abs() / 2 + half)
        past_line = torch.where(line > 0, across.abs(), torch.inf)
        past = torch.maximum(torch.minimum(past_tick, past_line), along.abs() - extent + half)
        mask = torch.sigmoid((half - past) * max(images.shape[-2:])) * covers
        images = torch.lerp(images, shade[:, None].expand_as(images), mask[:, None])
    return images
