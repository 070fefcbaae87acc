"""One photograph from a file of any kind that is read: an image file or DICOM, with its header."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hierattn.deploy.predict.dicom_photo import is_bare_dicom, is_dicom, read_dicom
from hierattn.deploy.predict.photo_input import MAX_PIXELS
from hierattn.preprocessing.photograph import read_image_bytes, read_photograph

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class PhotoFile:
    """A photograph that was read.

    Attributes
    ----------
    pixels
        uint8 RGB, (height, width, 3), upright.
    header
        DICOM's, without the pixels; None for an image file.
    """

    pixels: np.ndarray
    header: Dataset | None = None


def read_photo_file(path: Path, *, name: str | None = None) -> PhotoFile:
    """Read an image file or a DICOM file; which of them it is, its bytes say and not its name.

    Raises
    ------
    ImageError
        Where it cannot be used.
    MissingPackageError
        For DICOM without pydicom.
    """
    return decode_photo_file(read_image_bytes(path, name=name), name or str(path))


def decode_photo_file(content: bytes, name: str) -> PhotoFile:
    """Decode a file's bytes; the errors are those of :func:`read_photo_file`."""
    if is_dicom(content) or is_bare_dicom(content, name):
        photo = read_dicom(content, max_pixels=MAX_PIXELS, name=name)
        return PhotoFile(photo.pixels, photo.header)
    return PhotoFile(read_photograph(content, max_pixels=MAX_PIXELS, name=name))


def digest_of(content: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
