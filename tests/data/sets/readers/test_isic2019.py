"""ISIC 2019's own layout, as shipped, as unpacked, and as spreadsheets leave it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import SHARED
from tiny_sets import ISIC_COLUMNS, isic_set, one_hot, write_image, write_table

from hierattn.data.sets.readers.isic2019 import read_isic2019
from hierattn.errors import DataError, TableError, UsageError
from hierattn.taxonomy import built_in

CODES = built_in.EIGHT.codes

TRUTH, METADATA, INPUT = (f"ISIC_2019_Training_{name}" for name in ("GroundTruth.csv", "Metadata.csv", "Input"))
EIGHT = ("AK", "BCC", "BKL", "DF", "MEL", "NV", "SCC", "VASC")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return isic_set(tmp_path / "isic", EIGHT)


def test_every_column_becomes_its_own_code_and_ak_becomes_ack(source: Path) -> None:
    listing = read_isic2019(source)
    assert tuple(record.label for record in listing.records) == CODES
    assert (listing.dropped, listing.unnamed, listing.notes) == ([], [], [])


def test_a_record_holds_what_the_tables_say(source: Path) -> None:
    record = read_isic2019(source).records[1]
    assert Path(record.image) == (source / INPUT / "ISIC_0000001.jpg").absolute()
    assert (record.lesion, record.age, record.sex, record.site) == ("L1", "45", "male", "head/neck")
    assert (record.source, record.licence, record.fold) == ("isic2019", "CC BY-NC 4.0", -1)


def test_the_label_comes_from_the_table_and_not_from_the_path(tmp_path: Path) -> None:
    source = isic_set(tmp_path / "MEL" / "melanoma", ["NV"])
    assert read_isic2019(source).records[0].label == "NV"


def test_an_input_folder_inside_the_input_folder_is_found(source: Path) -> None:
    (source / INPUT).rename(source / "inner")
    (source / INPUT).mkdir()
    (source / "inner").rename(source / INPUT / INPUT)
    assert len(read_isic2019(source).records) == 8


@pytest.mark.parametrize(("row", "file"), [("_downsampled", ""), ("", "_downsampled"), ("_downsampled",) * 2])
def test_downsampled_in_a_name_does_not_hide_the_image(tmp_path: Path, row: str, file: str) -> None:
    name = "ISIC_0000000"
    write_image(tmp_path / INPUT / f"{name}{file}.jpg", 0)
    write_table(tmp_path / TRUTH, ("image", *ISIC_COLUMNS), [(name + row, *one_hot("MEL"))])
    write_table(tmp_path / METADATA, ("image", "lesion_id"), [(name + row, "L0")])
    assert [record.lesion for record in read_isic2019(tmp_path).records] == ["L0"]


def test_a_missing_lesion_id_stays_empty(tmp_path: Path) -> None:
    listing = read_isic2019(isic_set(tmp_path, ["MEL", "NV", "NV"], ["L0", "", ""]))
    assert [record.lesion for record in listing.records] == ["L0", "", ""]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(source: Path) -> None:
    plain = read_isic2019(source).records
    for name in (TRUTH, METADATA):
        text = (source / name).read_text()
        (source / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_isic2019(source).records == plain


def test_unknown_is_dropped_and_listed(tmp_path: Path) -> None:
    listing = read_isic2019(isic_set(tmp_path, ["MEL", "UNK"]))
    assert len(listing.records) == 1
    assert [(row.image, row.reason) for row in listing.dropped] == [
        ("ISIC_0000001", "label UNK, none of the eight classes")
    ]


def test_rows_without_image_and_images_without_row_are_listed(source: Path) -> None:
    (source / INPUT / "ISIC_0000002.jpg").rename(source / INPUT / "ISIC_9999999.jpg")
    listing = read_isic2019(source)
    assert [(row.image, row.reason) for row in listing.dropped] == [("ISIC_0000002", "no image file")]
    assert [path.name for path in listing.unnamed] == ["ISIC_9999999.jpg"]
    assert len(listing.records) == 7


def test_two_different_files_of_one_name_are_refused(source: Path) -> None:
    write_image(source / INPUT / "z" / "ISIC_0000000.png", 5)
    with pytest.raises(DataError, match=r"ISIC_0000000.jpg and z/ISIC_0000000.png"):
        read_isic2019(source)


def test_a_second_table_that_joins_nothing_is_an_error_and_one_that_joins_in_part_is_counted(source: Path) -> None:
    plain = read_isic2019(source).records
    text = (source / METADATA).read_text()
    (source / METADATA).write_text(re.sub(r"(ISIC_\d+)", r"images\\\1.JPG", text) + ",,,,\n")
    assert read_isic2019(source).records == plain
    (source / METADATA).write_text(text.replace("ISIC_", "PAT_"))
    with pytest.raises(TableError, match=r"names none of the 8 images .* but for example 'PAT_0000000'"):
        read_isic2019(source)
    (source / METADATA).write_text(text.replace("ISIC_0000003", "ISIC_3"))
    notes = read_isic2019(source).notes
    assert f"1 of 8 images have no row in {METADATA} (ISIC_0000003), and 1 of its 8 rows" in notes[0]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (one_hot("none"), "ISIC_0000000 has 0 classes"),
        (["1.0", "1.0", *["0.0"] * 7], "has 2 classes"),
        (["0.5", "0.5", *["0.0"] * 7], "MEL is '0.5', wanted 0 or 1"),
        (["yes", *["0.0"] * 8], "MEL is 'yes', wanted 0 or 1"),
    ],
)
def test_a_row_that_is_not_one_class_is_an_error_naming_the_image(source: Path, row: list[str], line: str) -> None:
    write_table(source / TRUTH, ("image", *ISIC_COLUMNS), [("ISIC_0000000", *row)])
    with pytest.raises(TableError, match="ISIC_0000000") as caught:
        read_isic2019(source)
    assert line in str(caught.value)


def test_a_ninth_class_is_an_unknown_label(source: Path) -> None:
    write_table(source / TRUTH, ("image", *ISIC_COLUMNS, "LENTIGO"), [("ISIC_0000000", *one_hot("none"), "1")])
    with pytest.raises(TableError, match="unknown label 'LENTIGO'"):
        read_isic2019(source)


def test_an_id_in_two_rows_is_an_error_that_names_it(source: Path) -> None:
    rows = [("ISIC_0000000", *one_hot("MEL")), ("ISIC_0000000", *one_hot("NV"))]
    write_table(source / TRUTH, ("image", *ISIC_COLUMNS), rows)
    with pytest.raises(TableError, match="names ISIC_0000000 more than once"):
        read_isic2019(source)


def test_missing_tables_and_columns_say_which(source: Path) -> None:
    write_table(source / METADATA, ("image", "age_approx"), [("ISIC_0000000", "45.0")])
    with pytest.raises(TableError, match="lacks the column lesion_id"):
        read_isic2019(source)
    (source / METADATA).unlink()
    with pytest.raises(TableError, match="no table"):
        read_isic2019(source)
    with pytest.raises(UsageError, match="no folder"):
        read_isic2019(isic_set(source / "again", ["MEL"]), images=source / "absent")


def test_a_table_that_is_no_table_is_one_line(source: Path) -> None:
    for content in (b"\xff\xfe\x00i\x00m", b"", b"image\n"):
        (source / TRUTH).write_bytes(content)
        with pytest.raises(TableError):
            read_isic2019(source)


def test_the_official_test_set_reads_without_lesion_ids(tmp_path: Path) -> None:
    write_image(tmp_path / "ISIC_2019_Test_Input" / "ISIC_0034321.jpg", 0)
    columns = ("image", *ISIC_COLUMNS, "score_weight", "validation_weight")
    write_table(tmp_path / "ISIC_2019_Test_GroundTruth.csv", columns, [("ISIC_0034321", *one_hot("SCC"), 1.0, 0.0)])
    write_table(tmp_path / "ISIC_2019_Test_Metadata.csv", ("image", "age_approx"), [("ISIC_0034321", "")])
    assert [record.label for record in read_isic2019(tmp_path).records] == ["SCC"]


def test_a_marked_set_is_named_synthetic_with_its_own_licence(source: Path) -> None:
    (source / "synthetic.json").write_text(json.dumps({"licence": "CC0-1.0"}))
    listing = read_isic2019(source)
    assert (listing.source, listing.licence, listing.citation) == ("synthetic", "CC0-1.0", "")
    assert {record.source for record in listing.records} == {"synthetic"}


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_the_real_set_has_the_counts_that_its_readme_gives() -> None:
    source = SHARED / "data" / "isic2019-ham"
    listing = read_isic2019(source)
    assert (listing.dropped, listing.unnamed, listing.notes) == ([], [], [])
    assert Counter(record.label for record in listing.records) == {
        "MEL": 939, "NV": 5694, "BCC": 435, "ACK": 114, "BKL": 938, "DF": 92, "VASC": 123, "SCC": 168,
    }  # fmt: skip
    with (source / METADATA).open(newline="") as file:
        lesions = {row["image"]: row["lesion_id"] for row in csv.DictReader(file)}
    assert {Path(record.image).stem: record.lesion for record in listing.records} == lesions


def test_a_set_that_moved_still_reads(source: Path, tmp_path: Path) -> None:
    shutil.move(source / INPUT, tmp_path / "pictures")
    listing = read_isic2019(source, images=tmp_path / "pictures")
    assert len(listing.records) == 8


def test_a_table_that_a_european_excel_saved_is_read(source: Path) -> None:
    plain = read_isic2019(source).records
    for name in (TRUTH, METADATA):
        text = (source / name).read_text()
        (source / name).write_text(text.replace(",", ";").replace("1.0", "1,0").replace("0.0", "0,0"))
    assert read_isic2019(source).records == plain
