"""Every step of cleaning on three rendered lesions: ``python docs/figures/cleaning.py``.

A melanoma behind a round dark surround, a naevus with hairs, a keratosis under a yellow lamp; the sheet is the one that
``hierattn prepare`` draws.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.prepare.audit_pictures import cleaning_sheet
from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import draw_photo
from hierattn.data.rendered.rendered_set import render
from hierattn.image_spec import ImageSpec

SIZE = 512
LAMP = (1.0, 0.88, 0.62)


def lesion(code: str, *, hairs: bool, surround: bool, lamp: tuple[float, ...]) -> np.ndarray:
    """The first rendered lesion of that class with, or without, hairs and a dark surround, under a lamp's colour."""
    for seed in range(1000):
        generator = np.random.default_rng(seed)
        appearance, photo = draw_appearance(code, generator), draw_photo(generator)
        if (photo.hairs is not None) == hairs and (photo.surround is not None) == surround:
            photo = replace(photo, ruler=None, bubbles=None)
            return (render(appearance, photo, SIZE).image * np.array(lamp)).astype(np.uint8)
    raise AssertionError(code)


if __name__ == "__main__":
    images = [
        lesion("MEL", hairs=False, surround=True, lamp=(1, 1, 1)),
        lesion("NV", hairs=True, surround=False, lamp=(1, 1, 1)),
        lesion("BKL", hairs=False, surround=False, lamp=LAMP),
    ]
    spec = ImageSpec(hair_removal=True, colour_constancy="shades_of_grey")
    out = Path(__file__).resolve().parents[1] / "images" / "cleaning.jpg"
    Image.fromarray(cleaning_sheet(images, spec)).save(out, quality=92)
