"""Image files as bytes: by Pillow, a PNG and a TIFF written by hand, valid files of every format, damage to them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion

COMPRESSION_NONE, COMPRESSION_DEFLATE = 1, 8
_ASCII, _SHORT, _LONG = 2, 3, 4

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    rows: bytes = b"",
    chunks: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """A PNG written by hand, independent of Pillow; further ``chunks`` come before the pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    more = b"".join(chunk(kind, content) for kind, content in (chunks or {}).items())
    data = more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data


def valid_files(side: int = 96) -> list[bytes]:
    """One valid file of each format: a rendered lesion."""
    image = Image.fromarray(render_lesion("MEL", np.random.default_rng(2), side).image)
    return [encoded(image, kind) for kind in FORMATS]


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Some bytes changed (mostly in the header), a piece cut out or doubled, or the end cut off."""
    data = np.frombuffer(content, np.uint8).copy()
    reach = len(data) if generator.random() < 0.3 else min(len(data), 200)
    for _ in range(generator.integers(1, 9)):
        data[generator.integers(reach)] = generator.integers(256)
    result = data.tobytes()
    start, length = int(generator.integers(len(result))), int(generator.integers(1, 400))
    return [
        result,
        result,
        result[:start],
        result[:start] + result[start + length :],
        result[: start + length] + result[start:],
    ][generator.integers(5)]


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    planar: bool = False,
    compression: int = COMPRESSION_NONE,
    rows_per_strip: int | None = None,
    big: bool = False,
    tags: Mapping[int, tuple[int, ...]] | None = None,
    description: str = "",
) -> bytes:
    """A TIFF of one page written by hand, after TIFF 6.0 and independent of Pillow and libtiff.

    Parameters
    ----------
    samples
        (height, width, channels), whole numbers that fit ``bits``; 16 and 32 bits follow ``order``.
    photometric
        Tag 262: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 inks, 6 YCbCr, 8 Lab.
    order
        ``<`` or ``>``.
    tags
        Further tags, as SHORT: 266 fill order, 274 orientation, 320 palette, 332 ink set, 338 extra samples,
        339 sample format.
    """
    height, width, channels = samples.shape
    step = rows_per_strip or height
    planes = [samples[:, :, k : k + 1] for k in range(channels)] if planar else [samples]
    strips = [_packed(plane[top : top + step], bits, order) for plane in planes for top in range(0, height, step)]
    if compression == COMPRESSION_DEFLATE:
        strips = [zlib.compress(strip) for strip in strips]
    start = 16 if big else 8
    offsets = [start + sum(map(len, strips[:k])) for k in range(len(strips))]
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (_LONG, (width,)),
        257: (_LONG, (height,)),
        258: (_SHORT, (bits,) * channels),
        259: (_SHORT, (compression,)),
        262: (_SHORT, (photometric,)),
        273: (_LONG, tuple(offsets)),
        277: (_SHORT, (channels,)),
        278: (_LONG, (step,)),
        279: (_LONG, tuple(map(len, strips))),
        284: (_SHORT, (2 if planar else 1,)),
        **{tag: (_SHORT, values) for tag, values in (tags or {}).items()},
        **({270: (_ASCII, (*description.encode(), 0))} if description else {}),
    }
    return _joined(b"".join(strips), entries, order, big)


def _packed(rows: np.ndarray, bits: int, order: str) -> bytes:
    """Every row starts at a byte; the first sample lies in the highest bits."""
    if bits in (8, 16, 32):
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    lines = ("".join(format(int(value), f"0{bits}b") for value in row.ravel()) for row in rows)
    return b"".join(
        int(line.ljust(-(-len(line) // 8) * 8, "0"), 2).to_bytes(-(-len(line) // 8), "big") for line in lines
    )


def _joined(pixels: bytes, entries: Mapping[int, tuple[int, tuple[int, ...]]], order: str, big: bool) -> bytes:
    """Header, pixels, the directory, and what does not fit into its entries."""
    count_kind, pointer, room = ("Q", "Q", 8) if big else ("I", "I", 4)
    start = (16 if big else 8) + len(pixels)
    beyond = start + (8 if big else 2) + len(entries) * (20 if big else 12) + room
    directory, extra = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(values)}{'xxBHI'[kind]}", *values)
        if len(content) > room:
            held = struct.pack(order + pointer, beyond + len(extra))
            extra += content + b"\0" * (len(content) % 2)
        else:
            held = content.ljust(room, b"\0")
        directory += struct.pack(f"{order}HH{count_kind}", tag, kind, len(values)) + held
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    size = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries))
    return mark + head + pixels + size + directory + bytes(room) + extra
