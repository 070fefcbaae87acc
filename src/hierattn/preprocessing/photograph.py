"""Reading one photograph: from any common image file to upright uint8 RGB, or one clear line why not.

Every stage that meets an image file (prepare, predict, the web service) reads it here, so that training and use see
the same pixels. The decisions, all checked by tests/preprocessing/test_photograph.py:

- The EXIF rotation is applied, then forgotten.
- Transparent pixels are composited on white, as viewers and printers show them.
- 16-bit grey is divided by 257 (65535 -> 255), never clipped. Pillow itself reduces 16-bit colour to its high byte,
  which differs from that by at most one grey level.
- Of an animation or a multi-page file the first frame is taken.
- An embedded colour profile is not applied: the public sets were read without, and so were their networks.
- The size is read from the header and refused before a pixel is decoded.
- A truncated file is refused: half a lesion is not a lesion.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from hierattn.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The formats that are tried, by Pillow's names. No other parser of Pillow ever sees the bytes. Phones' MPO files
are JPEG with more pictures behind the first, and come through JPEG's door."""

MIN_SIDE = 8
"""Pixels. Below this there is nothing to see, and a resize would invent the lesion."""

MAX_ASPECT = 20.0
"""Longest over shortest side. Skin photographs stay under 3; a strip of 20 is another kind of file."""

MAX_BYTES = 512 * 1024 * 1024
"""Bytes of a file that is read into memory."""

_PILLOW_WARNINGS = threading.Lock()
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
    with _open_stream(source, name) as stream, _open_image(stream, name) as image:
        _check_size(image.size, max_pixels, name)
        try:
            return _to_rgb(_decode(image, name), name)
        except MemoryError:
            raise ImageError(f"{name} does not fit in memory: make it smaller") from None


def _name_of(source: object) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "") or "the image")


@contextmanager
def _open_stream(source: str | Path | bytes | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The source as a binary stream, not empty; a file that we open is closed again."""
    if isinstance(source, bytes | bytearray | memoryview):
        stream: BinaryIO = io.BytesIO(source)
    elif isinstance(source, str | Path):
        stream = io.BytesIO(read_image_bytes(Path(source), name=name))
    else:
        stream = source
    start = stream.tell()
    if not stream.read(1):
        raise ImageError(f"{name} is empty (0 bytes): wanted an image; copy or download it again")
    stream.seek(start)
    yield stream


def read_image_bytes(path: Path, *, name: str | None = None) -> bytes:
    """The bytes of an image file, refused above :data:`MAX_BYTES` before they are read.

    Raises
    ------
    ImageError
        Where the file is missing, no file, unreadable or too large.
    """
    name = name or str(path)
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder: wanted an image file; name one file in it")
        state = path.stat()
        if not S_ISREG(state.st_mode):  # reading one could wait for ever
            raise ImageError(f"{name} is a pipe, socket or device: wanted an image file; save it as one")
        size = state.st_size
        if size > MAX_BYTES:
            raise ImageError(
                f"{name} has {size:,} bytes: wanted at most {MAX_BYTES:,}; save it as JPEG or in a smaller size"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"no file {name}: wanted an image; check the path") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read ({_reason(error)}): check the path and its permissions") from None


@contextmanager
def _open_image(stream: BinaryIO, name: str) -> Iterator[Image.Image]:
    """The opened image, its header read and nothing decoded."""
    try:
        with _quiet_pillow():
            image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image that can be read{_hint(stream)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} is too large: more than 179 million pixels; make it smaller") from None
    except Exception as error:  # a damaged header makes Pillow's parsers raise nearly anything
        raise ImageError(f"{name} has a damaged header ({_reason(error)}): copy or download it again") from None
    with image:
        yield image


def _hint(stream: BinaryIO) -> str:
    """What to do about a file of another kind; iPhones' own format is met often enough to be named."""
    stream.seek(0)
    head = stream.read(16)
    if head[4:8] == b"ftyp":
        return " (it looks like HEIC or AVIF): convert it to JPEG, or set the camera to 'most compatible'"
    return f": wanted {', '.join(FORMATS)}; export it as JPEG or PNG"


def _check_size(size: tuple[int, int], max_pixels: int, name: str) -> None:
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
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
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
