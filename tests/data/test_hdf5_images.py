"""Photographs inside an HDF5 file are read alone, bounded, and only where they are bytes of the file itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import write_image

from hierattn.data import hdf5_images
from hierattn.data.hdf5_images import image_bytes, image_state, names_in
from hierattn.errors import DataError, ImageError, MissingPackageError

h5py = pytest.importorskip("h5py")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """``ISIC_1`` as Kaggle stores one, ``ISIC_2`` as an array of bytes, and what is no photograph of this file."""
    (tmp_path / "secret.jpg").write_bytes(b"of another file")
    with h5py.File(tmp_path / "train-image.hdf5", "w") as file:
        content = write_image(tmp_path / "a.jpg", 1).read_bytes()
        file["ISIC_1"] = np.void(content)
        file["ISIC_2"] = np.frombuffer(content, np.uint8)
        file["ISIC_3"] = np.bytes_(content)
        file["number"] = 3.5
        file["text"] = "a text of any length"
        file.create_group("group")
        file["soft"] = h5py.SoftLink("/ISIC_1")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
        file.create_dataset("outside", (15,), "u1", external=[(str(tmp_path / "secret.jpg"), 0, 15)])
        file.create_dataset("huge", (hdf5_images.MAX_BYTES + 1,), "u1", chunks=True)
    return tmp_path / "train-image.hdf5"


def test_a_photograph_is_the_bytes_that_were_stored_and_a_file_of_its_own_is_read_alike(store: Path) -> None:
    content = (store.parent / "a.jpg").read_bytes()
    for image in (store / "ISIC_1", store / "ISIC_2", store / "ISIC_3", store.parent / "a.jpg"):
        assert image_bytes(image) == content
    assert image_state(store / "ISIC_1") == store.stat()
    assert {"ISIC_1", "ISIC_2", "ISIC_3"} < set(names_in(store))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "holds no absent"),
        ("number", "no file's bytes"),
        ("text", "no file's bytes"),
        ("group", "no file's bytes"),
        ("soft", "link to elsewhere"),
        ("elsewhere", "link to elsewhere"),
        ("outside", "no file's bytes"),
        ("huge", "wanted at most"),
    ],
)
def test_what_is_no_photograph_of_the_file_is_refused_in_one_line(store: Path, name: str, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        image_bytes(store / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_hdf5_is_told_and_a_changed_one_is_read_anew(store: Path) -> None:
    assert names_in(store)
    with h5py.File(store.parent / "new.h5", "w") as file:
        file["ISIC_9"] = np.void(b"new")
    (store.parent / "new.h5").replace(store)
    assert list(names_in(store)) == ["ISIC_9"]
    store.unlink()
    store.write_bytes(b"<html>")
    with pytest.raises(DataError, match="is no HDF5 file"):
        names_in(store)


def test_without_h5py_the_line_names_the_extra(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match=r"h5py is not installed.*hierattn\[hdf5\]"):
        image_bytes(store / "ISIC_1")
