"""A contact sheet: many images on one page, in rows, with captions, to look a set over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hierattn.errors import UsageError

_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], columns: int, captions: Sequence[str] | None = None, gap: int = 4
) -> NDArray[np.uint8]:
    """Lay out uint8 RGB images of one size, row by row, on white.

    Parameters
    ----------
    images
        Each (height, width, 3) uint8.
    columns
        Images in a row; the last row may be shorter.
    captions
        One line under each image, cut to its width; none where None.
    gap
        Pixels between images and around them.

    Raises
    ------
    UsageError
        For no images, images of several shapes, or another number of captions than images.

    >>> contact_sheet([np.zeros((8, 8, 3), np.uint8)] * 3, columns=2, gap=1).shape
    (19, 19, 3)
    """
    if not images or columns < 1:
        raise UsageError(f"contact sheet of {len(images)} images in {columns} columns: wanted at least one of each")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise UsageError(f"contact sheet of images of shapes {sorted(shapes)}: wanted one shape; resize them first")
    if captions is not None and len(captions) != len(images):
        raise UsageError(f"contact sheet of {len(images)} images with {len(captions)} captions: wanted as many")
    height, width = images[0].shape[:2]
    text_size = max(9, min(width // 11, 22))
    text_height = 0 if captions is None else round(1.6 * text_size)
    rows = -(-len(images) // columns)
    step_y, step_x = height + text_height + gap, width + gap
    sheet = Image.new("RGB", (min(columns, len(images)) * step_x + gap, rows * step_y + gap), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text_size)
    for k, image in enumerate(images):
        left, top = gap + (k % columns) * step_x, gap + (k // columns) * step_y
        sheet.paste(Image.fromarray(image), (left, top))
        if captions is not None:
            place = (left + width / 2, top + height + text_height / 2)
            draw.text(place, _cut(captions[k], width, font), fill=_INK, font=font, anchor="mm")
    return np.asarray(sheet)


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The longest beginning of ``text`` that fits."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
