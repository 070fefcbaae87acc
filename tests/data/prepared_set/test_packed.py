"""The packed set: what went in comes out, and a set whose files do not belong together is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.manifest import manifest_sha256, read_manifest
from hierattn.data.prepared_set.packed import IMAGES, INFO, MANIFEST, PackedSet, PackedWriter, is_prepared
from hierattn.errors import DataError
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.photograph import read_photograph


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of six images, for tests that only look."""
    place = tmp_path_factory.mktemp("packed")
    prepare(isic_set(place / "isic", ["MEL", "NV"] * 3), place / "prepared", PrepareOptions(size=32, folds=3))
    return place / "prepared"


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, for tests that break something."""
    return Path(shutil.copytree(whole, tmp_path / "prepared"))


def test_row_i_is_image_i_read_and_resized(whole: Path) -> None:
    packed = PackedSet.open(whole)
    assert len(packed) == len(packed.images) == 6
    for record, image in zip(packed.records, packed.images, strict=True):
        wanted = packed.image_spec.resize(read_photograph(whole / record.image))
        np.testing.assert_array_equal(image, wanted)


def test_an_opened_set_says_what_it_is(whole: Path) -> None:
    packed = PackedSet.open(whole)
    assert packed.records == read_manifest(whole / MANIFEST)
    assert packed.manifest_sha256 == manifest_sha256(whole / MANIFEST)
    assert packed.image_spec == ImageSpec(size=32, crop="surround")
    assert packed.info["source"] == "isic2019"
    assert packed.info["licence"] == "CC BY-NC 4.0"


def test_images_are_mapped_and_read_only(whole: Path) -> None:
    images = PackedSet.open(whole).images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0, 0] = 1


def test_numpy_alone_reads_the_images(whole: Path) -> None:
    np.testing.assert_array_equal(np.load(whole / IMAGES), PackedSet.open(whole).images)


def test_a_folder_that_is_no_prepared_set_says_what_to_run(tmp_path: Path) -> None:
    for missing in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="run 'hierattn prepare' first"):
            PackedSet.open(missing)
        assert not is_prepared(missing)


@pytest.mark.parametrize("name", [MANIFEST, IMAGES])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing.*prepare the set again"):
        PackedSet.open(folder)


@pytest.mark.parametrize("left", [0, 60, 200, -1])
def test_images_cut_short_anywhere_are_refused(folder: Path, left: int) -> None:
    content = (folder / IMAGES).read_bytes()
    (folder / IMAGES).write_bytes(content[:left])
    with pytest.raises(DataError, match="prepare the set again"):
        PackedSet.open(folder)


def test_images_with_something_behind_them_are_refused(folder: Path) -> None:
    with (folder / IMAGES).open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="bytes, wanted"):
        PackedSet.open(folder)


@pytest.mark.parametrize("array", [np.zeros((5, 32, 32, 3), np.uint8), np.zeros((6, 32, 32, 3), np.float32)])
def test_other_images_than_the_manifest_wants_are_refused(folder: Path, array: np.ndarray) -> None:
    np.save(folder / IMAGES, array)
    with pytest.raises(DataError, match=r"the manifest wants uint8 \(6, 32, 32, 3\)"):
        PackedSet.open(folder)


def test_pickled_objects_in_place_of_images_are_never_loaded(folder: Path) -> None:
    np.save(folder / IMAGES, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="damaged"):
        PackedSet.open(folder)


def test_an_archive_in_place_of_images_is_refused(folder: Path) -> None:
    with (folder / IMAGES).open("wb") as file:
        np.savez(file, images=np.zeros((6, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match="damaged"):
        PackedSet.open(folder)


def test_a_changed_manifest_is_refused(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace(",MEL,", ",NV,", 1))
    with pytest.raises(DataError, match="was changed after it was prepared"):
        PackedSet.open(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1', '"manifest_sha256"'])
def test_a_damaged_description_is_refused(folder: Path, content: str) -> None:
    (folder / INFO).write_text(content)
    with pytest.raises(DataError, match="damaged"):
        PackedSet.open(folder)


def test_another_version_is_refused(folder: Path) -> None:
    info = json.loads((folder / INFO).read_text())
    (folder / INFO).write_text(json.dumps({**info, "format": 2}))
    with pytest.raises(DataError, match="format 2: wanted 1"):
        PackedSet.open(folder)


def test_one_flipped_bit_opens_but_does_not_verify(folder: Path) -> None:
    PackedSet.open(folder).verify()
    content = bytearray((folder / IMAGES).read_bytes())
    content[-1] ^= 1
    (folder / IMAGES).write_bytes(content)
    with pytest.raises(DataError, match="its pixels are not those written"):
        PackedSet.open(folder).verify()


@pytest.mark.parametrize(("at_most", "count"), [(3, 3), (100_000, 1), (12, 0)])
def test_the_writer_ends_with_the_true_number_of_images(tmp_path: Path, at_most: int, count: int) -> None:
    path = tmp_path / IMAGES
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    with PackedWriter(path, 32, at_most) as writer:
        for image in images:
            writer.append(image)
    np.testing.assert_array_equal(np.load(path), images)
    assert writer.sha256 == hashlib.sha256(images.tobytes()).hexdigest()
