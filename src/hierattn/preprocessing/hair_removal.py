"""Hair removal in the manner of DullRazor: find what is dark, thin and long, and fill it from its sides.

After Lee, Ng, Gallagher, Coldman and McLean, "DullRazor: a software approach to hair removal from images", Computers in
Biology and Medicine 27(6), 1997: a morphological closing along lines of several directions brings out dark threads,
whatever is too short to be a hair is dropped, and the rest is filled. Filled here by OpenCV's inpainting (Telea, 2004)
where DullRazor interpolates across the hair.

Off by default: a hair is seldom mistaken for a lesion, but pigment lines are sometimes mistaken for a hair.
"""

from __future__ import annotations

import numpy as np

_WORK_SIDE = 512
"""Hairs are sought on a copy with at most this many pixels a side: a hair there is 1 to 7 pixels thick."""
_LINE = 15  # pixels: longer than a hair is thick, shorter than a lesion is wide
_CONTRAST = 18  # grey levels that a hair is darker than both its sides
_LEAST_LENGTH = 0.12  # of the copy's shorter side
_MOST_FILL = 0.25  # area over length squared: a thread is below, a blot above


def remove_hair(image: np.ndarray) -> np.ndarray:
    """The image with its hairs filled in; the image itself where there are none.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).

    Returns
    -------
    numpy.ndarray
        uint8 RGB of the same shape; outside the hairs every pixel is as it was.
    """
    import cv2

    small = _work_copy(image)
    mask = _threads(small)
    if not mask.any():
        return image
    height, width = image.shape[:2]
    filled = cv2.inpaint(small, mask, 5, cv2.INPAINT_TELEA)
    if small.shape != image.shape:
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(mask[:, :, None] > 0, filled, image)


def find_hair(image: np.ndarray) -> np.ndarray:
    """Where the hairs are: bool, (height, width)."""
    import cv2

    mask = _threads(_work_copy(image))
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0)


def _work_copy(image: np.ndarray) -> np.ndarray:
    import cv2

    scale = _WORK_SIDE / max(image.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _threads(image: np.ndarray) -> np.ndarray:
    """uint8 (height, width), 255 on hairs and a pixel around them."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    depth = np.max([cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, line) for line in _lines()], axis=0)
    dark = (depth >= _CONTRAST).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    least = _LEAST_LENGTH * min(grey.shape)
    keep = np.zeros(count, np.uint8)
    for number in range(1, count):
        _, _, width, height, area = stats[number]
        length = np.hypot(width, height)
        keep[number] = 255 if length >= least and area <= _MOST_FILL * length * length else 0
    return np.asarray(cv2.dilate(keep[labels], np.ones((3, 3), np.uint8)))


def _lines() -> list[np.ndarray]:
    """Structuring elements: a line lying, standing, and along both diagonals."""
    lying = np.zeros((_LINE, _LINE), np.uint8)
    lying[_LINE // 2] = 1
    diagonal = np.eye(_LINE, dtype=np.uint8)
    return [lying, lying.T.copy(), diagonal, diagonal[::-1].copy()]
