"""What near-duplicates are looked for on: one small grey picture a photograph, whatever the set is prepared as.

The packed pixels would not do: at another ``--size``, or with hairs removed, other borderline pairs are found, and one
group more or less moves folds. So each photograph gives a picture of one size, cropped by one rule and cleaned by
none. It is made while the photograph is decoded and is gone when the set is whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box, crop, find_crop

SIDE = 128
"""Pixels a side: the size at which the thresholds of search.py were measured."""
BYTES = SIDE * SIDE
"""Of one picture."""

_SPEC = ImageSpec(size=SIDE, crop="surround")


def comparison_picture(
    photograph: np.ndarray, spec: ImageSpec | None = None, box: Box | None = None, packed: np.ndarray | None = None
) -> np.ndarray:
    """The picture of a photograph.

    Parameters
    ----------
    photograph
        uint8 RGB, (height, width, 3), as :func:`hierattn.preprocessing.photograph.read_photograph` gives it.
    spec, box, packed
        How it was prepared for packing, where it was: the crop's box, and its pixels, (size, size, 3). They save time
        where they are what is wanted here, and change nothing.

    Returns
    -------
    numpy.ndarray
        uint8 grey, (128, 128).
    """
    import cv2

    if spec is None or spec.crop != _SPEC.crop:
        box = find_crop(photograph, _SPEC.crop)
    if packed is None or spec is None or replace(spec, mean=_SPEC.mean, std=_SPEC.std) != _SPEC:
        packed = _SPEC.resize(crop(photograph, box))
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(packed), cv2.COLOR_RGB2GRAY))
