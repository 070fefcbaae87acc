"""Reading one photograph: from any common image file to upright uint8 RGB, or one clear line why not.

Every stage that meets an image file (prepare, predict, the web service) reads it here, so that training and use see
the same pixels. The decisions, all checked by tests/preprocessing/test_photograph.py:

- The EXIF rotation is applied, then forgotten.
- Transparent pixels are composited on white, as viewers and printers show them.
- 16-bit grey is divided by 257 (65535 -> 255), 12-bit grey by its own white, never clipped. Pillow itself reduces
  16-bit colour to its high byte, which differs from that by at most one grey level.
- Pixels stored in a way that Pillow misreads are refused (:mod:`~hierattn.preprocessing.pixel_layouts`).
- Of an animation or a multi-page file the first frame is taken.
- An embedded colour profile is not applied: the public sets were read without, and so were their networks.
- The size is read from the header and refused before a pixel is decoded.
- A truncated file is refused, and one whose compressed data do not add up
  (:mod:`~hierattn.preprocessing.file_damage`): half a lesion is not a lesion.
- HEIC is read where pillow-heif is installed, AVIF where Pillow was built with it.
- Only a regular file is read, or a pipe that is named as one (``/dev/stdin``, ``/dev/fd/N``): a named pipe, a socket
  or a device among photographs would wait for ever.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from hierattn.errors import ImageError, install_line
from hierattn.preprocessing.file_damage import find_damage
from hierattn.preprocessing.pixel_layouts import prepare_layout, white_level

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The formats that are tried, by Pillow's names. No other parser of Pillow ever sees the bytes. Phones' MPO files
are JPEG with more pictures behind the first, and come through JPEG's door. HEIC and AVIF say by their first bytes what
they are, and go to their own parsers alone."""

MIN_SIDE = 8
"""Pixels. Below this there is nothing to see, and a resize would invent the lesion."""

MAX_ASPECT = 20.0
"""Longest over shortest side. Skin photographs stay under 3; a strip of 20 is another kind of file."""

MAX_BYTES = 512 * 1024 * 1024
"""Bytes of a file that is read into memory."""

_PILLOW_WARNINGS = threading.Lock()
_PIPES = ("/dev/fd", "/proc/self/fd")
_BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
}
_NO_IMAGES = {
    b"version https://git-lfs": "is a pointer of Git LFS and not the image itself: fetch that (git lfs pull)",
    b"PK\3\4": "is a ZIP archive: unpack it",
    b"%PDF": "is a PDF: export its photograph as JPEG or PNG",
}
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_WHITE = (255, 255, 255, 255)


def read_photograph(
    source: str | Path | bytes | BinaryIO, *, max_pixels: int = 100_000_000, name: str | None = None
) -> np.ndarray:
    """Read one photograph as upright uint8 RGB, (height, width, 3).

    Parameters
    ----------
    source
        A path, the file's bytes, or an open binary file that can seek.
    max_pixels
        The largest width x height that is decoded. It is compared with the header, before memory is taken;
        above Pillow's own limit of 179 million nothing is decoded whatever is asked for here.
    name
        What an error calls the image; the path, or "the image", where nothing is given.

    Raises
    ------
    ImageError
        One line saying what came, what was wanted and what to do: missing, empty, truncated, not an image, of a
        format outside :data:`FORMATS`, too large, too small, too long and thin, or of a pixel type (32 bits) that
        has no defined black and white.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (12, 9), 128).save(file, "PNG")
    >>> read_photograph(file.getvalue()).shape
    (9, 12, 3)
    """
    name = name or _name_of(source)
    content = _content_of(source, name)
    if not content:
        raise ImageError(f"{name} is empty (0 bytes): wanted an image; copy or download it again")
    with _open_image(content, name) as image:
        check_size(image.size, max_pixels, name)
        prepare_layout(image, content, name)
        if damage := find_damage(content, image):
            raise ImageError(f"{name} is damaged ({damage}): copy or download it again")
        try:
            upright = _decode(image, name)
            check_size(upright.size, max_pixels, name)  # HEIC's own header may say another size than its pixels have
            return _to_rgb(upright, name)
        except MemoryError:
            raise ImageError(f"{name} does not fit in memory: make it smaller") from None


def _name_of(source: object) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "") or "the image")


def _content_of(source: str | Path | bytes | BinaryIO, name: str) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | Path):
        return read_image_bytes(Path(source), name=name)
    return _read_bounded(source, name)


def _read_bounded(file: BinaryIO, name: str) -> bytes:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ImageError(f"{name} has over {MAX_BYTES:,} bytes: save it as JPEG or in a smaller size")
    return content


def read_image_bytes(path: Path, *, name: str | None = None) -> bytes:
    """The bytes of an image file, refused above :data:`MAX_BYTES` before they are read.

    Raises
    ------
    ImageError
        Where the file is missing, no regular file (see the head of this module), unreadable or too large.
    """
    name = name or str(path)
    piped = str(path) == "/dev/stdin" or str(path.parent) in _PIPES
    # A named pipe that is opened to wait for nobody opens at once, and is then seen to be one: no moment between.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if piped else getattr(os, "O_NONBLOCK", 0))
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder: wanted an image file; name one file in it")
        if path.exists() and not piped and not path.is_file():
            raise _not_regular(name)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) and not (piped and stat.S_ISFIFO(status.st_mode)):
                raise _not_regular(name)
            if status.st_size > MAX_BYTES:
                raise ImageError(
                    f"{name} has {status.st_size:,} bytes: wanted at most {MAX_BYTES:,}; "
                    "save it as JPEG or in a smaller size"
                )
            return _read_bounded(file, name)
    except FileNotFoundError:
        if path.is_symlink():  # as git-annex and DVC leave one whose content was not fetched
            raise ImageError(f"{name} is a link that leads nowhere: fetch what it names, or remove it") from None
        raise ImageError(f"no file {name}: wanted an image; check the path") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read ({_reason(error)}): check the path and its permissions") from None


