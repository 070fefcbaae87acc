"""Photographs in DICOM: VL Photographic and Dermoscopic Photography images as upright uint8 RGB (needs ``[dicom]``).

What is accepted, and no more: one frame of 8 bits, grey, RGB or YBR, uncompressed, run-length or JPEG baseline, whole.
Rows, columns and the compressed frame's own header are compared with the limits before anything is decoded. An error
repeats numbers of the image and DICOM's own terms, and never a text of the file, because any may be a patient's.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import re
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hierattn.errors import ImageError, UsageError, require
from hierattn.preprocessing.file_damage import jpeg_damage
from hierattn.preprocessing.photograph import check_size

if TYPE_CHECKING:
    from pydicom import Dataset

    from hierattn.taxonomy.questions import Question

PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"
SOP_CLASSES = {PHOTOGRAPHIC: "VL Photographic Image", DERMOSCOPIC: "Dermoscopic Photography Image"}
"""What is read; DICOM PS3.4, annex B.5."""

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RUN_LENGTH = "1.2.840.10008.1.2.5"
TRANSFER_SYNTAXES = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    RUN_LENGTH: "run-length",
    JPEG_BASELINE: "JPEG baseline",
}
"""How the pixels may be stored. The deflated form is left out: nothing in its header says how large it will become."""

PHOTOMETRIC = ("RGB", "YBR_FULL", "YBR_FULL_422", "MONOCHROME2")
_OTHER_PHOTOMETRIC = ("MONOCHROME1", "PALETTE COLOR", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT", "XYB")

MOST_META = 64 * 1024
"""Bytes after the preamble in which the file's meta information is looked for; it takes some hundred."""

_NUMBERS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")
_WANTED = ("SOPClassUID", *_NUMBERS, "PhotometricInterpretation", "PixelData")
_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_PLAIN = {
    "RescaleSlope": (1,),
    "RescaleIntercept": (0,),
    "WindowWidth": (255, 256),
    "PixelIntensityRelationshipSign": (1,),
}
"""Values that leave 8 bits as they are; with others a grey picture is to be shown differently than it is stored."""

MOST_ELEMENTS = 10_000
"""Of a header; photographs have some hundred. A million take seconds to read."""

HEADER_ANSWERS = ("age", "sex")
"""The questions that a header may answer."""
_IN_A_YEAR = {"Y": 1, "M": 12, "W": 52.18, "D": 365.25}

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


def header_answers(header: Dataset, questions: Sequence[Question]) -> dict[str, str]:
    """Question -> answer, as far as a header has it and the questions ask it: ``age`` and ``sex``.

    Only for a caller who allows it: a header names the patient. An age of 0, which anonymisers write, another sex than
    F or M, and what is no age are not known.

    Parameters
    ----------
    header
        Of :func:`read_dicom`.
    questions
        The bundle's.

    Examples
    --------
    >>> from pydicom import Dataset
    >>> from hierattn.taxonomy.questions import AGE, GREW, SEX
    >>> header = Dataset()
    >>> header.PatientAge, header.PatientSex = "054Y", "F"
    >>> header_answers(header, [AGE, SEX, GREW])
    {'age': '54', 'sex': 'female'}
    """
    said = {"sex": {"F": "female", "M": "male"}.get(_value(header, "PatientSex"), "")}
    age = re.fullmatch(r"(\d{3})([YMWD])", _value(header, "PatientAge"))
    if age and int(age[1]):
        said["age"] = f"{int(age[1]) / _IN_A_YEAR[age[2]]:g}"
    found = {question.name: question.value_of(said.get(question.name, "")) for question in questions}
    return {name: value for name, value in found.items() if value}


def check_header_is_asked(questions: Sequence[Question]) -> None:
    """Refuse to look into headers for a model that asks nothing of what they may say.

    Raises
    ------
    UsageError
        Where ``questions``, the bundle's, has neither.
    """
    if not any(question.name in HEADER_ANSWERS for question in questions):
        raise UsageError("--answers-from-header: this model asks neither age nor sex; leave it out")


