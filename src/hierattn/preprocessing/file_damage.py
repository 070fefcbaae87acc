"""Whether an image file's compressed data add up: what Pillow decodes without a word though it was damaged.

===== =====================================================================================================
JPEG  libjpeg decodes any bytes to some picture, and warns. Pillow drops the warnings; simplejpeg hands them on
PNG   every chunk has a checksum; Pillow leaves out those of the pixels
TIFF  missing strips and tiles; those that are JPEG, or deflated with a checksum that libtiff does not reach
===== =====================================================================================================

WebP, HEIC, AVIF, BMP, GIF and other TIFF carry no checksum: there, only damage that breaks the decoder is noticed.
docs/photographs.md has the rates that were measured.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

from PIL import Image
from simplejpeg import decode_jpeg

# Healthy, and of a kind that simplejpeg cannot check: rare colour spaces, and rare ratios of the channels' sizes.
_UNCHECKED = re.compile("Unsupported color|.*Could not determine subsampling level")
_PADDING = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_NOTES = frozenset({*range(0xE0, 0xF0), 0xFE})  # APP0 to APP15, comment
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
# Sequential or progressive, Huffman or arithmetic. simplejpeg 1.9 writes past its buffer for a reduced lossless one.
_REDUCIBLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_START_OF_SCAN = 0xDA
_TIFF_JPEG, _TIFF_DEFLATE = 7, (8, 32946)
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})


def find_damage(content: bytes, image: Image.Image) -> str:
    """What does not add up in an image file's compressed data; empty where nothing is amiss.

    Parameters
    ----------
    content
        The whole file, which may hold more behind the picture.
    image
        The file opened by Pillow, and not decoded.
    """
    if image.format in ("JPEG", "MPO"):
        return jpeg_damage(content)
    if image.format == "PNG":
        return _png_damage(content)
    return _tiff_damage(content, image.tag_v2) if image.format == "TIFF" else ""  # type: ignore[attr-defined]


def jpeg_damage(content: bytes) -> str:
    """The first warning of libjpeg about a file's entropy-coded data, found by decoding at an eighth of the size."""
    bare = _without_notes(content)
    if not bare:
        return ""
    try:
        decode_jpeg(bare, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:
        reason = str(error)
        padding = _PADDING.search(reason)  # some cameras fill up with zeros
        if not _UNCHECKED.match(reason) and not (padding and bytes(int(padding[1])) + b"\xff\xd9" in content):
            return reason.removeprefix("Corrupt JPEG data: ")
    return ""


def _without_notes(content: bytes) -> bytes:
    """A JPEG file without EXIF, comments and stray bytes in its header: damage to those costs no pixel.

    Empty where the header does not lead to the pixels, or these are of a kind that cannot be decoded reduced.
    """
    parts, at = [content[:2]], 2
    frames: list[int] = []
    while (at := content.find(b"\xff", at)) >= 0 and at + 4 <= len(content):
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker == _START_OF_SCAN:
            return b"".join([*parts, content[at:]]) if len(frames) == 1 and frames[0] in _REDUCIBLE else b""
        else:
            end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
            if marker in _FRAMES:
                frames.append(marker)
            if marker not in _NOTES:
                parts.append(content[at:end])
            at = end
    return b""


def _png_damage(content: bytes) -> str:
    """The first chunk that a decoder needs and whose checksum is wrong."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        name, wanted = content[at + 4 : at + 8], content[end : end + 4]
        needed = name[:1].isupper() or name == b"tRNS"
        if needed and zlib.crc32(memoryview(content)[at + 4 : end]).to_bytes(4, "big") != wanted:
            return f"wrong checksum of {name.decode('latin-1')!r}"
        if name == b"IEND":
            break
        at = end + 4
    return ""


def _tiff_damage(content: bytes, tags: Mapping[int, Any]) -> str:
    """Strips or tiles of a TIFF's first page that are missing; of JPEG or deflate, the first that does not add up."""
    compression = tags.get(259, 1)
    starts, lengths = (273, 279) if 273 in tags else (324, 325)  # of strips or tiles
    wide, high = (tags[256], tags.get(278, tags[257])) if 273 in tags else (tags[322], tags[323])
    planes = tags.get(277, 1) if tags.get(284, 1) == 2 else 1
    wanted, came = -(-tags[256] // wide) * -(-tags[257] // high) * planes, len(tags.get(starts, ()))
    if came < wanted:
        return f"{came} strips or tiles where its size needs {wanted}"
    if compression not in (_TIFF_JPEG, *_TIFF_DEFLATE):
        return ""
    tables = bytes(tags.get(347, b""))[:-2] or b"\xff\xd8"  # all but its end mark
    for start, length in zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False):
        part = content[start : start + length]
        damage = jpeg_damage(tables + part[2:]) if compression == _TIFF_JPEG else _deflate_damage(part)
        if damage:
            return damage
    return ""


def _deflate_damage(part: bytes) -> str:
    """Whether a zlib stream's checksum is that of its content, a megabyte at a time."""
    stream = zlib.decompressobj()
    try:
        while part and not stream.eof:
            stream.decompress(part, 1 << 20)
            part = stream.unconsumed_tail
    except zlib.error as error:
        return str(error)
    return ""
