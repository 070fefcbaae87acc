"""Photographs as they are handed over: the same pixels by every way, the crop and the cleaning that training did."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from image_files import tiff
from PIL import Image
from tiny_sets import folder_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.photo_input import MAX_PIXELS, clean_as_trained, crop_as_trained, to_photograph
from hierattn.errors import ImageError
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.photograph import MIN_SIDE, read_photograph

ALL = ImageSpec(size=64, crop="surround", colour_constancy="shades_of_grey", hair_removal=True)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return render_lesion("MEL", np.random.default_rng(6), 150).image  # without a surround


def test_every_way_gives_the_same_pixels(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    for way in (photo, path, str(path), path.read_bytes(), Image.fromarray(photo), Image.open(path)):
        np.testing.assert_array_equal(to_photograph(way), photo)


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [(8, 161, "no side over 20 times the other"), (161, 8, "no side over 20 times"), (7, 60, "8 or more a side")],
)
def test_every_way_refuses_what_a_file_of_it_would_be_refused_for(height, width, wanted, tmp_path):
    pixels = np.zeros((height, width, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    for way in (pixels, Image.fromarray(pixels), tmp_path / "photo.png"):
        with pytest.raises(ImageError, match=f"{width} x {height} pixels: wanted {wanted}"):
            to_photograph(way)


def test_pil_image_is_turned_upright_and_flattened_as_its_file_would_be(photo, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo[:100]).save(path, exif=exif)
    np.testing.assert_array_equal(to_photograph(Image.open(path)), to_photograph(path))
    glass = np.dstack([photo, np.full(photo.shape[:2], 40, np.uint8)])
    file = io.BytesIO()
    Image.fromarray(glass).save(file, "PNG")
    np.testing.assert_array_equal(to_photograph(Image.fromarray(glass)), to_photograph(file.getvalue()))


def test_upright_is_a_quarter_turn_and_transparent_is_as_on_white_paper(photo):
    turned = Image.fromarray(photo[:100])
    turned.getexif()[0x0112] = 6  # the camera was held upright: its top is the picture's right
    np.testing.assert_array_equal(to_photograph(turned), np.rot90(photo[:100], -1))
    glass = Image.fromarray(np.dstack([photo, np.full(photo.shape[:2], 51, np.uint8)]))
    np.testing.assert_allclose(to_photograph(glass), 0.2 * photo + 0.8 * 255, atol=1)


@pytest.mark.parametrize(
    ("bits", "photometric", "what"), [(16, 0, "white as 0 and 16 bits"), (12, 1, "12 bits"), (16, 1, "")]
)
def test_a_tiff_that_pillow_misread_is_refused_once_it_is_opened_too(photo, bits, photometric, what):
    values = photo[:, :, 1:2].astype(int) * (2**bits - 1) // 255
    opened = Image.open(io.BytesIO(tiff(values, bits, photometric)))
    if what:
        with pytest.raises(ImageError, match=what):
            to_photograph(opened)
    else:
        np.testing.assert_array_equal(to_photograph(opened)[:, :, 0], photo[:, :, 1])


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16"])
def test_other_modes_of_pillow_become_rgb(photo, mode):
    grey = photo[:, :, 1]
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    read = to_photograph(image)
    assert (read.shape, read.dtype) == (photo.shape, np.uint8)
    wanted = np.where(np.asarray(image), 255, 0) if mode == "1" else grey
    np.testing.assert_allclose(read, np.dstack([wanted] * 3), atol=1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((4, 64, 3), np.uint8),
        b"not an image",
        b"",
        "nowhere.jpg",
        Path("nowhere.jpg"),
        3.5,
    ],
    ids=str,
)
def test_what_is_no_photograph_gets_one_line(image):
    with pytest.raises(ImageError) as caught:
        to_photograph(image)
    assert "\n" not in str(caught.value)


def test_the_smallest_and_the_largest_array_are_taken_and_none_beyond():
    def array(height: int, width: int) -> np.ndarray:
        return np.broadcast_to(np.uint8(0), (height, width, 3))  # takes no memory

    largest = MAX_PIXELS // 10_000
    for height, width in ((MIN_SIDE, MIN_SIDE), (10_000, largest)):
        assert to_photograph(array(height, width)).shape == (height, width, 3)
    for height, width in ((MIN_SIDE, MIN_SIDE - 1), (10_000, largest + 1)):
        with pytest.raises(ImageError, match=f"{width} x {height} pixels"):
            to_photograph(array(height, width))


def test_a_dark_surround_is_cut_and_a_plain_photograph_is_not(photo):
    rows, columns = np.mgrid[:150, :150]
    disc = np.hypot(rows - 75, columns - 75) < 60
    framed = np.where(disc[:, :, None], photo, 0).astype(np.uint8)
    part, was_cut = crop_as_trained(framed, "surround")
    assert was_cut
    assert 60 <= min(part.shape[:2]) <= max(part.shape[:2]) <= 121  # within the disc of 119 pixels
    for image, rule in ((photo, "surround"), (photo, "none"), (framed, "none")):
        part, was_cut = crop_as_trained(image, rule)
        assert part is image
        assert not was_cut


def test_prepare_and_the_predictor_make_the_same_pixels_of_the_same_file(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 3, "NV": 3})
    prepare(
        source, tmp_path / "out", PrepareOptions(size=64, folds=3, colour_constancy="shades_of_grey", hair_removal=True)
    )
    packed = PackedSet.open(tmp_path / "out")
    assert packed.image_spec == ALL
    for record, pixels in zip(packed.records, packed.images, strict=True):
        part, _ = crop_as_trained(read_photograph(packed.folder / record.image), ALL.crop)
        np.testing.assert_array_equal(packed.image_spec.resize(clean_as_trained(part, ALL)), pixels)