def is_dicom(content: bytes) -> bool:
    """Whether the bytes begin as a DICOM file does (PS3.10: a preamble of 128 bytes, then ``DICM``)."""
    return content[128:132] == b"DICM"


def is_bare_dicom(content: bytes, name: str) -> bool:
    """Whether the bytes are DICOM's without their beginning, or its beginning and no more.

    No image file begins with DICOM's groups 2 or 8, or holds a preamble alone and is named ``.dcm``.
    """
    preamble = len(content) > 0 and b"DICM".startswith(content[:132].lstrip(b"\0"))
    groups = (b"\2\0", b"\x08\0", b"\0\2", b"\0\x08")
    return content[:2] in groups or (preamble and name.lower().endswith((".dcm", ".dicom")))


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
    with quiet_pydicom():
        header = _parse(content, name)
        _check_kind(header, name)
        _check_values(header, name)
        _check_size(header, max_pixels, name)
        pixels = _decode(header, name)
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword in header:
            delattr(header, keyword)
    return DicomPhoto(pixels, header)


def _parse(content: bytes, name: str) -> Dataset:
    """The header, once its transfer syntax is known to be one of ours: a deflated one is never inflated."""
    from pydicom.filereader import read_dataset, read_partial

    if not is_dicom(content):
        raise ImageError(
            f"{name} has no DICOM preamble (128 bytes, then DICM): truncated, or a bare data set; "
            "copy it again, or convert it (dcmconv)"
        )
    damaged = ImageError(f"{name} is truncated or has a damaged DICOM header: copy or download it again")
    try:
        after_preamble = io.BytesIO(content[132 : 132 + MOST_META])
        meta = read_dataset(after_preamble, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        whole = "TransferSyntaxUID" not in meta or _is_whole(meta.get_item("TransferSyntaxUID"))
        stored = str(meta.get("TransferSyntaxUID", ""))
    except (Exception, RecursionError):  # a damaged header makes parsers raise nearly anything
        raise damaged from None
    if not stored or not whole:
        raise ImageError(
            f"{name} does not say how its pixels are stored: truncated or damaged; copy or download it again"
        )
    if stored not in TRANSFER_SYNTAXES:
        wanted = ", ".join(TRANSFER_SYNTAXES.values())
        raise ImageError(
            f"{name} is stored in another way ({_term(stored) or 'a private one'}): wanted {wanted}; convert it "
            "(gdcmconv --raw, or dcmconv +te)"
        )
    elements = itertools.count(1)
    try:
        header = read_partial(io.BytesIO(content), lambda _tag, _vr, _length: next(elements) > MOST_ELEMENTS)
        # DICOM PS3.5, 7.1.1: a value is as long as its element says. pydicom takes what there is.
        whole = all(_is_whole(element) for element in header.values())
    except (Exception, RecursionError):
        raise damaged from None
    if next(elements) > MOST_ELEMENTS + 1:
        raise ImageError(f"{name} has over {MOST_ELEMENTS:,} elements in its header: export it again")
    if not whole or not len(header):
        raise ImageError(f"{name} ends in the middle: it is truncated; copy or download it again")
    return header


def _is_whole(element: Any) -> bool:
    length = getattr(element, "length", None)  # of a raw element; one of undefined length was read to its end
    return length in (None, 0, 0xFFFFFFFF) or len(element.value or b"") == length


def _term(uid: str) -> str:
    """The name of a UID in DICOM's own list; empty for others, which are not repeated."""
    from pydicom.uid import UID

    return str(UID(uid).name) if UID(uid).type else ""


def _check_kind(header: Dataset, name: str) -> None:
    """A kind of image that shows skin, with all that says how its pixels are read."""
    kind = _value(header, "SOPClassUID") or _value(header.file_meta, "MediaStorageSOPClassUID")
    if kind and kind not in SOP_CLASSES:
        raise ImageError(
            f"{name} is another kind of DICOM object ({_term(kind) or 'a private one'}): "
            f"wanted {' or '.join(SOP_CLASSES.values())}"
        )
    missing = [keyword for keyword in _WANTED if _raw(header, keyword, None) in (None, "", b"")]
    if missing:
        raise ImageError(
            f"{name} lacks {', '.join(missing)}: truncated or without a picture; copy, download or export it again"
        )
    unreadable = [keyword for keyword in (*_NUMBERS, "NumberOfFrames", "HighBit") if _number(header, keyword, 0) < 0]
    if unreadable:
        raise ImageError(f"{name} has no whole number as {', '.join(unreadable)}: copy, download or export it again")


def _check_values(header: Dataset, name: str) -> None:
    """One frame of 8 bits, to be shown as it is stored."""
    frames, allocated, stored = (
        _number(header, keyword, 1) for keyword in ("NumberOfFrames", "BitsAllocated", "BitsStored")
    )
    highest, signed = _number(header, "HighBit", stored - 1), _number(header, "PixelRepresentation", 0) != 0
    colours, samples = _value(header, "PhotometricInterpretation"), _number(header, "SamplesPerPixel", 0)
    if frames != 1:
        raise ImageError(f"{name} has {frames} frames: wanted one photograph; export the frame that is meant")
    if (allocated, stored, highest, signed) != (8, 8, 7, False):
        raise ImageError(
            f"{name} has {'signed ' * signed}values of {stored} bits in {allocated}, the highest at {highest}: "
            "wanted unsigned ones of 8 bits in 8; convert it"
        )
    if colours not in PHOTOMETRIC:
        came = colours if colours in _OTHER_PHOTOMETRIC else "of another kind"
        raise ImageError(f"{name} has colours {came}: wanted {', '.join(PHOTOMETRIC)}; convert it to RGB")
    if samples != (1 if colours == "MONOCHROME2" else 3):
        raise ImageError(f"{name} contradicts itself: {samples} values a pixel as {colours}; export it again")
    if colours == "MONOCHROME2" and not _is_plain(header):
        raise ImageError(
            f"{name} is to be shown through a window or a table of greys: export it as it is shown, in RGB"
        )


def _is_plain(header: Dataset) -> bool:
    """Whether a grey picture is shown as it is stored."""
    if any(table in header for table in _TABLES) or _value(header, "PresentationLUTShape") == "INVERSE":
        return False
    for keyword, plain in _PLAIN.items():
        value = _raw(header, keyword, None)
        if keyword in header and value not in (None, "") and value not in plain:
            return False
    return True


def _check_size(header: Dataset, max_pixels: int, name: str) -> None:
    height, width = _number(header, "Rows", 0), _number(header, "Columns", 0)
    check_size((width, height), max_pixels, name)


def _decode(header: Dataset, name: str) -> np.ndarray:
    """The frame as uint8 RGB."""
    from pydicom.pixels.utils import pixel_array

    stored = header.file_meta.TransferSyntaxUID
    try:
        if stored == JPEG_BASELINE:
            pixels = _decode_jpeg(header, _only_frame(header, name), name)
        else:
            if stored == RUN_LENGTH:
                _check_run_length(header, _only_frame(header, name), name)
            else:
                _check_length(header, name)
            pixels = np.asarray(pixel_array(header))  # in RGB, whatever it was
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} does not fit in memory: make it smaller") from None
    except (Exception, RecursionError):  # see _parse
        raise ImageError(
            f"{name} has pixels that cannot be decoded: truncated or damaged; copy or download it again"
        ) from None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.shape != (header.Rows, header.Columns, 3):
        raise ImageError(f"{name} has pixels that do not fit its header: export it again")
    return np.ascontiguousarray(pixels)


