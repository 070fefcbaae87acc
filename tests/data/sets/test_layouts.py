"""Layouts are recognised by their files, and bad sources are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import folder_set, isic_set, write_image, write_table

from hierattn.data.sets.layouts import LAYOUT_NAMES, detect_layout, read_source
from hierattn.errors import DataError, TableError, UsageError


def test_each_layout_is_told_by_its_files(tmp_path: Path) -> None:
    write_table(tmp_path / "ham" / "HAM10000_metadata", ("lesion_id",), [("L",)])
    write_table(tmp_path / "pad" / "metadata.csv", ("img_id", "diagnostic"), [("x", "MEL")])
    folder_set(tmp_path / "mine", {"MEL": 1})
    write_table(tmp_path / "mine" / "metadata.csv", ("file", "camera"), [("x", "y")])
    isic_set(tmp_path / "isic", ["MEL"])
    found = {name: detect_layout(tmp_path / name).name for name in ("ham", "pad", "mine", "isic")}
    assert found == {"ham": "ham10000", "pad": "pad-ufes-20", "mine": "folder", "isic": "isic2019"}


def test_a_folder_of_no_layout_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        detect_layout(tmp_path)
    for word in ("isic2019", "ISIC_2019_Training_GroundTruth.csv", "HAM10000_metadata.csv", "metadata.csv", "folder"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "folder", ["ISIC2018_Task3_Training_Input", "train", "train-image/image", "images", "jpeg/train", "."]
)
def test_another_set_has_no_known_layout_and_is_told_what_to_do(tmp_path: Path, folder: str) -> None:
    write_image(tmp_path / folder / "ISIC_1.jpg", 1)
    write_table(tmp_path / "metadata.csv", ("isic_id", "diagnosis_1"), [("ISIC_1", "Benign")])
    with pytest.raises(TableError, match=r"no known layout .* one folder a class") as caught:
        read_source(tmp_path)
    assert "rename" not in str(caught.value)


def test_a_named_layout_is_not_guessed_and_the_folder_of_the_images_counts(tmp_path: Path) -> None:
    folder_set(tmp_path / "photos", {"MEL": 2})
    write_table(tmp_path / "tables" / "groups.csv", ("image", "patient"), [("MEL/MEL_0.png", "P")])
    for layout in ("folder", "auto"):
        found, listing = read_source(tmp_path / "tables", layout, tmp_path / "photos")
        assert (found.name, [record.patient for record in listing.records]) == ("folder", ["P", ""])
    with pytest.raises(TableError, match="no table"):
        read_source(tmp_path / "photos", "ham10000")


def test_missing_folders_and_unknown_layouts_are_bad_use(tmp_path: Path) -> None:
    source = folder_set(tmp_path, {"MEL": 1})
    for call in (
        lambda: read_source(tmp_path / "absent"),
        lambda: read_source(source, "coco"),
        lambda: read_source(source, images=tmp_path / "absent"),
    ):
        with pytest.raises(UsageError):
            call()
    assert LAYOUT_NAMES[0] == "auto"


def test_a_table_none_of_whose_images_is_there_says_where_to_point(tmp_path: Path) -> None:
    source = isic_set(tmp_path, ["MEL"])
    (source / "ISIC_2019_Training_Input" / "ISIC_0000000.jpg").unlink()
    with pytest.raises(DataError, match=r"ISIC_0000000.*--images"):
        read_source(source)


def test_a_set_one_folder_deeper_is_named(tmp_path: Path) -> None:
    inside = isic_set(tmp_path / "download" / "ISIC_2019", ["MEL"])
    with pytest.raises(TableError, match=f"holds a set in {inside}, in the layout isic2019: name that folder"):
        detect_layout(tmp_path / "download")
