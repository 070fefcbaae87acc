"""Layouts are recognised by their files, and bad sources are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.sets.published_sets import bcn20000, ddi, isic2018, ph2
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


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "meta.csv").write_bytes("case_num;diagnosis;é\n".encode("utf-16-le")[:-1])
    with pytest.raises(TableError, match=r"saw meta/meta.csv with no columns that can be read, the folder meta;"):
        detect_layout(tmp_path)


def _isic2018_set(folder: Path) -> None:
    isic2018(folder, {"MEL": 3, "NV": 4}, lesions=3)


def _tables(**tables: tuple[str, ...]) -> Callable[[Path], None]:
    """Empty but for one row each."""

    def make(folder: Path) -> None:
        for name, columns in tables.items():
            write_table(folder / f"{name}.csv", columns, [["x"] * len(columns)])

    return make


def _test_part(name: str, columns: tuple[str, ...] = ("image", "MEL")) -> Callable[[Path], None]:
    return lambda folder: write_table(folder / f"{name}.csv", columns, [["x"] * len(columns)])


SETS: dict[str, Callable[[Path], object]] = {
    "isic2018": _isic2018_set,
    "isic2018-validation": _test_part("ISIC2018_Task3_Validation_GroundTruth"),
    "isic2018-test": _test_part("ISIC2018_Task3_Test_GroundTruth"),
    "isic2019": lambda folder: isic_set(folder, ["MEL"]),
    "isic2019-test": _test_part("ISIC_2019_Test_GroundTruth"),
    "isic2020": _tables(train=("image_name", "patient_id", "benign_malignant", "target")),
    "isic2024": _tables(**{"train-metadata": ("isic_id", "target", "patient_id"), "metadata": ("isic_id", "iddx_1")}),
    "ham10000": _tables(HAM10000_metadata=("image_id", "dx"), ISIC2018_Task3_Test_GroundTruth=("image", "dx")),
    "bcn20000": lambda folder: (bcn20000(folder, 30), bcn20000(folder, 30, part="test")),
    "bcn20000-test": lambda folder: bcn20000(folder, 30, part="test"),
    "milk10k": _tables(MILK10k_Training_GroundTruth=("lesion_id", "MEL"), metadata=("isic_id", "diagnosis_1")),
    "pad-ufes-20": _tables(metadata=("img_id", "diagnostic", "patient_id", "lesion_id")),
    "derm7pt": _tables(meta=("case_num", "diagnosis", "clinic", "derm")),
    "ph2": ph2,
    "fitzpatrick17k": _tables(fitzpatrick17k=("md5hash", "label")),
    "ddi": ddi,
    "scin": _tables(scin_cases=("case_id", "image_1_path"), scin_labels=("case_id",)),
    "isic-archive": _tables(metadata=("isic_id", "diagnosis_1"), licences=("licence", "text")),
    "folder": lambda folder: folder_set(folder, {"MEL": 1}),
}


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_told_from_all_others(tmp_path: Path, name: str) -> None:
    SETS[name](tmp_path)
    assert detect_layout(tmp_path).name == name


def test_all_layouts_are_tried_here() -> None:
    assert {"auto", *SETS} == set(LAYOUT_NAMES)


@pytest.mark.parametrize(("one", "other"), [("isic2019", "ddi"), ("isic2018", "ham10000"), ("ph2", "pad-ufes-20")])
def test_two_sets_in_one_folder_are_refused_and_both_named(tmp_path: Path, one: str, other: str) -> None:
    SETS[one](tmp_path)
    SETS[other](tmp_path)
    with pytest.raises(TableError, match=rf"several sets, ({one} .* and {other} |{other} .* and {one} ).*--layout"):
        detect_layout(tmp_path)
    assert read_names(tmp_path, one) == one


def read_names(folder: Path, layout: str) -> str:
    """What a named layout is then read as; its tables here may be none."""
    try:
        return read_source(folder, layout)[0].name
    except DataError:
        return layout


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"train": ("id", "target")}, "saw train.csv with id, target"),
        ({"meta": ("file", "class"), "b": ("x",)}, "saw b.csv with x, meta.csv with file, class"),
        ({"in/a": ("file", "class")}, "saw in/a.csv with file, class, the folder in"),
        (dict.fromkeys("abcd", ("file",)), "c.csv with file, 1 table more"),
        ({}, "it is empty"),
    ],
)
def test_what_is_no_set_says_what_was_seen(tmp_path: Path, tables: dict[str, tuple[str, ...]], words: str) -> None:
    _tables(**tables)(tmp_path)
    with pytest.raises(TableError, match=words):
        detect_layout(tmp_path)


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
    write_table(tmp_path / "metadata.csv", ("image_id", "diagnosis_1"), [("ISIC_1", "Benign")])
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
