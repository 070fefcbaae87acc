"""A damaged photograph is refused; a healthy one never is."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from image_files import encoded
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import ImageError
from hierattn.preprocessing.file_damage import find_damage
from hierattn.preprocessing.photograph import read_photograph

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data"
VISIBLE = 5.0
"""Grey levels of mean error from which damage counts as visible."""


@cache
def lesion(seed: int, side: int = 256) -> Image.Image:
    return Image.fromarray(render_lesion("MEL", np.random.default_rng(seed), side).image)


def damage_in(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as image:
        return find_damage(content, image)


def jpeg(seed: int, **options: object) -> bytes:
    return encoded(lesion(seed), "JPEG", **{"quality": 92, **options})


def scan(content: bytes) -> int:
    """Where the entropy-coded data begin."""
    at = content.index(b"\xff\xda")
    return at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def cut_with_end(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: generator.integers(scan(content), len(content) - 100)] + b"\xff\xd9"


def sector(size: int, noise: bool) -> Callable[[bytes, np.random.Generator], bytes]:
    """One sector of a disk that was lost."""

    def spoil(content: bytes, generator: np.random.Generator) -> bytes:
        first = -(-scan(content) // size) * size
        start = int(generator.choice(np.arange(first, len(content) - size // 2, size)))
        length = min(size, len(content) - start)
        lost = generator.bytes(length) if noise else bytes(length)
        return content[:start] + lost + content[start + length :]

    return spoil


def bytes_removed(content: bytes, generator: np.random.Generator) -> bytes:
    start, length = int(generator.integers(scan(content), len(content) - 700)), int(generator.integers(30, 600))
    return content[:start] + content[start + length :]


def two_halves(content: bytes, generator: np.random.Generator) -> bytes:
    other = jpeg(int(generator.integers(8, 12)))
    start = int(generator.integers(scan(content), min(len(content), len(other)) - 100))
    return content[:start] + other[start:]


DAMAGES = {
    "cut, end mark added": cut_with_end,
    "512 zeros": sector(512, noise=False),
    "512 random bytes": sector(512, noise=True),
    "4096 zeros": sector(4096, noise=False),
    "4096 random bytes": sector(4096, noise=True),
    "bytes removed": bytes_removed,
    "halves of two": two_halves,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1}],
    ids=["plain", "progressive", "restarts"],
)
def test_visible_damage_to_a_jpeg_is_noticed(damage: str, options: dict[str, object]) -> None:
    """In nine copies of ten at least; docs/photographs.md has the rates on real photographs."""
    generator = np.random.default_rng(5)
    visible = noticed = 0
    for copy in range(120):
        content = jpeg(copy % 8, **options)
        spoilt = DAMAGES[damage](content, generator)
        try:
            read = read_photograph(spoilt)
        except ImageError:
            visible += 1
            noticed += 1
            continue
        visible += bool(np.abs(read - np.asarray(Image.open(io.BytesIO(content)), np.int16)).mean() >= VISIBLE)
    assert noticed >= 60
    assert noticed >= 0.9 * visible


def test_the_reason_is_in_the_line() -> None:
    content = jpeg(1)
    with pytest.raises(ImageError, match=r"^x\.jpg is damaged \(premature end of data segment\): copy or download it"):
        read_photograph(content[: len(content) // 2] + b"\xff\xd9", name="x.jpg")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [
        {"quality": 5},
        {"quality": 100, "subsampling": 0},
        {"subsampling": 2, "optimize": True},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"comment": b"\xff\xd9\xff\xd8 not a marker"},
    ],
)
def test_a_healthy_jpeg_of_any_kind_is_read(mode: str, options: dict[str, object]) -> None:
    for side in (8, 97, 256):
        assert damage_in(encoded(lesion(3, side=128).resize((side, side + 5)).convert(mode), "JPEG", **options)) == ""


def test_what_costs_no_pixel_is_no_damage() -> None:
    """Bytes behind the picture, zeros before its end, stray bytes and a spoilt note in its header."""
    content = jpeg(2, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    for variant in (
        content + b"\0" * 5000 + b"motion photo",
        content[:-2] + bytes(16) + content[-2:],
        content[:20] + b"stray" + content[20:],  # behind the JFIF segment
        content[:20] + b"\xff\xff\xff\xe5\0\x07\xff\xd8\xff\xda\0" + content[20:],
    ):
        np.testing.assert_array_equal(read_photograph(variant), read_photograph(content))


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="the real photographs are not here")
def test_no_real_photograph_is_called_damaged() -> None:
    """Every 40th here; all 20,872 were tried once."""
    paths = sorted(PHOTOGRAPHS.rglob("*.jpg"))[::40]
    assert len(paths) > 100
    assert [path.name for path in paths if damage_in(path.read_bytes())] == []


@pytest.mark.parametrize("level", [0, 1, 6])
def test_any_changed_byte_of_a_png_is_noticed(level: int) -> None:
    """Stored without compression, a changed pixel decodes as well as the right one: only the checksum tells."""
    content = encoded(lesion(4, side=64), "PNG", compress_level=level)
    assert damage_in(content) == ""
    generator = np.random.default_rng(0)
    start = content.index(b"IDAT") + 4
    for at in generator.integers(start, len(content) - 16, 200):
        spoilt = bytearray(content)
        spoilt[at] ^= 1 << int(generator.integers(8))
        with pytest.raises(ImageError, match="damaged"):
            read_photograph(bytes(spoilt))


def test_a_spoilt_note_of_a_png_is_no_damage() -> None:
    content = encoded(lesion(4, side=64), "PNG")
    note = content[:-12] + b"\0\0\0\4tEXtabcd\0\0\0\0" + content[-12:]
    assert damage_in(note) == ""


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg"])
def test_visible_damage_to_a_compressed_tiff_is_noticed(compression: str) -> None:
    content = encoded(lesion(4), "TIFF", compression=compression)
    whole = read_photograph(content)
    generator = np.random.default_rng(0)
    for _ in range(40):
        at = int(generator.integers(1000, len(content) - 1000))
        spoilt = content[:at] + bytes(512) + content[at + 512 :]
        try:
            assert np.abs(read_photograph(spoilt) - whole.astype(int)).mean() < VISIBLE
        except ImageError:
            continue


def test_other_formats_are_left_to_their_decoders() -> None:
    assert damage_in(encoded(lesion(4, side=64), "BMP")) == ""


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "packbits"}], ids=str)
@pytest.mark.parametrize("lost", [1, 40])
def test_a_tiff_whose_header_promises_more_strips_than_there_are_is_refused(options: dict, lost: int) -> None:
    strips = {278: 20}  # rows in each
    content = encoded(lesion(4, 160), "TIFF", tiffinfo=strips, **options)
    assert damage_in(content) == ""
    heights = [struct.pack("<HHII", 257, kind, 1, 160) for kind in (3, 4)]  # the entry, as a short and as a long
    (height,) = [entry for entry in heights if entry in content]
    promised = content.replace(height, height[:8] + struct.pack("<I", 160 + lost))
    assert "strips or tiles where its size needs" in damage_in(promised)
