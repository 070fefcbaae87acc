"""Hair removal in the manner of DullRazor: find what is dark, thin and long, and fill it from its sides.

After Lee, Ng, Gallagher, Coldman and McLean, "DullRazor: a software approach to hair removal from images", Computers in
Biology and Medicine 27(6), 1997: a morphological closing along lines of several directions brings out dark threads,
whatever is too short to be a hair is dropped, and the rest is filled. Filled here by OpenCV's inpainting (Telea, 2004)
where DullRazor interpolates across the hair.

Hairs are sought on a copy of one size, whatever came, so that a length is the same share of every photograph. Pigment
networks are dark, thin and long too: ``benchmarks/hair_removal.py`` measures what is taken of them (docs/lab-notes.md).
"""

from __future__ import annotations

import numpy as np

SMALLEST = 96
"""Pixels of the shorter side; in a smaller photograph a hair is under a pixel thick, and nothing is removed."""

_WORK_SIDE = 512
"""Pixels of the copy's longest side: a hair there is 1 to 7 pixels thick. The lengths below are in its pixels."""
_LINE = 15  # longer than a hair is thick, shorter than a lesion is wide
_CONTRAST = 18  # grey levels that a hair is darker than both its sides
_LEAST_LENGTH = 0.2  # of the copy's shorter side
_MOST_FILL = 0.1  # area over length squared: a thread is below, a blot or a pigment network above
_ACROSS, _MOST_FILL_ACROSS = 1.2, 0.25  # of the shorter side: a net that spans the photograph is of many hairs
_REACH = 5  # from how far the filling takes its colours


def remove_hair(image: np.ndarray) -> np.ndarray:
    """The image with its hairs filled in; the image itself where there are none, or it is too small to tell.

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

    hair = find_hair(image)
    if not hair.any():
        return image
    mask = hair.astype(np.uint8)
    scale = _WORK_SIDE / max(image.shape[:2])
    if scale >= 1:
        return np.asarray(cv2.inpaint(image, mask, _REACH / scale, cv2.INPAINT_TELEA))
    small = _work_copy(image)  # a large photograph is filled from its copy, for that takes long
    height, width = image.shape[:2]
    filled = cv2.inpaint(small, _resized(mask, small), _REACH, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(hair[:, :, None], filled, image)


def find_hair(image: np.ndarray) -> np.ndarray:
    """Where the hairs are: bool, (height, width); nowhere in an image that is too small to tell."""
    if min(image.shape[:2]) < SMALLEST:
        return np.zeros(image.shape[:2], bool)
    return _resized(_threads(_work_copy(image)), image) > 0


def _resized(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    import cv2

    height, width = image.shape[:2]
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST))


def _work_copy(image: np.ndarray) -> np.ndarray:
    import cv2

    scale = _WORK_SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA))


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
        most = _MOST_FILL_ACROSS if length > _ACROSS * min(grey.shape) else _MOST_FILL
        keep[number] = 255 if length >= least and area <= most * length * length else 0
    return np.asarray(cv2.dilate(keep[labels], np.ones((3, 3), np.uint8)))


def _lines() -> list[np.ndarray]:
    """Structuring elements: a line lying, standing, and along both diagonals."""
    lying = np.zeros((_LINE, _LINE), np.uint8)
    lying[_LINE // 2] = 1
    diagonal = np.eye(_LINE, dtype=np.uint8)
    return [lying, lying.T.copy(), diagonal, diagonal[::-1].copy()]
