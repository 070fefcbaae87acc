"""Ink that surgeons leave on skin, drawn and applied batched on the device: arcs around the lesion, strokes, dots.

Ink stands beside melanomas more often than beside nevi, because those are marked to be cut out, and networks learn it
(Winkler et al., "Association between surgical skin markings in dermoscopic images and diagnostic performance of a deep
learning convolutional neural network for melanoma recognition", JAMA Dermatology 155(10), 2019). Drawn on every class
alike it comes to mean nothing. It is not in the paper.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hierattn.training.augmentation.picture_plane import pixel_coordinates

MARKS = 5
"""Most marks in one image."""
VALUES = 10
"""What describes a mark: see :func:`draw_ink`."""
COLOURS = ((0.0, 0.55), (0.0, 0.45), (0.1, 0.8))
"""Ranges of red, green and blue: black, blue, violet, green."""


def draw_ink(batch: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw the ink of ``batch`` images.

    Returns
    -------
    torch.Tensor
        (batch, MARKS, 10). Each mark is an arc: its circle's middle (x, y), radius and half its thickness, in half
        sides from the image's middle; the angle of the arc's middle and half its sweep, in radians; its colour (3); how
        much of the skin it covers, 0 where there is no mark. A stroke is an arc of a large circle, a dot one of
        radius 0. One to five lie in an image that has any, all of one pen.
    """

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, MARKS, generator=generator)

    kind, angle, sign = between(0, 1), between(0, 2 * math.pi), between(-1, 1).sign()
    arc, stroke = kind < 0.45, (kind >= 0.45) & (kind < 0.75)
    radius = torch.where(arc, between(0.55, 1.15), torch.where(stroke, between(1.5, 5), 0.0))
    # A stroke passes the image's middle at some distance, bent to it or away from it.
    far = torch.where(arc, between(0, 0.2), torch.where(stroke, between(0.45, 1.1) + sign * radius, between(0.5, 1.2)))
    towards = torch.where(stroke & (sign > 0), angle + math.pi, angle)
    sweep = torch.where(arc, between(0.2, 1.6), torch.where(stroke, between(0.1, 0.9) / radius.clamp_min(1), math.pi))
    thickness = torch.where(arc | stroke, between(0.008, 0.03), between(0.02, 0.08))
    number = (1 + torch.arange(MARKS)) <= (1 + MARKS * torch.rand(batch, 1, generator=generator)).floor()
    has = torch.rand(batch, 1, generator=generator) < probability
    pen = torch.stack([low + (high - low) * torch.rand(batch, 1, generator=generator) for low, high in COLOURS], dim=2)
    covers = between(0.55, 1.0) * number * has
    middle = (torch.cos(angle) * far, torch.sin(angle) * far)
    marks = torch.stack([*middle, radius, thickness, towards, sweep], dim=2)
    return torch.cat([marks, pen.expand(batch, MARKS, 3), covers[:, :, None]], dim=2)


def add_ink(images: Tensor, ink: Tensor) -> Tensor:
    """Draw ``ink``, (batch, MARKS, 10) as :func:`draw_ink` has it, on (batch, 3, h, w) in [0, 1]."""
    x, y = pixel_coordinates(images)
    for one in range(MARKS):
        across, down, radius, half, towards, sweep, red, green, blue, covers = (
            ink[:, one, :, None, None].to(images).unbind(1)
        )
        dx, dy = x - across, y - down
        off = (torch.sqrt(dx**2 + dy**2) - radius).abs()
        turned = torch.remainder(torch.atan2(dy, dx) - towards + math.pi, 2 * math.pi) - math.pi
        past = (turned.abs() - sweep).clamp_min(0) * radius  # beyond the end of the arc
        mask = torch.sigmoid((half - torch.maximum(off, past)) * max(images.shape[-2:])) * covers
        images = torch.lerp(images, torch.stack([red, green, blue], dim=1), mask[:, None])
    return images
