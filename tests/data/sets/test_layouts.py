"""Layouts are recognised by their files, and bad sources are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import folder_set, isic_set, write_table

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
