"""Image files as bytes: encoded by Pillow, a PNG written by hand, valid files of every format, and damage to them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG written by hand, independent of Pillow."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
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
