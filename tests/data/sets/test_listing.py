"""Which files are images, which of them a table names, and ids that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_sets import folder_set, write_image, write_table

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.image_folder import read_image_folder
from hierattn.data.sets.layouts import read_source
from hierattn.data.sets.listing import ImageFolder, Listing, check_ids
from hierattn.errors import DataError


def test_hidden_files_and_other_files_are_no_images(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_image(tmp_path / "MEL" / "._a.png", 1)
    write_image(tmp_path / ".thumbnails" / "b.png", 1)
    (tmp_path / "MEL" / "Thumbs.db").touch()
    (tmp_path / "MEL" / "notes.txt").touch()
    (tmp_path / "MEL" / "more.zip").write_bytes(b"PK")
    listing = read_image_folder(tmp_path)
    assert len(listing.records) == 1
    assert listing.notes[0] == "1 file is no photograph and not read: MEL/more.zip"


def test_files_are_found_by_stem_wherever_they_lie(tmp_path: Path) -> None:
    for path in ("part_1/a.jpg", "part_2/b.png", "part_2/C.JPG"):
        write_image(tmp_path / path, 1)
    folder = ImageFolder(tmp_path)
    assert folder.find("missing", "a") == tmp_path / "part_1" / "a.jpg"
    assert folder.find("images/c.png") == tmp_path / "part_2" / "C.JPG"
    assert folder.find("missing") is None
    folder.finish(listing := Listing("x"))
    assert (listing.unnamed, listing.notes) == ([tmp_path / "part_2" / "b.png"], [])


def test_of_equal_copies_one_is_taken_and_the_other_listed_and_different_files_are_refused(tmp_path: Path) -> None:
    for name, seed in (("a/x.png", 1), ("b/x.png", 1), ("a/y.png", 2)):
        write_image(tmp_path / name, seed)
    folder = ImageFolder(tmp_path)
    assert folder.find("x") == tmp_path / "a" / "x.png"
    folder.finish(listing := Listing("x"))
    assert [(Path(row.image).parent.name, row.reason) for row in listing.dropped] == [
        ("b", "a copy of a/x.png, byte for byte")
    ]
    write_image(tmp_path / "masks" / "y.png", 3)
    folder = ImageFolder(tmp_path)
    folder.find("y")
    with pytest.raises(DataError, match=r"a/y.png and masks/y.png .* different files with one id.*--images"):
        folder.finish(Listing("x"))


def test_pipes_and_links_to_nowhere_are_listed(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    os.mkfifo(tmp_path / "MEL" / "pipe")
    (tmp_path / "MEL" / "gone").symlink_to("nowhere")
    dropped = {Path(row.image).name: row.reason for row in read_image_folder(tmp_path).dropped}
    assert "leads nowhere" in dropped["gone"]
    assert "pipe" in dropped["pipe"]


def checked(ids: list[str], labels: str = "MEL NV") -> Listing:
    names = labels.split()
    records = [Record(f"{k}.jpg", names[k % len(names)], patient=one) for k, one in enumerate(ids)]
    listing = Listing("x", records=records)
    check_ids(listing)
    return listing


@pytest.mark.parametrize("spellings", [["007", "7", "7.0"], ["P1", "p1"], ["Anna  B", "anna b"], ["12", "12.0"]])
def test_spellings_of_one_id_are_taken_for_one_and_that_is_said(spellings: list[str]) -> None:
    listing = checked([*spellings, "other"])
    assert len({record.patient for record in listing.records}) == 2
    assert "1 patient ids stand in several spellings" in listing.notes[0]


def test_different_ids_stay_apart() -> None:
    listing = checked(["7", "70", "-7", "7a", "A7", "7.5", "0"])
    assert (len({record.patient for record in listing.records}), listing.notes) == (7, [])


@pytest.mark.parametrize(("count", "of", "is_noted"), [(21, 60, True), (20, 60, False), (21, 120, False)])
def test_an_id_that_covers_a_suspicious_share_is_noted(count: int, of: int, is_noted: bool) -> None:
    ids = ["0"] * count + [f"P{number}" for number in range(of - count)]
    assert bool(checked(ids).notes) is is_noted
    assert not checked(ids, "MEL").notes  # one person may well have many moles of one class


@pytest.mark.parametrize("value", ["-", "--", "?", ".", "none", "NaN", "N/A", "not available", "Unknown", "missing"])
def test_no_value_of_unknown_is_a_patient(tmp_path: Path, value: str) -> None:
    folder_set(tmp_path, {"MEL": 2})
    rows = [("MEL_0.png", value, value), ("MEL_1.png", value, value)]
    write_table(tmp_path / "groups.csv", ("image", "lesion", "patient"), rows)
    records = read_source(tmp_path)[1].records
    assert {(record.lesion, record.patient) for record in records} == {("", "")}
