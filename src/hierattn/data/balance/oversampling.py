"""Over-sampling, §3.2.2 and Fig. 10: new images from old ones by eight small changes in random order.

Drawing and applying are apart: :func:`draw_change` draws, :func:`apply_change` draws nothing. A :class:`Change` is
written out with the copy that it made (``copies.csv``), and makes the same pixels again.

Geometric changes that follow one another are one resampling, not several: a copy is not blurred by being moved, turned
and sheared one by one, and what a shift pushes out of the frame a later shift may bring back. Beyond the border the
image is mirrored, so that no black corners appear, which could pass for a dermatoscope's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierattn.data.prepared_set.packed import COPIES
from hierattn.errors import UsageError

OPERATIONS = ("flip", "crop", "blur", "contrast", "translate", "scale", "rotate", "shear")
"""The paper's eight, by the names that :attr:`Change.order` uses."""

Image = NDArray[np.uint8]
_Matrix = NDArray[np.float64]
_MIDDLE_GREY = 127.5


@dataclass(frozen=True)
class ChangeRanges:
    """How far each of the eight changes may go. The defaults are the paper's, as the notes give them.

    Attributes
    ----------
    flip
        Probability of a horizontal flip.
    crop
        Largest share that is cut off at each side, drawn for each; the rest is stretched to the old size.
    blur, sigma
        Probability of a Gaussian blur, and its largest standard deviation in pixels. The paper gives no sigma; this
        is half a pixel.
    contrast
        Factors between which the distance from middle grey is multiplied.
    translate
        Largest shift, across and down, as a share of the side.
    scale
        Smallest and largest factor of size, the same across and down, so that a round lesion stays round.
    rotate, shear
        Largest angles in degrees, either way.
    """

    flip: float = 0.5
    crop: float = 0.10
    blur: float = 0.10
    sigma: float = 0.5
    contrast: tuple[float, float] = (0.75, 1.5)
    translate: float = 0.20
    scale: tuple[float, float] = (0.8, 1.2)
    rotate: float = 10.0
    shear: float = 8.0


@dataclass(frozen=True)
class Change:
    """What was drawn for one copy. The defaults change nothing.

    Attributes
    ----------
    order
        The eight names of :data:`OPERATIONS`, as they follow one another.
    flip
        Whether left and right change places.
    crop
        Shares cut off at the left, top, right and bottom.
    blur
        Standard deviation in pixels; 0 is none.
    contrast
        Factor.
    translate
        Shares of the side, to the right and down.
    scale
        Factor.
    rotate, shear
        Degrees; positive turns the image clockwise.
    """

    order: tuple[str, ...] = OPERATIONS
    flip: bool = False
    crop: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    blur: float = 0.0
    contrast: float = 1.0
    translate: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    rotate: float = 0.0
    shear: float = 0.0

    def to_row(self) -> dict[str, str]:
        """One text a field, for a table; numbers in full, so that :meth:`from_row` gives the same change."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in asdict(self).items()}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Change:
        """The inverse of :meth:`to_row`.

        Raises
        ------
        UsageError
            For a row that is none of a change.

        >>> Change.from_row(Change(rotate=3.5).to_row()) == Change(rotate=3.5)
        True
        """
        try:
            values: dict[str, Any] = {field.name: json.loads(row[field.name]) for field in fields(cls)}
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(f"row of no change ({error}): wanted the columns of {COPIES}") from None
        for name, value in values.items():
            if isinstance(value, list):  # JSON knows no tuples
                values[name] = tuple(value)
        return cls(**values)


def draw_change(generator: np.random.Generator, ranges: ChangeRanges | None = None) -> Change:
    """Draw the eight changes and their order, from ``generator`` alone.

    >>> sorted(draw_change(np.random.default_rng(0)).order) == sorted(OPERATIONS)
    True
    """
    r = ranges or ChangeRanges()

    def between(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    return Change(
        order=tuple(OPERATIONS[k] for k in generator.permutation(len(OPERATIONS))),
        flip=bool(generator.random() < r.flip),
        crop=(between(0, r.crop), between(0, r.crop), between(0, r.crop), between(0, r.crop)),
        blur=between(0, r.sigma) if generator.random() < r.blur else 0.0,
        contrast=between(*r.contrast),
        translate=(between(-r.translate, r.translate), between(-r.translate, r.translate)),
        scale=between(*r.scale),
        rotate=between(-r.rotate, r.rotate),
        shear=between(-r.shear, r.shear),
    )


def apply_change(image: Image, change: Change) -> Image:
    """The copy of ``image`` that ``change`` makes.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).
    change
        What :func:`draw_change` drew, or one put together by hand.

    Returns
    -------
    numpy.ndarray
        uint8, the same shape; ``image`` itself where nothing changes.

    Raises
    ------
    UsageError
        For another array, or an unknown operation.

    >>> apply_change(np.zeros((8, 8, 3), np.uint8), Change(contrast=1.5)).shape
    (8, 8, 3)
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"image array {image.dtype} {image.shape}: wanted uint8 (height, width, 3), RGB")
    if sorted(change.order) != sorted(OPERATIONS):
        raise UsageError(f"order {', '.join(change.order)}: wanted each of {', '.join(OPERATIONS)} once")
    height, width = image.shape[:2]
    pending: _Matrix = np.eye(3)  # geometry that is not applied yet
    for operation in change.order:
        if operation in ("blur", "contrast"):
            image, pending = _warp(image, pending), np.eye(3)
            image = _blur(image, change.blur) if operation == "blur" else _contrast(image, change.contrast)
        else:
            pending = _geometry(operation, change, height, width) @ pending
    return _warp(image, pending)


