"""Training augmentation (§4.1.1): drawing parameters and applying them; batched, on the device.

The paper rotates within 10 degrees and flips horizontally. The other changes are off unless a recipe asks for them.
All are small and keep a lesion's class. How far each may go stands in ``ranges.py``; defects of photographs are in
``photo_defects.py``, mixing in ``mixing.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hierattn.training.augmentation.photo_defects import Defects, apply_to_picture, apply_to_skin, draw_defects
from hierattn.training.augmentation.ranges import AugmentationRanges
from hierattn.training.feed import send

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as every grey conversion of the package


@dataclass(frozen=True)
class Draw:
    """What was drawn for a batch; a record that can be applied again.

    Attributes
    ----------
    affine
        (batch, 2, 3), from output to input coordinates in [-1, 1], as ``torch.nn.functional.affine_grid`` takes it.
    gain
        (batch, 3), brightness times colour cast.
    contrast, saturation
        (batch,), 1 is no change.
    defects
        None where no defect can occur.
    """

    affine: Tensor
    gain: Tensor
    contrast: Tensor
    saturation: Tensor
    defects: Defects | None = None

    def part(self, rows: slice) -> Draw:
        """The draw of some of the images: each device applies its own share of the batch's."""
        return Draw(
            self.affine[rows],
            self.gain[rows],
            self.contrast[rows],
            self.saturation[rows],
            self.defects.part(rows) if self.defects else None,
        )


def draw(batch: int, ranges: AugmentationRanges, generator: torch.Generator) -> Draw:
    """Draw the changes for ``batch`` images, on the CPU, from ``generator`` alone."""

    def uniform(extent: float, *shape: int) -> Tensor:
        return (2 * torch.rand(batch, *shape, generator=generator) - 1) * extent

    def chance(probability: float) -> Tensor:
        return torch.rand(batch, generator=generator) < probability

    angle = uniform(math.radians(ranges.rotation))
    mirror = torch.where(chance(ranges.horizontal_flip), -1.0, 1.0)
    overturn = torch.where(chance(ranges.vertical_flip), -1.0, 1.0)
    size = torch.exp(uniform(math.log1p(ranges.scale)))
    shift = uniform(2 * ranges.translation, 2)  # a side is two units long
    cosine, sine = torch.cos(angle) / size, torch.sin(angle) / size
    rows = [
        torch.stack([cosine * mirror, -sine * overturn, shift[:, 0]], dim=1),
        torch.stack([sine * mirror, cosine * overturn, shift[:, 1]], dim=1),
    ]
    affine = torch.stack(rows, dim=1)
    gain = (1 + uniform(ranges.brightness, 1)) * (1 + uniform(ranges.colour_cast, 3))
    contrast, saturation = 1 + uniform(ranges.contrast), 1 + uniform(ranges.saturation)
    defects = draw_defects(batch, ranges, generator) if ranges.has_defects else None
    if ranges.stretch:  # drawn last: older recipes keep their draws
        wider = torch.exp(uniform(math.log1p(ranges.stretch)) / 2)
        affine[:, :, :2] *= torch.stack([wider, 1 / wider], dim=1)[:, :, None]
    return Draw(affine, gain, contrast, saturation, defects)


def apply(images: Tensor, changes: Draw) -> Tensor:
    """Apply ``changes`` to ``images``, (batch, 3, height, width) in [0, 1], and clamp to [0, 1].

    Beyond the border the image is mirrored, so that no black corners appear, which could pass for a dermatoscope's.
    A change that is the identity for the whole batch is not computed.
    """
    device = images.device
    identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    if not torch.equal(changes.affine, identity.expand_as(changes.affine)):
        grid = functional.affine_grid(send(changes.affine, device), list(images.shape), align_corners=False)
        images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if changes.defects is not None:
        images = apply_to_skin(images, changes.defects)
    images = _apply_colour(images, changes)
    return apply_to_picture(images, changes.defects) if changes.defects is not None else images


def _apply_colour(images: Tensor, changes: Draw) -> Tensor:
    device, coloured = images.device, False
    if not torch.all(changes.gain == 1):
        images, coloured = images * send(changes.gain, device)[:, :, None, None], True
    if not torch.all(changes.contrast == 1):
        centre = _grey(images).mean(dim=(2, 3), keepdim=True)
        images, coloured = torch.lerp(centre, images, _column(changes.contrast, device)), True
    if not torch.all(changes.saturation == 1):
        images, coloured = torch.lerp(_grey(images), images, _column(changes.saturation, device)), True
    return images.clamp(0, 1) if coloured else images


def _column(values: Tensor, device: torch.device) -> Tensor:
    return send(values, device)[:, None, None, None]


def _grey(images: Tensor) -> Tensor:
    """(batch, 3, h, w) -> (batch, 1, h, w)."""
    return (images * images.new_tensor(_GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
