"""Colour constancy: one lesion under two lamps gets one colour.

The lamp's colour is estimated from the picture and divided out, channel by channel (von Kries). The three estimates
are one formula, the Minkowski mean of each channel (Finlayson and Trezzi, "Shades of gray and colour constancy", Color
Imaging Conference 2004), in the form that Barata, Celebi and Marques, "Improving dermoscopy image classification using
color constancy", IEEE JBHI 19(3), 2015, use for dermoscopy::

    e_c = (mean over pixels of v_c^p)^(1/p)        p = 1: grey world · 6: shades of grey · infinite: max-RGB
    gain_c = |e| / (sqrt(3) e_c)

The values are taken as they are stored: the gamma curve of sRGB is not undone, as in most of that literature. A
surround that is black counts in the means, so crop first.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from PIL import Image

from hierattn.errors import UsageError
from hierattn.image_spec import ColourConstancy

LARGEST_GAIN = 4.0
"""A channel that is nearly empty is not blown up to noise."""
ORDERS = {"grey_world": 1.0, "shades_of_grey": 6.0, "max_rgb": np.inf}
"""Of the Minkowski mean, p, by method."""


def balance_colours(image: np.ndarray, method: ColourConstancy = "shades_of_grey") -> np.ndarray:
    """The image as a white lamp would have shown it.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).
    method
        ``"shades_of_grey"`` (p = 6), ``"grey_world"``, ``"max_rgb"``, or ``"none"``: the image itself.

    Returns
    -------
    numpy.ndarray
        uint8 RGB of the same shape. Values above 255 are cut there.

    Raises
    ------
    UsageError
        For an unknown method.

    >>> image = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    >>> balance_colours(image, "grey_world")[0, 0].tolist()
    [132, 132, 132]
    """
    if method == "none":
        return image
    gains = lamp_gains(image, method)
    table = np.rint(gains[:, None] * np.arange(256)).clip(0, 255).astype(np.uint8)  # (3, 256)
    return np.array(Image.fromarray(image).point(table.ravel().tolist()))  # twice as quick as NumPy's lookup


def lamp_gains(image: np.ndarray, method: ColourConstancy) -> np.ndarray:
    """The factor for each channel, float64 (3,), each 0.25 to 4; ones for a black image.

    Raises
    ------
    UsageError
        For an unknown method.
    """
    if method not in ORDERS:
        raise UsageError(f"colour constancy {method!r}: wanted one of {', '.join(get_args(ColourConstancy))}")
    counts = np.reshape(Image.fromarray(image).histogram(), (3, 256))
    lamp = _minkowski_mean(counts, ORDERS[method])
    if lamp.max() == 0:
        return np.ones(3)
    with np.errstate(divide="ignore"):
        gains = np.linalg.norm(lamp) / (np.sqrt(3) * lamp)
    return np.asarray(np.clip(gains, 1 / LARGEST_GAIN, LARGEST_GAIN))


def _minkowski_mean(counts: np.ndarray, order: float) -> np.ndarray:
    """Histograms, (3, 256) -> (3,): exact, and independent of the order of pixels."""
    if np.isinf(order):
        return np.array([np.flatnonzero(row).max(initial=0) for row in counts], np.float64)
    values = (np.arange(256) / 255) ** order
    mean = (counts * values).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return np.asarray(255 * mean ** (1 / order))