def copies_a_parent(parents: int, copies: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Which parent each copy is made from: every parent equally often, to within one, in shuffled rounds.

    >>> np.bincount(copies_a_parent(3, 8, np.random.default_rng(0))).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])
    True
    """
    rounds = -(-copies // parents)
    return np.concatenate([generator.permutation(parents) for _ in range(rounds)] or [np.empty(0, np.int64)])[:copies]


def _geometry(operation: str, change: Change, height: int, width: int) -> _Matrix:
    """3 x 3, from old to new places, (x, y, 1) in pixels, the middle of the first pixel at (0, 0)."""
    if operation == "flip":
        return _matrix(-1, 0, width - 1, 0, 1, 0) if change.flip else np.eye(3)
    if operation == "crop":
        left, top, right, bottom = change.crop
        across, down = 1 / (1 - left - right), 1 / (1 - top - bottom)
        # Pixels are squares: their edges, at -0.5 and width - 0.5, are what is cut and stretched.
        return _matrix(
            across, 0, 0.5 * (across - 1) - across * left * width, 0, down, 0.5 * (down - 1) - down * top * height
        )
    if operation == "translate":
        return _matrix(1, 0, change.translate[0] * width, 0, 1, change.translate[1] * height)
    if operation == "scale":
        return _about_centre(_matrix(change.scale, 0, 0, 0, change.scale, 0), height, width)
    if operation == "rotate":
        cosine, sine = math.cos(math.radians(change.rotate)), math.sin(math.radians(change.rotate))
        return _about_centre(_matrix(cosine, -sine, 0, sine, cosine, 0), height, width)
    return _about_centre(_matrix(1, -math.tan(math.radians(change.shear)), 0, 0, 1, 0), height, width)


def _matrix(*values: float) -> _Matrix:
    return np.array([[*values[:3]], [*values[3:]], [0, 0, 1]], np.float64)


def _about_centre(matrix: _Matrix, height: int, width: int) -> _Matrix:
    x, y = (width - 1) / 2, (height - 1) / 2
    return _matrix(1, 0, x, 0, 1, y) @ matrix @ _matrix(1, 0, -x, 0, 1, -y)


def _warp(image: Image, matrix: _Matrix) -> Image:
    """Bilinear, mirrored beyond the border; a flip alone or nothing moves whole pixels."""
    import cv2

    height, width = image.shape[:2]
    if np.array_equal(matrix, np.eye(3)):
        return image
    if np.array_equal(matrix, _matrix(-1, 0, width - 1, 0, 1, 0)):
        return np.ascontiguousarray(image[:, ::-1])
    moved: Any = cv2.warpAffine(
        image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def _blur(image: Image, sigma: float) -> Image:
    if not sigma:
        return image
    import cv2

    blurred: Any = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.uint8)


def _contrast(image: Image, factor: float) -> Image:
    """Linear about middle grey; a table of the 256 grey levels, rounded and clipped."""
    levels = _MIDDLE_GREY + factor * (np.arange(256) - _MIDDLE_GREY)
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)[image]
