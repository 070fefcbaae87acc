"""Where the lesion is, where a set knows it: masks beside the photographs, brought to the packed images' frame.

Rendered sets come with exact masks (``masks/NAME.png`` beside the images' folder). Any set may: white is lesion.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.bundle.bundle import FEWEST_CELLS
from hierattn.data.prepared_set.packed import AUDIT, PackedSet
from hierattn.data.rendered.rendered_set import MASKS
from hierattn.errors import TableError
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.preprocessing.adaptive_crop import Box

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


@dataclass(frozen=True)
class Saliency:
    """How much of what the network looks at lies outside the lesion.

    Attributes
    ----------
    images
        With a mask.
    outside, attention_outside
        Share of the Grad-CAM heat, and of the transformer's attention, outside the lesion: mean over images.
    area_outside
        The share of the picture that is not lesion, which heat spread evenly would have.
    cells
        Of the heat map, (h, w), before it is enlarged; None in reports of older versions.
    """

    images: int
    outside: Estimate
    attention_outside: Estimate
    area_outside: float | None
    cells: tuple[int, int] | None = None

    @property
    def too_small(self) -> bool:
        """Whether the heat map is too small to tell; ``outside`` and ``attention_outside`` are undefined then."""
        return self.cells is not None and min(self.cells) < FEWEST_CELLS
