"""Where the lesion is, where a set knows it: masks beside the photographs, brought to the packed images' frame.

Rendered sets come with exact masks (``masks/NAME.png`` beside the images' folder). Any set may: white is lesion.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from hierattn.data.prepared_set.packed import AUDIT, PackedSet
from hierattn.data.rendered.rendered_set import MASKS
from hierattn.errors import TableError
from hierattn.evaluation.measures.intervals import bootstrap, interval
from hierattn.evaluation.measures.saliency import attention_map, grad_cam, last_map, share_outside
from hierattn.evaluation.predictions import Predictions
from hierattn.image_spec import ImageSpec
from hierattn.models.cth import CTH
from hierattn.models.inference import normalise, to_unit
from hierattn.preprocessing.adaptive_crop import Box

MOST_IMAGES = 96
MOST_PIXELS = 100_000_000


@dataclass(frozen=True)
class MaskedSet:
    """A prepared set, and where each of its images was cropped."""

    packed: PackedSet
    boxes: dict[str, str]

    @classmethod
    def of(cls, packed: PackedSet) -> MaskedSet:
        """Read the crop boxes that preparation wrote down."""
        path = packed.folder / AUDIT
        if not path.is_file():
            return cls(packed, {})
        with path.open(newline="", encoding="utf-8-sig") as file:
            return cls(packed, {row["image"]: row.get("box") or "" for row in csv.DictReader(file)})

    def path(self, row: int) -> Path:
        """Where the mask of an image would lie."""
        photograph = self.packed.folder / self.packed.records[row].image
        return photograph.parent.parent / MASKS / f"{photograph.stem}.png"

    def mask(self, row: int) -> np.ndarray:
        """The lesion of image ``row``, bool (size, size), cropped and resized as the image was.

        Raises
        ------
        TableError
            Where the mask is missing, no image, or too large.
        """
        path, size = self.path(row), self.packed.image_spec.size
        try:
            with Image.open(path) as stored:
                if stored.width * stored.height > MOST_PIXELS:
                    raise ValueError(f"{stored.width} x {stored.height} pixels")
                grey = stored.convert("L")
        except (OSError, ValueError) as error:
            raise TableError(f"{path} is no mask ({error}): wanted a picture, white on the lesion") from None
        box = _box(self.boxes.get(self.packed.records[row].image, ""))
        if box is not None:
            grey = grey.crop((box.left, box.top, box.right, box.bottom))
        inside: np.ndarray = np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR)) >= 128
        return inside


def _box(text: str) -> Box | None:
    """As :class:`Box` writes itself; None for an image that was not cropped."""
    return Box(*(int(number) for number in text.split(","))) if text else None


def judge_saliency(
    model: nn.Module,
    packed: PackedSet,
    rows: np.ndarray,
    predictions: Predictions,
    spec: ImageSpec,
    *,
    device: str = "cpu",
    most: int = MOST_IMAGES,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any] | None:
    """How much of the heat lies outside the lesion; None where the set has no masks.

    Parameters
    ----------
    rows
        Row ``i`` of ``predictions`` is image ``rows[i]`` of ``packed``.
    most
        At most so many images, drawn by ``seed``.

    Returns
    -------
    dict
        ``images``; ``outside`` and ``attention_outside``: shares of the Grad-CAM heat and of the transformer's
        attention outside the lesion (mean, with interval over groups); ``area_outside``: the share of the picture that
        is not lesion, which heat spread evenly would have.
    """
    masked = MaskedSet.of(packed)
    with_mask = np.array([place for place, row in enumerate(rows) if masked.path(int(row)).is_file()], np.int64)
    if not len(with_mask):
        return None
    if len(with_mask) > most:
        with_mask = np.sort(np.random.default_rng(seed).choice(with_mask, most, replace=False))
    has_attention = any(isinstance(module, CTH) for module in model.modules())
    shares = np.full((len(with_mask), 3), np.nan)
    for number, place in enumerate(with_mask):
        inside = masked.mask(int(rows[place]))
        pixels = torch.from_numpy(np.array(packed.images[rows[place]]))[None].to(device)
        image = normalise(to_unit(pixels, spec.size), spec)
        inside = _to_size(inside, spec.size)
        heat = grad_cam(model, image, int(predictions.predicted[place]), last_map(model))
        shares[number, 0] = share_outside(heat, inside)
        shares[number, 2] = 1 - inside.mean()
        if has_attention:
            shares[number, 1] = share_outside(attention_map(model, image), inside)
    groups = np.unique(predictions.group_numbers[with_mask], return_inverse=True)[1]
    outside, attention, area = (_mean(shares[:, column], groups, resamples, seed) for column in range(3))
    return {
        "images": len(with_mask),
        "outside": outside,
        "attention_outside": attention,
        "area_outside": area["value"],
    }


def _to_size(mask: np.ndarray, size: int) -> np.ndarray:
    if mask.shape == (size, size):
        return mask
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((size, size), Image.Resampling.BILINEAR)
    inside: np.ndarray = np.asarray(grey) >= 128
    return inside


def _mean(values: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    known = ~np.isnan(values)
    if not known.any():
        return {"value": float("nan"), "interval": None}
    filled = np.where(known, values, 0.0)

    def statistic(weights: np.ndarray) -> np.ndarray:
        below = weights @ known
        return np.divide(weights @ filled, below, out=np.full(below.shape, np.nan), where=below > 0)[:, None]

    draws = bootstrap(statistic, groups, resamples, seed)
    return {"value": float(values[known].mean()), "interval": interval(draws[:, 0]) if draws.size else None}
