"""Downloads of the ISIC archive: old and new columns, several tables, and what is no photograph of a lesion."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import ARCHIVE_COLUMNS, folds_without_leaks, isic_archive, touch, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import DataError, TableError

IMAGES = 20_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    isic_archive(folder, IMAGES)
    return folder


def test_old_and_new_rows_are_read_together(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.unnamed) == ("isic-archive", [])
    reasons = Counter(row.reason for row in listing.dropped)
    assert reasons == {
        "no diagnosis_3, only Benign": IMAGES // 5,
        "no diagnosis_3, only indeterminate": 1_000,
        "image_manipulation synthetic, no photograph": 20,
        "image_type RCM: mosaic, no photograph of skin": 20,
    }
    assert len(listing.records) == IMAGES + 3_000 - reasons.total()
    names = {each.name: each.malignancy for each in listing.taxonomy.classes}
    assert (names["Nevus"], names["Melanoma Invasive"], names["melanoma"]) == ("benign", "malignant", "malignant")
    assert Counter(record.domain for record in listing.records).keys() == {"dermoscopic", "clinical"}
    assert {record.source for record in listing.records} == {
        "isic-archive Hospital Clínic de Barcelona",
        "isic-archive ViDIR Group, Medical University of Vienna",
        "isic-archive Anonymous",
        "isic-archive MSK",
    }
    assert {record.licence for record in listing.records} == {"CC-BY-NC", "CC-0"}
    assert {record.age for record in listing.records} == {"60", "", "85", "45"}
    folds_without_leaks(listing.records)


def test_the_first_level_can_be_asked_for_and_leaves_out_what_is_indeterminate(source: Path) -> None:
    _, listing = read_source(source, "auto:diagnosis_1")
    assert listing.taxonomy.name == "malignant"
    reasons = Counter(row.reason for row in listing.dropped)
    assert reasons["diagnosis_1 Indeterminate"] == IMAGES // 5
    assert reasons["no diagnosis_1, only benign"] == 1_000


def test_a_download_that_says_no_more_than_benign_and_malignant_is_read_as_that(tmp_path: Path) -> None:
    rows = [("ISIC_1", "MSK", "CC-0", "Benign"), ("ISIC_2", "MSK", "CC-0", "Malignant")]
    write(tmp_path / "metadata.csv", ["isic_id", "attribution", "copyright_license", "diagnosis_1"], rows)
    touch(tmp_path, ["ISIC_1.jpg", "ISIC_2.jpg", "ISIC_3.jpg"])
    _, listing = read_source(tmp_path)
    assert [record.label for record in listing.records] == ["benign", "malignant"]
    assert "1 images have no row (ISIC_3.jpg): isic-cli writes metadata.csv anew" in listing.notes[0]


def test_a_download_of_ham10000_has_the_eight_classes(tmp_path: Path) -> None:
    diagnoses = ("Melanoma, NOS", "Nevus", "Solar or actinic keratosis", "Squamous cell carcinoma, NOS",
                 "Solar lentigo", "Pigmented benign keratosis", "Dermatofibroma", "Basal cell carcinoma")  # fmt: skip
    rows = ((f"ISIC_{k}", word) for k, word in enumerate(diagnoses))
    write(tmp_path / "metadata.csv", ["isic_id", "diagnosis_3"], rows)
    touch(tmp_path, (f"ISIC_{k}.jpg" for k in range(8)))
    _, listing = read_source(tmp_path)
    assert (listing.taxonomy.name, listing.guessed) == ("eight", False)
    assert [record.label for record in listing.records] == ["MEL", "NV", "ACK", "SCC", "BKL", "BKL", "DF", "BCC"]


def test_tables_at_odds_and_tables_without_a_diagnosis_are_one_line(tmp_path: Path) -> None:
    touch(tmp_path, ["ISIC_1.jpg"])
    row = ("ISIC_1", "MSK", "CC-0", "60", "", "Benign", "", "Nevus", "", "dermoscopic", "IL_1", "IP_1", "male")
    write(tmp_path / "metadata.csv", ARCHIVE_COLUMNS, [row])
    write(tmp_path / "metadata_2.csv", ARCHIVE_COLUMNS, [(*row[:-1], "female")])
    with pytest.raises(TableError, match="differ in sex of ISIC_1"):
        read_source(tmp_path)
    (tmp_path / "metadata_2.csv").unlink()
    write(tmp_path / "metadata.csv", ARCHIVE_COLUMNS, [row, row])
    with pytest.raises(TableError, match="names ISIC_1 more than once"):
        read_source(tmp_path)
    write(tmp_path / "metadata.csv", ["isic_id", "sex"], [("ISIC_1", "male")])
    with pytest.raises(TableError, match=r"no known layout .saw metadata.csv with isic_id, sex, 1 file more"):
        read_source(tmp_path)
    write(tmp_path / "metadata.csv", ["isic_id", "diagnosis_1"], [("ISIC_1", "Indeterminate")])
    with pytest.raises(DataError, match=r"no image of .* can be taken, for example ISIC_1: diagnosis_1 Indeterminate"):
        read_source(tmp_path)