def _not_regular(name: str) -> ImageError:
    return ImageError(f"{name} is a pipe, socket or device: wanted an image file; save it as one")


@contextmanager
def _open_image(content: bytes, name: str) -> Iterator[Image.Image]:
    """The opened image, its header read and nothing decoded."""
    try:
        with _quiet_pillow():
            image = _opened(content, name)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} {_why_unread(content)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} is too large: more than 179 million pixels; make it smaller") from None
    except Exception as error:  # a damaged header makes Pillow's parsers raise nearly anything
        raise ImageError(f"{name} has a damaged header ({_reason(error)}): copy or download it again") from None
    with image:
        yield image


def _opened(content: bytes, name: str) -> Image.Image:
    """By the one parser that is for it: HEIC's and AVIF's say what they are, the others are tried by Pillow."""
    brands = _brands(content)
    if brands & _AVIF:
        if not features.check("avif"):
            raise ImageError(f"{name} is AVIF, which this Pillow cannot read: update Pillow, or convert it to JPEG")
        return Image.open(io.BytesIO(content), formats=("AVIF",))
    if brands & _HEIC:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise ImageError(
                f"{name} is HEIC: install its reader ({install_line('heic')}), convert it to JPEG, or set the camera "
                "to 'most compatible'"
            ) from None
        image: Image.Image = HeifImageFile(io.BytesIO(content))
        return image
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _brands(content: bytes) -> set[bytes]:
    """What a file of the ISO family says that it is, e.g. ``{b"heic", b"mif1"}``; empty for every other file."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4], "big"), 256)
    return {content[8:12]} | {content[at : at + 4] for at in range(16, end, 4)}


def _why_unread(content: bytes) -> str:
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return (
                f"begins as {kind} does and cannot be read: damaged, or a rare kind; copy it again, or export it as PNG"
            )
    if content[128:132] == b"DICM":
        return "is DICOM, which predict reads, and prepare does not: export it as JPEG or PNG for that"
    for beginning, why in _NO_IMAGES.items():
        if content.startswith(beginning):
            return why
    return f"is not an image that can be read: wanted {', '.join(FORMATS)}, HEIC or AVIF; export it as JPEG or PNG"


def check_size(size: tuple[int, int], max_pixels: int, name: str) -> None:
    """Refuse a photograph ``name`` of (width, height) pixels that is too small, too large, or too narrow.

    Raises
    ------
    ImageError
        With what it has and what was wanted.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageError(f"{name} has {width} x {height} pixels: wanted at most {max_pixels:,} in all; make it smaller")
    if min(size) < MIN_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels: wanted {MIN_SIDE} or more a side; use the original")
    if max(size) > MAX_ASPECT * min(size):
        raise ImageError(
            f"{name} has {width} x {height} pixels: wanted no side over {MAX_ASPECT:g} times the other; "
            "crop it around the lesion"
        )


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Decode the first frame and turn it upright."""
    try:
        if image.format == "TIFF":  # its loader reads EXIF, and may warn, inside load()
            with _quiet_pillow():
                image.load()
        else:
            image.load()
        # After load(): the TIFF loader has by then applied its rotation itself and dropped the tag.
        with _quiet_pillow():
            orientation = _orientation(image)
    except MemoryError:
        raise  # said by the caller
    except Exception as error:  # see _open_image
        raise ImageError(f"{name} is truncated or damaged ({_reason(error)}): copy or download it again") from None
    operation = _UPRIGHT.get(orientation)
    return image if operation is None else image.transpose(operation)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> the operation that turns the image upright (EXIF 2.3, tag 0x0112); 1 is upright."""


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where the tag is missing or its block is damaged, as cameras and viewers do."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a good picture with a damaged EXIF block is still a good picture
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """Any decoded mode -> uint8 (height, width, 3), RGB."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format != "TIFF"):
        # 16-bit grey. Older Pillows open a 16-bit PNG as 32-bit integers, with the same values.
        stored, white = np.asarray(image).astype(np.uint32), white_level(image)
        grey = (stored * 255 + white // 2) // white
        if isinstance(transparent := image.info.get("transparency"), int):
            grey[stored == transparent] = 255
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("I", "F", "LAB"):
        raise ImageError(
            f"{name} has pixels of type {image.mode}: wanted 8 or 16 bits a channel, grey or RGB; export it as PNG"
        )
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _reason(error: BaseException) -> str:
    """An error's own words on one line; they end up inside ours."""
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
    return text[:120].rstrip(". ")


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Hold Pillow's warnings back; what they warn of is checked here, and ends in an error or in nothing.

    ``catch_warnings`` swaps a global, so that two threads inside it at once could leave the filters changed for good:
    hence the lock. It is held while headers are read, not while pixels are decoded (TIFF apart).
    """
    with _PILLOW_WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
