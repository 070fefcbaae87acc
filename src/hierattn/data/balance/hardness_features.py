"""Compact features for instance hardness (§3.2.2): what a forest sees of an image.

The published code gives the forest 3 x 256 x 256 raw float64 pixels, 37 GB for ISIC 2019. A hundred-odd float32
values say as much to a forest, which cannot tell a shifted pixel from another one anyway. Two features are made
here, and any other, the embedding of a trained network for instance, may be given as an array.

``colour-texture`` (the default): on a copy of 64 pixels a side, and apart for the middle of the image (half its sides,
where the lesion is) and the rim around it, histograms of Lab's three channels, 16 bins each, and of rotation-invariant
uniform local binary patterns (Ojala et al. 2002) at one and at three pixels, 10 bins each. Each histogram sums to 1.

``pixels``: the image averaged down to 16 x 16, RGB in [0, 1].

Images go through in batches, so that NumPy works outside Python's lock and threads do speed it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hierattn.errors import UsageError

Features = NDArray[np.float32]

_SIDE, _TINY = 64, 16
_COLOUR_BINS, _PATTERN_BINS = 16, 10
_RADII = (1, 3)
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
BATCH = 64
"""Images that are turned into features at once: a few megabytes of intermediate arrays."""


@dataclass(frozen=True)
class Feature:
    """One kind of feature: ``columns`` float32 values an image, and the function of a batch that makes them."""

    name: str
    columns: int
    of_batch: Callable[[NDArray[np.uint8]], Features]


def extract_features(images: np.ndarray, feature: str = "colour-texture", rows: np.ndarray | None = None) -> Features:
    """Features of images, a batch at a time: memory does not grow with the images, only with the result.

    Parameters
    ----------
    images
        uint8 RGB, (images, height, width, 3); a packed set's memory-mapped ``images`` for instance.
    feature
        ``colour-texture`` or ``pixels``.
    rows
        Which images, in which order; None: all.

    Returns
    -------
    numpy.ndarray
        float32, (images, columns): 136 columns for ``colour-texture``, 768 for ``pixels``.

    Raises
    ------
    UsageError
        For an unknown feature, or an array of another form.

    >>> extract_features(np.zeros((2, 64, 64, 3), np.uint8), "pixels").shape
    (2, 768)
    """
    kind = feature_named(feature)
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise UsageError(f"images {images.dtype} {images.shape}: wanted uint8 (images, height, width, 3), RGB")
    chosen = np.arange(len(images)) if rows is None else np.asarray(rows, np.int64)
    features = np.empty((len(chosen), kind.columns), np.float32)
    for start in range(0, len(chosen), BATCH):
        part = slice(start, start + BATCH)
        features[part] = kind.of_batch(np.ascontiguousarray(images[chosen[part]]))
    return features


def feature_named(name: str) -> Feature:
    """The feature of that name.

    Raises
    ------
    UsageError
        Where there is none.
    """
    if name not in FEATURES:
        raise UsageError(f"feature {name!r}: wanted one of {', '.join(FEATURES)}")
    return FEATURES[name]


def pixels(images: NDArray[np.uint8]) -> Features:
    """(batch, height, width, 3) uint8 -> (batch, 768) float32 in [0, 1], row by row from the top left."""
    small = _reduced(images, _TINY)
    return small.reshape(len(small), -1).astype(np.float32) / np.float32(255)


def colour_texture(images: NDArray[np.uint8]) -> Features:
    """(batch, height, width, 3) uint8 -> (batch, 136) float32: the histograms of the middle, then those of the rim."""
    small = _reduced(images, _SIDE)
    middle = _middle(_SIDE)
    parts = [
        _histograms(channel >> 4, middle, _COLOUR_BINS) for channel in np.moveaxis(_lab(small), 3, 0)
    ]  # 256 / 16 bins
    grey = _grey(small)
    for radius in _RADII:
        inner = middle[radius : _SIDE - radius, radius : _SIDE - radius]
        parts.append(_histograms(uniform_patterns(grey, radius), inner, _PATTERN_BINS))
    # each part is (batch, 2 regions, bins) -> (batch, 2 x 68)
    return np.concatenate(parts, axis=2).reshape(len(small), -1)


def uniform_patterns(grey: np.ndarray, radius: int) -> NDArray[np.uint8]:
    """Rotation-invariant uniform local binary patterns of the eight neighbours at ``radius`` on a square ring.

    Parameters
    ----------
    grey
        (batch, height, width), any real values.
    radius
        Pixels from the centre to the ring.

    Returns
    -------
    numpy.ndarray
        uint8, (batch, height - 2 radius, width - 2 radius). 0 to 8: that many neighbours are at least as bright as the
        centre, in one run around the ring; 9: they are in several runs.
    """
    height, width = grey.shape[1:]
    centre = grey[:, radius : height - radius, radius : width - radius]
    code = np.zeros(centre.shape, np.uint8)
    for bit, (down, along) in enumerate(_RING):
        top, left = radius * (1 + down), radius * (1 + along)
        neighbour = grey[:, top : top + centre.shape[1], left : left + centre.shape[2]]
        code |= (neighbour >= centre).astype(np.uint8) << np.uint8(bit)
    return _UNIFORM[code]


def _uniform_table() -> NDArray[np.uint8]:
    """Code of eight bits -> number of ones where they are in one run around the ring, else 9."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


_UNIFORM = _uniform_table()


def _histograms(values: np.ndarray, middle: NDArray[np.bool_], bins: int) -> Features:
    """Shares of ``values`` in the middle and in the rim: (batch, height, width) -> (batch, 2, bins), sums of 1."""
    batch = len(values)
    cell = np.where(middle, 0, bins) + values.astype(np.int32)
    cell += (2 * bins * np.arange(batch, dtype=np.int32))[:, None, None]
    counts = np.bincount(cell.ravel(), minlength=batch * 2 * bins).reshape(batch, 2, bins)
    inside = int(middle.sum())
    shares = counts / np.array([[inside], [middle.size - inside]])
    return shares.astype(np.float32)


def _middle(side: int) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), bool)
    mask[side // 4 : side - side // 4, side // 4 : side - side // 4] = True
    return mask


def _reduced(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(batch, height, width, 3) -> (batch, side, side, 3); every pixel counts where the image shrinks."""
    if images.shape[1:3] == (side, side):
        return images
    import cv2

    small = np.empty((len(images), side, side, 3), np.uint8)
    shrinks = images.shape[1] >= side and images.shape[2] >= side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    for image, target in zip(images, small, strict=True):
        cv2.resize(image, (side, side), dst=target, interpolation=how)
    return small


def _lab(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From sRGB to CIE Lab as OpenCV scales it to bytes. A tall strip of all images is one call."""
    import cv2

    strip = images.reshape(-1, images.shape[2], 3)
    lab: NDArray[np.uint8] = np.asarray(cv2.cvtColor(strip, cv2.COLOR_RGB2LAB), np.uint8)
    return lab.reshape(images.shape)


def _grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    strip = images.reshape(-1, images.shape[2], 3)
    grey: NDArray[np.uint8] = np.asarray(cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY), np.uint8)
    return grey.reshape(images.shape[:3])


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "colour-texture": Feature(
            "colour-texture", 2 * (3 * _COLOUR_BINS + len(_RADII) * _PATTERN_BINS), colour_texture
        ),
        "pixels": Feature("pixels", _TINY * _TINY * 3, pixels),
    }
)
"""By name."""
