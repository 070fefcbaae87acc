"""Every way to hand over a photograph, as one array: upright uint8 RGB; and the adaptive crop as training did it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.errors import ImageError
from hierattn.image_spec import CropRule, ImageSpec
from hierattn.preprocessing.photograph import check_size, read_photograph
from hierattn.preprocessing.pixel_layouts import misread_tiff, white_level

Photo = str | Path | bytes | Image.Image | np.ndarray

MAX_PIXELS = 100_000_000
"""Width x height of the largest photograph that is decoded: 300 MB as an array."""

_ORIENTATION = 0x0112  # EXIF's tag


def to_photograph(image: Photo) -> np.ndarray:
    """Any of :data:`Photo` as uint8 RGB, (height, width, 3).

    Raises
    ------
    ImageError
        Where it cannot be used.
    """
    if isinstance(image, np.ndarray):
        return _checked_array(image)
    if isinstance(image, Image.Image):
        return _checked_array(_from_pillow(image))
    if isinstance(image, str | Path | bytes):
        return read_photograph(image, max_pixels=MAX_PIXELS)
    raise ImageError(
        f"{type(image).__name__} is no photograph: wanted a path, bytes, a PIL image or a uint8 array (h, w, 3)"
    )


def _checked_array(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"image array {image.dtype} {image.shape}: wanted uint8 (height, width, 3), RGB")
    check_size((image.shape[1], image.shape[0]), MAX_PIXELS, "the image array")
    return image


def _from_pillow(image: Image.Image) -> np.ndarray:
    """A PIL image as :func:`~hierattn.preprocessing.photograph.read_photograph` would have read it from a file."""
    if hasattr(image, "tag_v2"):  # a TIFF: Pillow may have misread it, and has forgotten 12 bits
        what = misread_tiff(image) or (
            f"{white.bit_length()} bits" if 255 < (white := white_level(image)) < 65535 else ""
        )
        if what:
            raise ImageError(f"PIL image of a TIFF with {what}: give the file itself, or export it as PNG")
    try:
        plain = image.mode == "RGB" and "transparency" not in image.info and image.getexif().get(_ORIENTATION, 1) == 1
        if plain:
            return np.asarray(image)
        file = io.BytesIO()  # rotation, transparency and 16 bits have one reader, and it reads files
        storable = image if image.mode in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA") else image.convert("RGB")
        storable.save(file, "PNG", exif=image.getexif(), compress_level=1)
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"PIL image of mode {image.mode} cannot be used ({error}): wanted RGB; convert it") from None
    return read_photograph(file.getvalue(), max_pixels=MAX_PIXELS, name="the PIL image")


def crop_as_trained(image: np.ndarray, rule: CropRule) -> tuple[np.ndarray, bool]:
    """Crop by the rule that training used (§3.2.1): (the part that the network sees, whether anything was cut).

    For ``"surround"`` OpenCV is loaded only where all four corners are dark.
    """
    from hierattn.preprocessing.adaptive_crop import crop, find_crop, has_dark_surround

    if rule == "surround" and not has_dark_surround(image):
        return image, False
    box = find_crop(image, rule)
    return crop(image, box), box is not None


def clean_as_trained(part: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """What training did between the crop and the resize: hair removal and colour constancy, uint8 RGB of one shape.

    The quality of a photograph is checked before, on what the camera saw.
    """
    from hierattn.preprocessing.cleaning import clean_cropped

    return clean_cropped(part, spec)
