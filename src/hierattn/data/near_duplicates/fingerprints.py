"""Fingerprints of images: small, of whole numbers, and cheap to turn, mirror and crop.

A fingerprint is the low-frequency part of the discrete cosine transform of a grey 32 x 32 thumbnail, each coefficient
weighed by how much it tells lesions apart, scaled to a fixed length and rounded to 8 bits. Mirroring an image changes
the sign of every other coefficient, turning it swaps the axes, and cropping it is another matrix in the transform: so
one thumbnail gives the fingerprints of all its variants.

All sums are of whole numbers that a float holds exactly, so that the same image has the same fingerprint whatever the
number of threads, the library or the machine does to the order of additions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

THUMBNAIL = 32
"""Pixels a side of what a fingerprint is computed from."""
COEFFICIENTS = 9
"""Cosines along each axis; all but the constant one are kept: 80 numbers."""
LENGTH = COEFFICIENTS * COEFFICIENTS - 1
_SUBDIVISION = 8  # a window of a view is sampled this many times as finely as the thumbnail
_SCALE = 1 << 14  # the transform's weights as whole numbers
_AT_ONCE = 1 << 12  # images: 32 MB
_RADIUS = 300.0  # a fingerprint's length before rounding: hardly a number is over 127 then


_WEIGHTS = np.array(
    [
        [  0,  10,  11,  24,  22,  43,  43,  69,  69],
        [ 10,  29,  37,  53,  71,  93, 112, 139, 165],
        [ 11,  37,  24,  40,  34,  64,  59,  96,  96],
        [ 24,  53,  40,  56,  68,  84, 103, 122, 144],
        [ 22,  71,  34,  68,  52,  92,  84, 124, 121],
        [ 43,  93,  64,  84,  92, 107, 125, 140, 161],
        [ 43, 112,  59, 103,  84, 125, 111, 158, 147],
        [ 69, 139,  96, 122, 124, 140, 158, 165, 192],
        [ 69, 165,  96, 144, 121, 161, 147, 192, 187],
    ],
    np.float64,
)  # fmt: skip
"""One over the spread of each coefficient, measured on 8503 dermoscopy and 826 phone photographs: what most lesions
share (a dark middle) counts little, what tells one from another counts more. Symmetric, so that turns stay exact."""


@dataclass(frozen=True)
class View:
    """A part of an image: ``left``, ``top`` and ``side`` as shares of its sides. The whole is ``View(0, 0, 1)``."""

    left: float
    top: float
    side: float


def _views() -> tuple[View, ...]:
    """The whole, and windows of 95 % and 90 % of each side, 5 % apart."""
    windows = [View(0.0, 0.0, 1.0)]
    for side, places in ((0.95, (0.0, 0.05)), (0.9, (0.0, 0.05, 0.1))):
        windows += [View(left, top, side) for top, left in itertools.product(places, places)]
    return tuple(windows)


VIEWS: tuple[View, ...] = _views()
"""The views that are looked for: 14, the whole first."""

TURNS = 8
"""The mirrorings and quarter turns of a square; a turn's bits: 1 upside down, 2 left to right, 4 then axes swapped."""


def turn(image: np.ndarray, number: int) -> np.ndarray:
    """Mirror and turn an image, (side, side, ...), by the bits of ``number``; a view.

    >>> turn(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[2, 4], [1, 3]]
    """
    if number & 1:
        image = image[::-1]
    if number & 2:
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if number & 4 else image


def thumbnail(image: np.ndarray, side: int = THUMBNAIL) -> np.ndarray:
    """uint8 RGB (height, width, 3) or grey (height, width) -> uint8 grey (side, side): every pixel counts in it."""
    import cv2

    image = np.ascontiguousarray(image)
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    shrinks = min(grey.shape) >= side
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(small)


def fingerprints(thumbnails: np.ndarray, view: View = VIEWS[0]) -> np.ndarray:
    """uint8 grey (images, 32, 32) -> int8 (images, 80): of that part of each thumbnail.

    An image of one colour has a fingerprint of zeros.
    """
    down, across = _transform(view.top, view.side), _transform(view.left, view.side)
    prints = np.empty((len(thumbnails), LENGTH), np.int8)
    for start in range(0, len(thumbnails), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        values = down @ thumbnails[part].astype(np.float64) @ across.T  # (images, 9, 9), whole numbers
        weighed = (values * _WEIGHTS).reshape(len(values), -1)[:, 1:]
        length = np.sqrt((weighed * weighed).sum(axis=1, keepdims=True))
        prints[part] = np.clip(np.rint(weighed * (_RADIUS / np.maximum(length, 1.0))), -127, 127)
    return prints


def turned(prints: np.ndarray, number: int) -> np.ndarray:
    """The fingerprints, (images, 80), of the images turned by ``number``."""
    square = np.zeros((len(prints), COEFFICIENTS, COEFFICIENTS), np.int8)
    square.reshape(len(prints), -1)[:, 1:] = prints
    signs: np.ndarray = np.where(np.arange(COEFFICIENTS) % 2, -1, 1).astype(np.int8)
    if number & 1:
        square = square * signs[:, None]
    if number & 2:
        square = square * signs
    if number & 4:
        square = square.swapaxes(1, 2)
    return square.reshape(len(prints), -1)[:, 1:]


@cache
def _transform(start: float, side: float) -> np.ndarray:
    """Pixels of one axis -> cosines of a window of it, (9, 32), whole numbers."""
    fine = THUMBNAIL * _SUBDIVISION
    middle = (np.arange(fine) + 0.5) / fine  # of each sample, in the window
    pixel = np.minimum(((start + side * middle) * THUMBNAIL).astype(int), THUMBNAIL - 1)
    cosines = np.cos(np.pi * np.outer(np.arange(COEFFICIENTS), middle)) / fine
    cosines[1:] -= cosines[1:].mean(axis=1, keepdims=True)
    weights = np.zeros((COEFFICIENTS, THUMBNAIL))
    for row, values in zip(weights, cosines, strict=True):
        row += np.bincount(pixel, weights=values, minlength=THUMBNAIL)
    rounded: np.ndarray = np.rint(weights * THUMBNAIL * _SCALE)
    return rounded
