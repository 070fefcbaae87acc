"""Photographs in DICOM: VL Photographic and Dermoscopic Photography images as upright uint8 RGB (needs ``[dicom]``).

What is accepted, and no more: one frame of 8 bits, grey, RGB or YBR, uncompressed, run-length or JPEG baseline. Rows,
columns and the compressed frame's own header are compared with the limits before anything is decoded. An error never
repeats a value of the file, because any of them may be a patient's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hierattn.errors import ImageError, require
from hierattn.preprocessing.photograph import MAX_ASPECT, MIN_SIDE

if TYPE_CHECKING:
    from pydicom import Dataset

PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"
SOP_CLASSES = {PHOTOGRAPHIC: "VL Photographic Image", DERMOSCOPIC: "Dermoscopic Photography Image"}
"""What is read; DICOM PS3.4, annex B.5."""

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
TRANSFER_SYNTAXES = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.5": "run-length",
    JPEG_BASELINE: "JPEG baseline",
}
"""How the pixels may be stored. The deflated form is left out: nothing in its header says how large it will become."""

PHOTOMETRIC = ("RGB", "YBR_FULL", "YBR_FULL_422", "MONOCHROME2")

MOST_META = 64 * 1024
"""Bytes after the preamble in which the file's meta information is looked for; it takes some hundred."""

_WARNINGS = threading.Lock()


@dataclass(frozen=True, eq=False)
class DicomPhoto:
    """A decoded photograph with its header.

    Attributes
    ----------
    pixels
        uint8 RGB, (height, width, 3).
    header
        pydicom's data set, without the pixels. It names the patient: it goes into a report, and never into a log.
    """

    pixels: np.ndarray
    header: Dataset


def is_dicom(content: bytes) -> bool:
    """Whether the bytes begin as a DICOM file does (PS3.10: a preamble of 128 bytes, then ``DICM``)."""
    return content[128:132] == b"DICM"


def read_dicom(content: bytes, *, max_pixels: int, name: str = "the image") -> DicomPhoto:
    """Read one DICOM photograph.

    Parameters
    ----------
    content
        The file's bytes.
    max_pixels
        The largest rows x columns that is decoded.
    name
        What an error calls the image.

    Raises
    ------
    ImageError
        Where it cannot be used; the line holds nothing of the file but its size and kind.
    MissingPackageError
        Where pydicom is not installed.
    """
    require("pydicom", "dicom")
    with _quiet_pydicom():
        header = _parse(content, name)
        _check_kind(header, name)
        _check_size(header, max_pixels, name)
        pixels = _decode(header, name)
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword in header:
            delattr(header, keyword)
    return DicomPhoto(pixels, header)


def _parse(content: bytes, name: str) -> Dataset:
    """The header, once its transfer syntax is known to be one of ours: a deflated one is never inflated."""
    from pydicom import dcmread
    from pydicom.filereader import read_dataset

    try:
        after_preamble = io.BytesIO(content[132 : 132 + MOST_META])
        meta = read_dataset(after_preamble, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        stored = str(meta.get("TransferSyntaxUID", ""))
    except (Exception, RecursionError):  # a damaged header makes parsers raise nearly anything
        raise ImageError(f"{name} has a damaged DICOM header: copy or download it again") from None
    if stored not in TRANSFER_SYNTAXES:
        wanted = ", ".join(TRANSFER_SYNTAXES.values())
        raise ImageError(f"{name} stores its pixels in another way than {wanted}: convert it (dcmdjpeg, gdcmconv)")
    try:
        return dcmread(io.BytesIO(content))
    except (Exception, RecursionError):
        raise ImageError(f"{name} has a damaged DICOM header: copy or download it again") from None


def _check_kind(header: Dataset, name: str) -> None:
    """One frame of 8 bits of a kind of image that shows skin."""
    if _value(header, "SOPClassUID") not in SOP_CLASSES:
        raise ImageError(f"{name} is another kind of DICOM object: wanted {' or '.join(SOP_CLASSES.values())}")
    frames, bits = _number(header, "NumberOfFrames", 1), _number(header, "BitsAllocated", 0)
    if frames != 1:
        raise ImageError(f"{name} has several frames: wanted one photograph; export the frame that is meant")
    if bits != 8 or _number(header, "PixelRepresentation", 0) != 0:
        raise ImageError(f"{name} has {bits} bits a value: wanted 8, unsigned; convert it")
    if _value(header, "PhotometricInterpretation") not in PHOTOMETRIC:
        raise ImageError(f"{name} has colours of another kind than {', '.join(PHOTOMETRIC)}: convert it to RGB")
    grey = _value(header, "PhotometricInterpretation") == "MONOCHROME2"
    if _number(header, "SamplesPerPixel", 0) != (1 if grey else 3):
        raise ImageError(f"{name} contradicts itself in its number of colours: export it again")


def _check_size(header: Dataset, max_pixels: int, name: str) -> None:
    height, width = _number(header, "Rows", 0), _number(header, "Columns", 0)
    if height * width > max_pixels:
        raise ImageError(f"{name} has {width} x {height} pixels: wanted at most {max_pixels:,} in all; make it smaller")
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels: wanted {MIN_SIDE} or more a side; use the original")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageError(
            f"{name} has {width} x {height} pixels: wanted no side over {MAX_ASPECT:g} times the other; crop it"
        )


def _decode(header: Dataset, name: str) -> np.ndarray:
    """The frame as uint8 RGB; YBR is converted by pydicom."""
    from pydicom.pixels.utils import pixel_array

    try:
        if header.file_meta.TransferSyntaxUID == JPEG_BASELINE:
            _check_jpeg(header, name)
        pixels = np.asarray(pixel_array(header))
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} does not fit in memory: make it smaller") from None
    except (Exception, RecursionError):  # see _parse
        raise ImageError(f"{name} is truncated or damaged: copy or download it again") from None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.shape != (header.Rows, header.Columns, 3):
        raise ImageError(f"{name} has pixels that do not fit its header: export it again")
    return np.ascontiguousarray(pixels)


def _check_jpeg(header: Dataset, name: str) -> None:
    """The compressed frame must be as large as the header says: a small header must not open a large picture."""
    from pydicom.encaps import get_frame

    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    with Image.open(io.BytesIO(frame), formats=["JPEG"]) as picture:
        if picture.size != (header.Columns, header.Rows):
            raise ImageError(f"{name} holds a picture of another size than its header says: export it again")


def _value(header: Dataset, keyword: str) -> str:
    return str(_raw(header, keyword, "")).strip()


def _number(header: Dataset, keyword: str, missing: int) -> int:
    """A whole number; -1 for what is none, which no check accepts."""
    value = _raw(header, keyword, missing)
    try:
        return missing if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return -1


def _raw(header: Dataset, keyword: str, missing: Any) -> Any:
    """An element that pydicom may only now convert, and fail at."""
    try:
        return header.get(keyword, missing)
    except (Exception, RecursionError):
        return None


@contextlib.contextmanager
def _quiet_pydicom() -> Iterator[None]:
    """Hold back what pydicom warns of and logs, because it repeats values; what matters is checked here."""
    logger = logging.getLogger("pydicom")
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(level)
