"""Two images in one: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019); drawn, then applied, on the device.

Not in the paper. The label is mixed as the images are: the loss is the same weighted mean of both labels' losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hierattn.training.augmentation.ranges import MixingRanges
from hierattn.training.feed import send


@dataclass(frozen=True)
class Mix:
    """What was drawn for a batch.

    Attributes
    ----------
    partner
        int64, (batch,): which image each one is mixed with.
    share
        How much of the image itself remains, 0 to 1.
    box
        Top, bottom, left, right of the pasted rectangle as shares of the sides; None for mixup.
    """

    partner: Tensor
    share: float
    box: tuple[float, float, float, float] | None = None


def draw_mix(batch: int, ranges: MixingRanges, generator: np.random.Generator) -> Mix:
    """Draw a mix for ``batch`` images, from ``generator`` alone; with ``share`` 1 where this step does not mix.

    Where mixup and CutMix are both set, each is drawn in half of the mixing steps.
    """
    mixup, cutmix = ranges.mixup, ranges.cutmix
    partner = torch.from_numpy(generator.permutation(batch))
    mixes, pastes = generator.random(2)
    if mixes >= ranges.probability or not (mixup or cutmix):
        return Mix(partner, 1.0)
    if mixup and (not cutmix or pastes < 0.5):
        return Mix(partner, float(generator.beta(mixup, mixup)))
    side = math.sqrt(1 - generator.beta(cutmix, cutmix))
    centre = generator.random(2)
    (top, left), (bottom, right) = np.clip(centre - side / 2, 0, 1), np.clip(centre + side / 2, 0, 1)
    box = (float(top), float(bottom), float(left), float(right))
    return Mix(partner, 1 - (box[1] - box[0]) * (box[3] - box[2]), box)


def apply_mix(images: Tensor, mix: Mix) -> Tensor:
    """Mix ``images``, (batch, 3, h, w), with their partners."""
    if mix.share == 1:
        return images
    others = images[send(mix.partner, images.device)]
    if mix.box is None:
        return torch.lerp(others, images, mix.share)
    height, width = images.shape[-2:]
    top, bottom, left, right = (
        round(edge * size) for edge, size in zip(mix.box, (height, height, width, width), strict=True)
    )
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed
