"""ISIC 2024: 401,059 rows row by row, an HDF5 file's photographs, and both ways in which it is given out."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.data.sets.published_sets import folds_without_leaks, isic2024_kaggle, slice_3d, touch, write
from tiny_sets import write_image

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.sets.layouts import read_source
from hierattn.errors import MissingPackageError, TableError

SUPPLEMENT = ["isic_id", "lesion_id", "iddx_full", "iddx_1"]


def official(folder: Path, malignant: int, images: int, part: str = "ISIC_2024_Training") -> Path:
    """The challenge's four files; metadata.csv lies beside the images."""
    rows = list(slice_3d(malignant, images, patients=max(3, images // 40)))
    write(folder / f"{part}_GroundTruth.csv", ["isic_id", "malignant"], ((row[0], float(row[1])) for row in rows))
    write(folder / f"{part}_Supplement.csv", SUPPLEMENT, ((row[0], row[3], row[4], row[4]) for row in rows))
    metadata = ((row[0], row[2], "60.0", "female", "torso") for row in rows)
    columns = ["isic_id", "patient_id", "age_approx", "sex", "anatom_site_general"]
    write(folder / f"{part}_Input" / "metadata.csv", columns, metadata)
    touch(folder / f"{part}_Input", (f"{row[0]}.jpg" for row in rows))
    return folder


def test_a_table_of_a_hundred_thousand_rows_is_read_with_its_photographs_in_one_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    isic2024_kaggle(tmp_path, malignant=98, images=100_001, measured=8)
    with h5py.File(tmp_path / "train-image.hdf5", "w") as file:
        file["ISIC_0000000"] = np.void(b"x")
        one = file["ISIC_0000000"]
        for name in (row[0] for row in slice_3d(98, 100_001, 1_042)):
            if name not in ("ISIC_0000000", "ISIC_0000020"):
                file[name] = one  # a second name: copies would take minutes
        file["ISIC_9999999"] = one
    layout, listing = read_source(tmp_path)
    assert (layout.name, listing.taxonomy.name, listing.notes) == ("isic2024", "malignant", [])
    assert [(row.image, row.reason) for row in listing.dropped] == [("ISIC_0000020", "no image file")]
    assert [path.name for path in listing.unnamed] == ["ISIC_9999999"]
    assert Counter(record.label for record in listing.records) == {"benign": 99_902, "malignant": 98}
    assert len({record.patient for record in listing.records}) == 1_042
    assert {(record.age, record.domain, record.site) for record in listing.records} == {
        ("60", "clinical", "lower extremity")
    }
    assert len({record.group for record in folds_without_leaks(listing.records[:20_000])}) == 1_042


@pytest.mark.parametrize("part", ["ISIC_2024_Training", "ISIC_2024_Permissive_Training"])
def test_the_challenges_files_give_the_same_and_their_licence(tmp_path: Path, part: str) -> None:
    layout, listing = read_source(official(tmp_path, 30, 12_000, part))
    assert (layout.name, listing.dropped, listing.notes) == ("isic2024", [], [])
    assert listing.licence == ("CC BY 4.0" if "Permissive" in part else "CC BY-NC 4.0")
    assert Counter(record.label for record in listing.records) == {"benign": 11_970, "malignant": 30}
    assert sum(bool(record.lesion) for record in listing.records) == 1_200
    assert len({record.group for record in folds_without_leaks(listing.records)}) == 300


def test_without_the_patients_table_a_note_says_that_folds_leak(tmp_path: Path) -> None:
    source = official(tmp_path, 3, 60)
    (source / "ISIC_2024_Training_Input" / "metadata.csv").unlink()
    _, listing = read_source(source)
    assert "patients are unknown, and folds leak" in listing.notes[-1]


def test_photographs_from_the_file_are_prepared_and_nothing_is_done_twice(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    source = tmp_path / "kaggle"
    isic2024_kaggle(source, malignant=9, images=18, patients=9)
    with h5py.File(source / "train-image.hdf5", "w") as file:
        for seed, row in enumerate(slice_3d(9, 18, 9)):
            file[row[0]] = np.void(write_image(tmp_path / "drawn" / f"{seed}.jpg", seed).read_bytes())
    options = PrepareOptions(size=32, folds=3, pictures=True, near_duplicates=False)
    report = prepare(source, tmp_path / "out", options)
    packed = PackedSet.open(tmp_path / "out")
    assert (report.images, len(packed.records), report.dropped) == (18, 18, [])
    assert packed.records[0].image == "../kaggle/train-image.hdf5/ISIC_0000000"
    assert "nothing was done" in prepare(source, tmp_path / "out", options).notes[-1]


def test_without_h5py_and_with_bad_tables_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isic2024_kaggle(tmp_path, malignant=1, images=3, patients=3)
    (tmp_path / "train-image.hdf5").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match=r"hierattn\[hdf5\]"):
        read_source(tmp_path)
    touch(tmp_path / "train-image", ["ISIC_0000000.jpg"])
    for target, words in (
        ("2", "ISIC_1: malignant is '2'"),
        ("", "no image of .* can be taken, for example ISIC_1: no malignant"),
    ):
        write(tmp_path / "train-metadata.csv", ["isic_id", "target", "patient_id"], [("ISIC_1", target, "IP_1")])
        touch(tmp_path / "train-image", ["ISIC_1.jpg"])
        with pytest.raises(Exception, match=words):
            read_source(tmp_path)
    write(tmp_path / "train-metadata.csv", ["isic_id", "target", "patient_id"], [("ISIC_1", 0, "IP_1")] * 2)
    with pytest.raises(TableError, match="names ISIC_1 more than once"):
        read_source(tmp_path)
