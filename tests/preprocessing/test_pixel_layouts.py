"""However pixels are stored: they come back as they were written, or one line says why not."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from image_files import COMPRESSION_DEFLATE, COMPRESSION_NONE, png_header, tiff

from hierattn.errors import ImageError
from hierattn.preprocessing.photograph import read_photograph

HEIGHT, WIDTH = 12, 16
_rows, _columns = np.mgrid[:HEIGHT, :WIDTH]
PICTURE = np.stack([_rows / 11, _columns / 15, (_rows + 2 * _columns) / 41], axis=2)
"""(height, width, 3), 0 to 1; no row, column, channel or half equals another."""
GREY = PICTURE[:, :, 2:]
SIGNED, REVERSED_BITS, ALPHA, UNSPECIFIED = {339: (2,)}, {266: (2,)}, {338: (2,)}, {338: (0,)}


def stored(values: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(values * (2**bits - 1)).astype(np.int64)


def assert_read(content: bytes, values: np.ndarray, bits: int, within: int = 1) -> None:
    wanted = np.broadcast_to(np.rint(stored(values, bits) * 255 / (2**bits - 1)), (HEIGHT, WIDTH, 3))
    assert np.abs(read_photograph(content) - wanted).max() <= within


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_photograph(content, name="scan.tif")
    line = str(caught.value)
    assert line.startswith("scan.tif ")
    assert "PNG" in line
    assert "\n" not in line
    return line


@pytest.mark.parametrize("rows_per_strip", [None, 5])
@pytest.mark.parametrize("compression", [COMPRESSION_NONE, COMPRESSION_DEFLATE])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("bits", [8, 16])
def test_rgb_and_grey_tiff_of_8_and_16_bits_come_back(
    bits: int, order: str, compression: int, rows_per_strip: int | None, big: bool
) -> None:
    how = {"order": order, "compression": compression, "rows_per_strip": rows_per_strip, "big": big}
    assert_read(tiff(stored(PICTURE, bits), bits, 2, **how), PICTURE, bits)
    assert_read(tiff(stored(GREY, bits), bits, 1, **how), GREY, bits)
    opaque = np.dstack([PICTURE, np.ones((HEIGHT, WIDTH))])
    assert_read(tiff(stored(opaque, bits), bits, 2, tags=ALPHA, **how), PICTURE, bits)
    ignored = np.dstack([PICTURE, np.zeros((HEIGHT, WIDTH))])
    assert_read(tiff(stored(ignored, bits), bits, 2, tags=UNSPECIFIED, **how), PICTURE, bits)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("rows_per_strip", [None, 5])
def test_planes_come_back_or_are_refused(order: str, rows_per_strip: int | None) -> None:
    how = {"order": order, "planar": True, "rows_per_strip": rows_per_strip}
    assert_read(tiff(stored(PICTURE, 8), 8, 2, **how), PICTURE, 8)
    assert_read(tiff(stored(PICTURE, 16), 16, 2, compression=COMPRESSION_DEFLATE, **how), PICTURE, 16)
    assert "uncompressed planes of 16 bits" in refusal(tiff(stored(PICTURE, 16), 16, 2, **how))
    inks = np.dstack([PICTURE, GREY])
    assert "uncompressed planes of 16 bits" in refusal(tiff(stored(inks, 16), 16, 5, **how))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_few_bits_are_stretched_and_white_may_be_zero(bits: int, order: str) -> None:
    assert_read(tiff(stored(GREY, bits), bits, 1, order=order), GREY, bits, within=0)
    white_is_zero = 2**bits - 1 - stored(GREY, bits)
    assert_read(tiff(white_is_zero, bits, 0, order=order), GREY, bits, within=0)


def test_12_bit_grey_reaches_white() -> None:
    assert_read(tiff(stored(GREY, 12), 12, 1), GREY, 12, within=0)


@pytest.mark.parametrize("compression", [COMPRESSION_NONE, COMPRESSION_DEFLATE])
@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey_whose_white_is_zero_is_refused(order: str, compression: int) -> None:
    refusal(tiff(65535 - stored(GREY, 16), 16, 0, order=order, compression=compression))


@pytest.mark.parametrize(
    "description",
    [
        "ImageJ=1.54f\nimages=3\nchannels=3\nmode=composite",
        '<?xml version="1.0"?><OME><Image><Pixels SizeC="3" SizeX="16" SizeY="12"/></Image></OME>',
        '{"shape": [3, 12, 16]}',
    ],
)
def test_a_page_that_is_one_channel_of_several_is_refused(description: str) -> None:
    """Read as grey, the first page would pass for the whole photograph."""
    assert "each channel on a page of its own" in refusal(tiff(stored(GREY, 8), 8, 1, description=description))


@pytest.mark.parametrize(
    "description",
    ["ImageJ=1.54f\nimages=5\nslices=5", '<OME><Pixels SizeC="1" SizeZ="3"/></OME>', '{"shape": [12, 16]}', "channels"],
)
def test_any_other_description_costs_nothing(description: str) -> None:
    assert_read(tiff(stored(GREY, 8), 8, 1, description=description), GREY, 8)
    assert_read(tiff(stored(PICTURE, 8), 8, 2, description=f'{description} SizeC="3"'), PICTURE, 8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_tiff_gives_its_colours(bits: int) -> None:
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3))
    indices = stored(GREY, bits)
    palette = tuple(int(value) * 257 for value in colours.T.ravel())
    read = read_photograph(tiff(indices, bits, 3, tags={320: palette}))
    np.testing.assert_array_equal(read, colours[indices[:, :, 0]])


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_tiff_mixes_its_inks(bits: int) -> None:
    inks = stored(np.dstack([PICTURE, GREY / 2]), bits)
    wanted = 255 * (1 - PICTURE) * (1 - GREY / 2)
    assert np.abs(read_photograph(tiff(inks, bits, 5)) - wanted).max() <= 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (tiff(stored(GREY, 8), 8, 1, tags=SIGNED), "signed pixels"),
        (tiff(stored(GREY, 16), 16, 1, tags=SIGNED), "signed pixels"),
        (tiff(stored(GREY, 16), 16, 1, tags=REVERSED_BITS), "reversed bits"),
        (tiff(stored(np.dstack([PICTURE, GREY]), 8), 8, 2), "fourth channel"),
        (tiff(stored(GREY, 8), 8, 3, tags={320: tuple(range(256)) * 3}), "a palette of 8 bits"),
        (tiff(stored(np.dstack([PICTURE, GREY]), 8), 8, 5, tags={332: (2,)}), "inks other than CMYK"),
        (tiff(stored(PICTURE, 8), 8, 6), "YCbCr that is not JPEG"),
        (tiff(stored(PICTURE, 8), 8, 8), "pixels of type LAB"),
        (tiff(stored(GREY, 32), 32, 1), "pixels of type I"),
        (tiff(stored(PICTURE, 32), 32, 2), "begins as TIFF does"),
        (tiff(stored(GREY, 32), 32, 1, tags={339: (3,)}), "pixels of type F"),
        (tiff(stored(PICTURE, 12), 12, 2), "begins as TIFF does"),
        (tiff(stored(GREY, 12), 12, 0), "begins as TIFF does"),
        (tiff(stored(GREY, 10), 10, 1), "begins as TIFF does"),
        (tiff(stored(np.dstack([PICTURE, GREY]), 8), 8, 1, tags={338: (0, 0, 0)}), "begins as TIFF does"),
        (tiff(stored(PICTURE, 8), 8, 2, order=">", big=True), "begins as TIFF does"),
        (tiff(stored(GREY, 8), 8, 1, tags={259: (50000 - 1,)}), "begins as TIFF does"),
    ],
)
def test_a_layout_that_is_not_read_well_is_refused(content: bytes, what: str) -> None:
    assert what in refusal(content)


def png_rows(values: np.ndarray, depth: int) -> bytes:
    """Rows without a filter, as PNG stores them: TIFF's packing with 16 bits from the high byte."""
    packed = tiff(values, depth, 1, order=">")[8:]
    length = -(-values.shape[1] * values.shape[2] * depth // 8)
    return b"".join(b"\0" + packed[row * length : (row + 1) * length] for row in range(len(values)))


def png(values: np.ndarray, depth: int, colour: int, transparent: tuple[int, ...] | None = None) -> bytes:
    chunks = {} if transparent is None else {b"tRNS": struct.pack(f">{len(transparent)}H", *transparent)}
    return png_header(values.shape[1], values.shape[0], depth, colour, png_rows(values, depth), chunks)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_png_grey_of_every_depth_comes_back(depth: int) -> None:
    assert_read(png(stored(GREY, depth), depth, 0), GREY, depth, within=0)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_becomes_white_at_every_depth(depth: int) -> None:
    values = stored(GREY, depth)
    transparent = int(values[5, 7, 0])
    read = read_photograph(png(values, depth, 0, (transparent,)))[:, :, 0]
    opaque = np.rint(values[:, :, 0] * 255 / (2**depth - 1))
    np.testing.assert_array_equal(read, np.where(values[:, :, 0] == transparent, 255, opaque))


def test_the_transparent_colour_of_a_png_becomes_white_and_is_refused_at_16_bits() -> None:
    values = stored(PICTURE, 8)
    read = read_photograph(png(values, 8, 2, tuple(values[5, 7])))
    assert (read[5, 7] == 255).all()
    np.testing.assert_array_equal(read[6], values[6])
    assert "transparent colour" in refusal(png(stored(PICTURE, 16), 16, 2, tuple(stored(PICTURE, 16)[5, 7])))
