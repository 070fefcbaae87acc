"""Lay a heat map over the photograph it explains: red speaks for the class, blue against it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hierattn.files import write_bytes

KIND = "a heat map"
MARK = "hierattn-heat-map"
"""The PNG text that tells our pictures: the SHA-256 of their pixels. One that somebody drew on is no longer ours."""

LARGEST_SIDE = 1024
STRONGEST = 0.6
"""Opacity where the evidence is largest."""

FOR, AGAINST = (214, 39, 40), (31, 119, 180)
"""RGB of the evidence for a class, and of that against it."""


def overlay(photo: np.ndarray, heatmap: np.ndarray) -> Image.Image:
    """Colour ``photo`` by ``heatmap``.

    The map is enlarged smoothly; its own cells are coarse, and their borders mean nothing. The largest absolute value
    gets the full colour, so that colours of two pictures do not compare.

    Parameters
    ----------
    photo
        uint8 RGB, (height, width, 3): the part that the network sees, after the crop.
    heatmap
        Float, (h, w), of one class.

    Returns
    -------
    PIL.Image.Image
        RGB, at most 1024 pixels a side.
    """
    picture = Image.fromarray(np.ascontiguousarray(photo))
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BILINEAR)
    values = Image.fromarray(np.asarray(heatmap, np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    evidence = np.asarray(values, np.float32) / max(float(np.abs(heatmap).max()), 1e-12)
    colour = np.where(evidence[:, :, None] > 0, np.asarray(FOR, np.float32), np.asarray(AGAINST, np.float32))
    opacity = STRONGEST * np.minimum(np.abs(evidence), 1)[:, :, None]
    mixed = np.asarray(picture, np.float32) * (1 - opacity) + colour * opacity
    return Image.fromarray(np.round(mixed).astype(np.uint8))


def write_overlay(path: Path, photo: np.ndarray, heatmap: np.ndarray) -> None:
    """Write :func:`overlay` as PNG, whole or not at all."""
    file, picture, mark = io.BytesIO(), overlay(photo, heatmap), PngInfo()
    mark.add_text(MARK, _digest(picture))
    picture.save(file, "PNG", pnginfo=mark)
    write_bytes(path, file.getvalue())


def is_overlay(path: Path) -> bool:
    """Whether a file is a picture of :func:`write_overlay`, as it was written.

    Raises
    ------
    OSError
        Where it is no picture, or cannot be read.
    """
    with Image.open(path, formats=["PNG"]) as picture:
        return max(picture.size) <= LARGEST_SIDE and picture.info.get(MARK) == _digest(picture)


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()
