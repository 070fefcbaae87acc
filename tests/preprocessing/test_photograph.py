"""Every kind of file that a camera, a clinic or an attacker sends: upright RGB, or one line."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from image_files import encoded, png_header
from PIL import Image, features

from hierattn.errors import ImageError
from hierattn.preprocessing.photograph import read_photograph

HEIGHT, WIDTH = 24, 32


@pytest.fixture
def picture() -> np.ndarray:
    """A picture without any symmetry, so that every turn and flip shows."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 10, columns * 7, (rows + 2 * columns) * 2], axis=2).astype(np.uint8)


def refusal(content: bytes | Path, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        read_photograph(content, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_lossless_rgb_file_comes_back_as_it_was(picture: np.ndarray, kind: str) -> None:
    read = read_photograph(encoded(Image.fromarray(picture), kind))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, picture)


def test_a_path_bytes_and_an_open_file_give_the_same(picture: np.ndarray, tmp_path: Path) -> None:
    content = encoded(Image.fromarray(picture), "JPEG")
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with path.open("rb") as file:
        from_file = read_photograph(file)
    np.testing.assert_array_equal(read_photograph(path), read_photograph(content))
    np.testing.assert_array_equal(from_file, read_photograph(content))


def test_the_array_can_be_written_to(picture: np.ndarray) -> None:
    assert read_photograph(encoded(Image.fromarray(picture), "PNG")).flags.writeable


def test_grey_is_repeated_into_three_channels(picture: np.ndarray) -> None:
    grey = picture[:, :, 2]
    read = read_photograph(encoded(Image.fromarray(grey), "PNG"))
    for channel in range(3):
        np.testing.assert_array_equal(read[:, :, channel], grey)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    grey = (np.arange(HEIGHT * WIDTH, dtype=np.uint32) * 65535 // (HEIGHT * WIDTH - 1)).astype(np.uint16)
    grey = grey.reshape(HEIGHT, WIDTH)
    read = read_photograph(encoded(Image.fromarray(grey), kind))
    np.testing.assert_array_equal(read[:, :, 0], np.rint(grey / 257).astype(np.uint8))
    assert (read.min(), read.max()) == (0, 255)


def test_16_bit_colour_is_scaled_to_within_one_level() -> None:
    values = np.linspace(0, 65535, HEIGHT * WIDTH * 3).astype(">u2").reshape(HEIGHT, WIDTH * 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    read = read_photograph(png_header(WIDTH, HEIGHT, depth=16, rows=rows))
    wanted = values.astype(float).reshape(HEIGHT, WIDTH, 3) / 257
    assert np.abs(read - wanted).max() <= 1
    assert (read.min(), read.max()) == (0, 255)


def test_a_palette_gives_its_colours(picture: np.ndarray) -> None:
    indexed = Image.fromarray(picture).quantize(16)
    np.testing.assert_array_equal(read_photograph(encoded(indexed, "PNG")), np.asarray(indexed.convert("RGB")))


def test_transparent_pixels_become_white_in_every_mode(picture: np.ndarray) -> None:
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, :10] = 0
    alpha[:, 10:20] = 128
    coloured = Image.fromarray(np.dstack([picture, alpha]))
    read = read_photograph(encoded(coloured, "PNG"))
    assert (read[:, :10] == 255).all()
    half = picture[:, 10:20] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(read[:, 10:20] - half).max() <= 1
    np.testing.assert_array_equal(read[:, 20:], picture[:, 20:])

    grey = Image.fromarray(picture[:, :, 0]).convert("LA")
    grey.putalpha(Image.fromarray(alpha))
    assert (read_photograph(encoded(grey, "PNG"))[:, :10] == 255).all()

    indexed = Image.fromarray((picture[:, :, 0] > 100).astype(np.uint8), "L").convert("P")
    indexed.putpalette([0, 0, 0, 200, 10, 20])
    read = read_photograph(encoded(indexed, "PNG", transparency=bytes([0, 255])))
    assert (read[picture[:, :, 0] <= 100] == 255).all()
    assert (read[picture[:, :, 0] > 100] == (200, 10, 20)).all()


def test_cmyk_is_read_as_the_colours_it_shows() -> None:
    red = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        assert np.abs(read_photograph(encoded(red, kind)).astype(int) - (255, 0, 0)).max() <= 3


# Orientation -> what numpy does to a stored array so that it is upright, after the EXIF standard's own table of
# what row 0 and column 0 of the stored array are (top-left, top-right, bottom-right, ...).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_every_exif_rotation_is_undone_once(picture: np.ndarray, kind: str, orientation: int) -> None:
    image = Image.fromarray(picture)
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = read_photograph(encoded(image, kind))
    turned = read_photograph(encoded(image, kind, exif=exif))
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x40\1"])
def test_a_damaged_exif_block_does_not_cost_the_picture(picture: np.ndarray, exif: bytes) -> None:
    image = Image.fromarray(picture)
    np.testing.assert_array_equal(
        read_photograph(encoded(image, "JPEG", exif=exif)), read_photograph(encoded(image, "JPEG"))
    )


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("#f01010", "#1010f0"))
    read = read_photograph(encoded(first, kind, save_all=True, append_images=[second]))
    assert np.abs(read.astype(int) - (240, 16, 16)).max() <= 8


def test_a_truncated_jpeg_is_refused_wherever_it_is_cut() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG")
    for length in (10, 200, len(content) // 2, len(content) - 200):
        assert "again" in refusal(content[:length]) or "not an image" in refusal(content[:length])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_half_a_file_of_any_format_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    refusal(content[: len(content) // 2])


def test_an_empty_file_is_named_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "nothing.jpg"
    path.touch()
    assert refusal(path) == f"{path} is empty (0 bytes): wanted an image; copy or download it again"
    assert "empty" in refusal(b"")


def test_a_text_file_called_jpg_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("patient 12, left arm")
    assert "is not an image" in refusal(path)
    assert "export it as JPEG or PNG" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(128) + b"DICM" + bytes(99), "is DICOM, which predict reads, and prepare does not"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "fetch that (git lfs pull)"),
        (b"PK\3\4" + bytes(99), "is a ZIP archive: unpack it"),
        (b"%PDF-1.7\n", "is a PDF: export its photograph"),
    ],
)
def test_another_kind_of_file_is_told_from_a_damaged_image(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_without_its_reader_a_heic_file_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    line = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert "pip install 'hierattn[heic]" in line
    assert "convert it to JPEG" in line


def encoded_heic(image: Image.Image, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    pillow_heif.register_heif_opener()
    return encoded(image, "HEIF", quality=95, **options)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_heic_is_turned_upright_once(picture: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_photograph(encoded_heic(Image.fromarray(picture), exif=exif.tobytes()))
    assert np.abs(read - UPRIGHT[orientation](picture).astype(int)).mean() < 2


def test_heic_of_10_bits_with_alpha_and_in_grey_comes_back(picture: np.ndarray) -> None:
    image = Image.fromarray(picture)
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")
    deep = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", image.size, (picture.astype(np.uint16) * 257).tobytes()).save(deep, quality=95)
    assert pillow_heif.open_heif(deep.getvalue()).info["bit_depth"] == 10
    assert np.abs(read_photograph(deep.getvalue()) - picture.astype(int)).mean() < 3
    clear = Image.fromarray(np.dstack([picture, np.zeros((HEIGHT, WIDTH), np.uint8)]))
    assert (read_photograph(encoded_heic(clear)) >= 254).all()
    grey = read_photograph(encoded_heic(image.convert("L")))
    assert np.abs(grey - np.asarray(image.convert("L").convert("RGB")).astype(int)).mean() < 2


def test_a_heic_too_large_or_cut_short_is_refused(picture: np.ndarray) -> None:
    content = encoded_heic(Image.fromarray(picture))
    assert "32 x 24 pixels: wanted at most 500" in refusal(content, max_pixels=500)
    for length in (100, len(content) // 2, len(content) - 1):
        assert "again" in refusal(content[:length])


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_avif_is_turned_upright_once_or_says_what_it_needs(picture: np.ndarray, orientation: int) -> None:
    if not features.check("avif"):
        assert "is AVIF" in refusal(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(100))
        return
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = read_photograph(encoded(Image.fromarray(picture), "AVIF", quality=95, exif=exif))
    assert np.abs(read - UPRIGHT[orientation](picture).astype(int)).mean() < 2


def test_a_film_is_no_image() -> None:
    assert "is not an image" in refusal(b"\0\0\0\x18ftypisom\0\0\2\0mp41iso2" + bytes(200))


def test_a_format_outside_the_list_is_refused_though_pillow_reads_it(picture: np.ndarray) -> None:
    for kind in ("PPM", "TGA", "ICO", "PCX"):
        content = encoded(Image.fromarray(picture), kind)
        Image.open(io.BytesIO(content)).load()
        assert "is not an image that can be read" in refusal(content)


def test_a_huge_header_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    assert "pixels" in refusal(png_header(50_000, 50_000))
    assert "20000 x 7000 pixels: wanted at most 100,000,000" in refusal(png_header(20_000, 7_000))
    assert "make it smaller" in refusal(png_header(9_600, 9_600), max_pixels=50_000_000)


def test_a_header_that_makes_pillow_warn_raises_no_warning() -> None:
    """9,600 x 9,600 is within our limit and above the one from which Pillow warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "truncated" in refusal(png_header(9_600, 9_600))


@pytest.mark.parametrize("size", [(7, 100), (100, 7), (1, 1)])
def test_an_image_too_small_to_see_is_refused(size: tuple[int, int]) -> None:
    assert "wanted 8 or more a side" in refusal(encoded(Image.new("RGB", size), "PNG"))


def test_a_strip_is_refused_and_the_limit_is_accepted() -> None:
    assert "20 times" in refusal(encoded(Image.new("RGB", (8, 161)), "PNG"))
    assert read_photograph(encoded(Image.new("RGB", (160, 8)), "PNG")).shape == (8, 160, 3)


@pytest.mark.parametrize(("mode", "what"), [("F", "pixels of type F"), ("I", "signed pixels"), ("LAB", "of type LAB")])
def test_pixels_without_a_black_and_white_are_refused(mode: str, what: str) -> None:
    assert what in refusal(encoded(Image.new(mode, (WIDTH, HEIGHT)), "TIFF"))


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    assert "check the path" in refusal(tmp_path / "absent.jpg")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_link_without_its_content_is_told_from_a_wrong_path(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").symlink_to("annex/objects/none")
    assert "x.jpg is a link that leads nowhere: fetch what it names" in refusal(tmp_path / "x.jpg")


def test_a_pipe_a_socket_or_a_device_is_refused_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    (tmp_path / "zeros.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "socket.jpg"))
        for name in ("pipe.jpg", "link.jpg", "zeros.jpg", "socket.jpg"):
            assert "is a pipe, socket or device" in refusal(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="this system does not name open files")
def test_a_pipe_that_is_named_as_one_is_read_to_its_end(picture: np.ndarray) -> None:
    content = encoded(Image.fromarray(picture), "PNG")
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as end:
            end.write(content)
        np.testing.assert_array_equal(read_photograph(Path(f"/dev/fd/{reading}")), picture)
    finally:
        os.close(reading)


def test_an_open_file_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hierattn.preprocessing.photograph.MAX_BYTES", 1000)
    path = tmp_path / "long.png"
    path.write_bytes(bytes(1001))
    assert "1,001 bytes: wanted at most 1,000" in refusal(path)
    with path.open("rb") as file, pytest.raises(ImageError, match="over 1,000 bytes"):
        read_photograph(file)


def test_a_given_name_is_what_the_error_says() -> None:
    with pytest.raises(ImageError, match=r"^upload 3 is empty"):
        read_photograph(b"", name="upload 3")


def test_damaged_bytes_never_raise_anything_else(picture: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"):
        content = np.frombuffer(encoded(Image.fromarray(picture), kind), np.uint8)
        for _ in range(40):
            damaged = content.copy()
            where = generator.integers(0, len(content), 6)
            damaged[where] = generator.integers(0, 256, 6)
            with suppress(ImageError):
                assert read_photograph(damaged.tobytes(), max_pixels=1_000_000).shape[2] == 3


def test_threads_leave_the_warning_filters_as_they_were(picture: np.ndarray) -> None:
    content = encoded(Image.fromarray(picture), "TIFF")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [read_photograph(content) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