def _check_length(header: Dataset, name: str) -> None:
    """What is not compressed is exactly as long as the header says, or a byte longer to be even."""
    colours, samples = _value(header, "PhotometricInterpretation"), _number(header, "SamplesPerPixel", 0)
    if samples == 3 and _number(header, "PlanarConfiguration", -1) not in (0, 1):
        raise ImageError(f"{name} does not say in which order its colours lie (PlanarConfiguration): export it again")
    wanted = header.Rows * header.Columns * (2 if colours == "YBR_FULL_422" else samples)
    came = len(header.PixelData)
    if came not in (wanted, wanted + wanted % 2):
        raise ImageError(
            f"{name} has {came:,} bytes of pixels: wanted {wanted:,} for {header.Columns} x {header.Rows} {colours}; "
            f"{'truncated: copy or download' if came < wanted else 'export'} it again"
        )


def _only_frame(header: Dataset, name: str) -> bytes:
    """The compressed frame; more than one is refused, for the header promised one."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    stream = io.BytesIO(header.PixelData)
    offsets = parse_basic_offsets(stream)
    fragments = list(generate_fragments(stream))
    starts = sum(fragment[:2] == b"\xff\xd8" for fragment in fragments)  # a JPEG may be cut into several fragments
    if len(offsets) > 1 or starts > 1:
        raise ImageError(f"{name} holds several frames where its header says one: export the frame that is meant")
    return b"".join(fragments)


def _check_run_length(header: Dataset, frame: bytes, name: str) -> None:
    """Run-length coding never makes a picture much longer; a frame that is would take 64 times its length.

    Its segments, one a colour, hold as many values as there are pixels: pydicom drops what is left over, and a header
    with a column too few would shear the lesion.
    """
    if len(frame) > 2 * header.Rows * header.Columns * header.SamplesPerPixel + 1024:
        raise ImageError(f"{name} holds more pixels than its header says: export it again")
    if _value(header, "PhotometricInterpretation") == "YBR_FULL_422":
        raise ImageError(f"{name} contradicts itself: run-length as YBR_FULL_422; export it again")
    segments, *starts = struct.unpack("<16L", frame[:64])  # PS3.5, annex G.5
    for start, end in itertools.pairwise([*starts[:segments], len(frame)]):
        if _goes_on(frame[start:end], header.Rows * header.Columns):
            raise ImageError(
                f"{name} holds more pixels than the {header.Columns} x {header.Rows} of its header: export it again"
            )


def _goes_on(segment: bytes, wanted: int) -> bool:
    """Whether a run-length segment holds more than so many values, but for what fills it up (PS3.5, annex G.3)."""
    at = values = 0
    while values < wanted and at + 1 < len(segment):
        control = segment[at]
        values += control + 1 if control < 128 else (257 - control) % 129
        at += control + 2 if control < 128 else 1 + (control > 128)
    return values > wanted or bool(segment[at:].strip(b"\0\x80"))


def _decode_jpeg(header: Dataset, frame: bytes, name: str) -> np.ndarray:
    """As any reader of JPEG shows it. Where the frame does not say what its colours are, the header does.

    It must be as large as the header says: a small header must not open a large picture.
    """
    samples = _number(header, "SamplesPerPixel", 0)
    with Image.open(io.BytesIO(frame), formats=["JPEG"]) as picture:
        if picture.size != (header.Columns, header.Rows) or len(picture.getbands()) != samples:
            raise ImageError(f"{name} holds a picture of another size or kind than its header says: export it again")
        if damage := jpeg_damage(frame):
            raise ImageError(f"{name} has a damaged JPEG ({damage}): copy or download it again")
        marked = "jfif" in picture.info or "adobe" in picture.info
        if samples == 3 and not marked and _value(header, "PhotometricInterpretation") == "RGB":
            picture.draft("YCbCr", picture.size)  # the three values as they are stored
            return np.asarray(picture)
        return np.asarray(picture.convert("RGB"))


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
def quiet_pydicom() -> Iterator[None]:
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
