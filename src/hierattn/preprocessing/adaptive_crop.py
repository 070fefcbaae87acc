"""Adaptive crop, §3.2.1: cut away the black surround of a dermatoscope's round field of view.

The paper: grey -> binarise at an adaptive threshold from 50 to 255 -> the contour of the circle -> where its area is
1 % to 90 % of the image, crop to it. Taken literally ("paper") that rule asks nothing of what it cuts away, and so
also crops to the brightest skin of a photograph that has no surround. Ours ("surround", the default) first asks
whether there IS a dark surround: four dark corners around a bright, convex field. docs/data.md has the counts of both.

Everything is measured on a copy of at most 256 pixels a side and scaled back, so that the answer does not depend on the
resolution and costs about a millisecond. OpenCV is imported when a contour is wanted and not before: the light
install asks :func:`has_dark_surround`, which is numpy alone, and most photographs need no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from PIL import Image

from hierattn.errors import UsageError
from hierattn.image_spec import CropRule

WORK_SIDE = 256  # longest side of the copy on which everything is measured, in pixels
DARKEST_THRESHOLD = 50.0  # §3.2.1: "an adaptive threshold ranging from 50 to 255"
THRESHOLD_RISE = 0.25  # of the way from the corners' grey to the field's
MIN_AREA, MAX_AREA = 0.01, 0.9  # §3.2.1, of the image's area
MAX_BOX_ASPECT = 1.8
CORNER, MIN_CORNER = 0.04, 2  # a corner patch's side, of the image's shorter side; and the least, in pixels
FIELD_PERCENTILE = 90  # of the grey levels: the field's, because a dark lesion may fill it
MIN_CONTRAST = 40.0  # grey levels between the corners and the field: a photograph dark all over has no surround
GAP, MIN_GAP = 0.03, 3  # what is closed in the mask (hairs), of the image's shorter side; and the least, in pixels
MIN_SOLIDITY = 0.95  # a disc, also one cut off by the frame, is convex
MIN_BOX_FILL = 0.7  # a disc fills pi/4 = 0.785 of its box, one cut off by the frame more


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: ``left <= x < right``, ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.right},{self.bottom}"


def find_crop(image: np.ndarray, rule: CropRule = "surround") -> Box | None:
    """The box to crop to by the rule of that name, or None to leave the image as it is.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).
    rule
        ``"surround"``: :func:`find_surround`. ``"paper"``: :func:`find_brightest_region`. ``"none"``: never.

    Raises
    ------
    UsageError
        For an unknown rule.
    """
    if rule == "surround":
        return find_surround(image)
    if rule == "paper":
        return find_brightest_region(image)
    if rule == "none":
        return None
    raise UsageError(f"crop rule {rule!r}: wanted one of {', '.join(get_args(CropRule))}")


def crop(image: np.ndarray, box: Box | None) -> np.ndarray:
    """The part of ``image`` inside ``box`` as a view; the image itself where there is none."""
    if box is None:
        return image
    return image[box.top : box.bottom, box.left : box.right]


def has_dark_surround(image: np.ndarray) -> bool:
    """Whether all four corners are dark and the image between them is not. No OpenCV; well under a millisecond.

    Necessary for :func:`find_surround` to find anything, so a caller that sees False need not import OpenCV.

    >>> has_dark_surround(np.full((60, 80, 3), 200, np.uint8))
    False
    """
    grey = _small_grey(image)
    corners = _corners(grey)  # most photographs need no more, and numpy's first percentile takes a tenth of its import
    return corners < DARKEST_THRESHOLD and _is_surrounded(corners, _field(grey))


def find_surround(image: np.ndarray) -> Box | None:
    """The box around the bright field of an image with a dark surround; None where there is no such thing.

    The threshold is a quarter of the way from the corners' grey to the field's, and at least 50. The largest outer
    contour must cover 1 % to 90 % of the image, be convex (solidity 0.95 or more), fill 0.7 or more of its bounding
    box but not the box's corners, and that box must not be over 1.8 times as long as wide.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).
    """
    grey = _small_grey(image)
    corners, field = _corners(grey), _field(grey)
    if not _is_surrounded(corners, field):
        return None
    threshold = max(DARKEST_THRESHOLD, corners + THRESHOLD_RISE * (field - corners))
    contour = _largest_contour(grey, threshold)
    if contour is None or not _paper_accepts(contour, grey.shape) or not _is_disc(contour, grey, threshold):
        return None
    return _scaled_box(contour, grey.shape, image.shape)


def find_brightest_region(image: np.ndarray) -> Box | None:
    """The paper's rule, literally: crop to the largest bright region, whatever lies around it.

    The threshold is Otsu's, the grey level that best separates two classes of pixels, and at least 50. The largest
    outer contour must cover 1 % to 90 % of the image, and its box not be over 1.8 times as long as wide.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).
    """
    import cv2

    grey = _small_grey(image)
    otsu, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    contour = _largest_contour(grey, max(DARKEST_THRESHOLD, otsu))
    if contour is None or not _paper_accepts(contour, grey.shape):
        return None
    return _scaled_box(contour, grey.shape, image.shape)


def _small_grey(image: np.ndarray) -> np.ndarray:
    """uint8 RGB -> uint8 grey of at most 256 pixels a side.

    Grey by Rec. 601's weights, as OpenCV and Pillow weigh them. Every pixel counts in the reduction, so that noise and
    hairs average out.
    """
    small = Image.fromarray(np.ascontiguousarray(image))
    scale = WORK_SIDE / max(small.size)
    if scale < 1:
        width, height = small.size
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = small.resize(size, Image.Resampling.BOX)
    return np.asarray(small.convert("L"))


def _is_surrounded(corners: float, field: float) -> bool:
    return corners < DARKEST_THRESHOLD and field - corners >= MIN_CONTRAST


def _corners(grey: np.ndarray) -> float:
    """The grey level of the brightest corner."""
    side = max(MIN_CORNER, round(CORNER * min(grey.shape)))
    patches = (grey[:side, :side], grey[:side, -side:], grey[-side:, :side], grey[-side:, -side:])
    return max(float(np.median(patch)) for patch in patches)


def _field(grey: np.ndarray) -> float:
    """The grey level of the field: the 90th percentile, because a dark lesion may fill it."""
    return float(np.percentile(grey, FIELD_PERCENTILE))


def _largest_contour(grey: np.ndarray, threshold: float) -> Any:
    """The outer contour of the largest region above ``threshold``, its small gaps (hairs) closed; None if empty."""
    import cv2

    mask: np.ndarray = (grey > threshold).astype(np.uint8)
    side = max(MIN_GAP, round(GAP * min(grey.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return max(contours, key=cv2.contourArea, default=None)


def _paper_accepts(contour: Any, shape: tuple[int, ...]) -> bool:
    """§3.2.1's test of the area, and notes' of the box."""
    import cv2

    _, _, width, height = cv2.boundingRect(contour)
    fraction = cv2.contourArea(contour) / (shape[0] * shape[1])
    return MIN_AREA <= fraction <= MAX_AREA and max(width, height) <= MAX_BOX_ASPECT * min(width, height)


def _is_disc(contour: Any, grey: np.ndarray, threshold: float) -> bool:
    """Convex, filling its box as a disc or a disc cut off by the frame does, and dark in all corners of that box.

    The last tells a round field from a finger or a shin in front of a dark room, which runs out of the frame.
    """
    import cv2

    area = cv2.contourArea(contour)
    left, top, width, height = cv2.boundingRect(contour)
    hull = cv2.contourArea(cv2.convexHull(contour))
    corners = _corners(grey[top : top + height, left : left + width])
    return area >= MIN_SOLIDITY * hull and area >= MIN_BOX_FILL * width * height and corners <= threshold


def _scaled_box(contour: Any, small: tuple[int, ...], full: tuple[int, ...]) -> Box | None:
    """The contour's bounding box in the full image's pixels, rounded outwards; None where it is the whole image."""
    import cv2

    left, top, width, height = cv2.boundingRect(contour)
    across, down = full[1] / small[1], full[0] / small[0]
    box = Box(
        int(np.floor(left * across)),
        int(np.floor(top * down)),
        min(full[1], int(np.ceil((left + width) * across))),
        min(full[0], int(np.ceil((top + height) * down))),
    )
    return None if box == Box(0, 0, full[1], full[0]) else box
