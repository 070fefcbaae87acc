"""Ways to store pixels that Pillow (13) reads wrongly without an error: each is refused, or put right here.

TIFF is many formats: bits, planes, photometric interpretation, sample format and compression combine freely, and
Pillow's table has entries that were never right. Tags are those of TIFF 6.0. tests/preprocessing/test_pixel_layouts.py
holds every combination that is let through against pixels which it wrote itself.
"""

from __future__ import annotations

import re

from PIL import Image

from hierattn.errors import ImageError

_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR = 258, 259, 262, 266, 277, 284
_COLOUR_MAP, _INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 320, 332, 338, 339
_DESCRIPTION = 270
# How ImageJ, OME-TIFF and tifffile say in the first page's description that the pages are channels.
_CHANNELS = re.compile(r'^channels=([2-9])|\bSizeC="([2-9])"|^\{"shape": \[[34], \d+, \d+\]', re.MULTILINE)
_WHITE_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR = 0, 2, 3, 5, 6
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # of the bytes of a PNG's first chunk


def prepare_layout(image: Image.Image, content: bytes, name: str) -> None:
    """Refuse an opened image whose pixels would be read wrongly; to be called before it is decoded.

    A PNG's transparent grey is put on the scale of the pixels that Pillow will give.

    Raises
    ------
    ImageError
        One line that says what is stored how.
    """
    if image.format == "TIFF" and (what := misread_tiff(image)):
        raise ImageError(
            f"{name} is a TIFF with {what}: wanted 8 or 16 bits a channel, grey (black is 0), RGB or a palette; "
            "export it as PNG"
        )
    if image.format == "PNG" and "transparency" in image.info:
        depth, colour = content[_PNG_DEPTH], content[_PNG_COLOUR]
        if colour == 2 and depth == 16:
            raise ImageError(f"{name} is a PNG of 16 bits with a transparent colour: wanted an alpha channel or none")
        if colour == 0 and depth in (2, 4):
            image.info["transparency"] *= 255 // (2**depth - 1)


def white_level(image: Image.Image) -> int:
    """The value of white in an image of more than 8 bits: 4095 in a TIFF of 12 bits, else 65535."""
    bits = image.tag_v2.get(_BITS, (16,)) if image.format == "TIFF" else (16,)  # type: ignore[attr-defined]
    return 2 ** min(max(bits), 16) - 1


def misread_tiff(image: Image.Image) -> str:
    """What Pillow would misread in a TIFF's first page; empty where it reads it well."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    photometric, compression = tags.get(_PHOTOMETRIC, _WHITE_IS_ZERO), tags.get(_COMPRESSION, 1)
    bits = max(tags.get(_BITS, (1,)))
    if tags.get(_PLANAR, 1) == 2 and bits > 8 and compression == 1:
        return f"uncompressed planes of {bits} bits"
    if photometric == _WHITE_IS_ZERO and bits > 8:
        return f"white as 0 and {bits} bits"
    if 2 in tags.get(_SAMPLE_FORMAT, (1,)):
        return "signed pixels"
    if tags.get(_FILL_ORDER, 1) == 2 and bits > 8:
        return f"reversed bits and {bits} of them"
    if photometric == _RGB and tags.get(_SAMPLES, 3) > 3 and _EXTRA_SAMPLES not in tags:
        return "a fourth channel of no stated meaning"
    if photometric == _PALETTE and 0 < max(tags.get(_COLOUR_MAP, (0,))) < 256:
        return "a palette of 8 bits"
    if photometric == _INKS and tags.get(_INK_SET, 1) != 1:
        return "inks other than CMYK"
    if photometric == _YCBCR and compression not in (6, 7) and tags.get(_SAMPLES, 3) > 1:
        return "YCbCr that is not JPEG"
    if tags.get(_SAMPLES, 1) == 1 and _CHANNELS.search(str(tags.get(_DESCRIPTION, ""))):
        return "each channel on a page of its own"
    return ""
