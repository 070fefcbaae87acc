"""One folder a class, and which layout a folder has."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import folder_set, write_image, write_table

from hierattn.data.sets.image_folder import label_of_folder, read_image_folder
from hierattn.errors import TableError
from hierattn.taxonomy import CODES, LESIONS


@pytest.mark.parametrize("lesion", LESIONS, ids=CODES)
def test_every_known_name_of_a_class_is_accepted_in_any_case(lesion: object) -> None:
    names = [name for name in (lesion.code, lesion.isic, lesion.ham, lesion.pad, lesion.name) if name]  # type: ignore[attr-defined]
    for name in names:
        for spelled in (name, name.upper(), name.lower(), name.replace(" ", "_"), name.replace(" ", "-")):
            assert label_of_folder(spelled) == lesion.code  # type: ignore[attr-defined]


def test_no_name_means_two_classes() -> None:
    names = [{name.lower() for name in (one.code, one.isic, one.ham, one.pad, one.name) if name} for one in LESIONS]
    assert len(set.union(*names)) == sum(map(len, names))


def test_part_of_a_name_is_not_a_name() -> None:
    for name in ("MEL2", "melanoma in situ", "not MEL", "", "other"):
        assert label_of_folder(name) is None


def test_the_folder_an_image_lies_in_is_its_class_at_any_depth(tmp_path: Path) -> None:
    write_image(tmp_path / "mel" / "a.png", 0)
    write_image(tmp_path / "MEL_clinic" / "SEK" / "MEL.jpg", 1)
    listing = read_image_folder(tmp_path)
    assert {Path(record.image).name: record.label for record in listing.records} == {"a.png": "MEL", "MEL.jpg": "BKL"}


def test_an_unknown_folder_is_an_error_that_lists_the_classes(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1, "warts": 1})
    with pytest.raises(TableError, match="in the folder 'warts'") as caught:
        read_image_folder(tmp_path)
    assert all(code in str(caught.value) for code in CODES)


def test_an_image_in_no_class_folder_is_an_error(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_image(tmp_path / "stray.png", 3)
    with pytest.raises(TableError, match="lies in no class folder"):
        read_image_folder(tmp_path)


def test_groups_are_read_by_path_or_by_name(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2, "NV": 1})
    rows = [("MEL/MEL_0.png", "L1", "P1"), ("NV_0.png", "L2", "P1"), ("gone.png", "L3", "P2")]
    write_table(tmp_path / "groups.csv", ("image", "lesion", "patient"), rows)
    listing = read_image_folder(tmp_path)
    told = {Path(record.image).name: (record.lesion, record.patient) for record in listing.records}
    assert told == {"MEL_0.png": ("L1", "P1"), "MEL_1.png": ("", ""), "NV_0.png": ("L2", "P1")}
    assert [row.image for row in listing.dropped] == ["gone.png"]
    assert "1 of 3 images have neither lesion nor patient" in listing.notes[0]


def test_groups_with_an_image_twice_or_nothing_to_group_by_are_errors(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_table(tmp_path / "groups.csv", ("image", "lesion"), [("a.png", "L1"), ("a.png", "L2")])
    with pytest.raises(TableError, match=r"names a\.png more than once"):
        read_image_folder(tmp_path)
    write_table(tmp_path / "groups.csv", ("image", "doctor"), [("a.png", "D1")])
    with pytest.raises(TableError, match="neither a lesion nor a patient"):
        read_image_folder(tmp_path)
