"""ISIC 2020 at its own size: patients, copies, and what can be asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import DIAGNOSES_2020, folds_without_leaks, isic2020, touch, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError, UsageError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isic2020")
    isic2020(folder)
    return folder


def test_every_photograph_is_once_there_by_its_patient(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.taxonomy.name) == ("isic2020", "malignant")
    assert len(listing.records) == 33_126 - 425
    assert Counter(row.reason.split(":")[0] for row in listing.dropped) == {"stored twice": 425}
    labels = Counter(record.label for record in listing.records)
    assert labels["benign"] + labels["malignant"] == 33_126 - 425
    assert len({record.patient for record in listing.records}) == 2_056 - 5
    assert listing.notes == ["5 patients have a photograph of another one, by the set's own list: taken for one"]
    assert {record.age for record in listing.records} == {"45", ""}
    assert {record.site for record in listing.records} == {"torso", "", "head/neck"}
    assert len({record.group for record in folds_without_leaks(listing.records, 10)}) == 2_056 - 5


def test_a_diagnosis_can_be_asked_for_and_knows_its_malignancy(source: Path) -> None:
    _, listing = read_source(source, "auto:diagnosis")
    names = {listing.taxonomy.by_code[record.label].name for record in listing.records}
    assert names == set(DIAGNOSES_2020) - {"unknown"}
    assert {each.name: each.malignancy for each in listing.taxonomy.classes}["melanoma"] == "malignant"
    assert Counter(row.reason for row in listing.dropped)["no diagnosis"] > 26_000


def test_kaggles_table_is_told_by_its_columns_and_the_first_version_has_no_lesions(tmp_path: Path) -> None:
    columns = ["image_name", "patient_id", "sex", "age_approx", "diagnosis", "benign_malignant", "target"]
    rows = [
        ("ISIC_1", "IP_1", "male", "45.0", "nevus", "benign", 0),
        ("ISIC_2", "IP_2", "", "", "melanoma", "malignant", 1),
    ]
    write(tmp_path / "train.csv", columns, rows)
    touch(tmp_path / "jpeg" / "train", ["ISIC_1.jpg", "ISIC_2.jpg"])
    layout, listing = read_source(tmp_path)
    assert (layout.name, [record.label for record in listing.records]) == ("isic2020", ["benign", "malignant"])
    write(tmp_path / "train.csv", ["image", "target"], [("ISIC_1", 0)])
    with pytest.raises(TableError, match=r"no known layout \(saw train.csv with image, target, the folder jpeg"):
        read_source(tmp_path)


def test_bad_tables_and_columns_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ISIC_2020_Training_GroundTruth.csv"
    columns = ["image_name", "patient_id", "benign_malignant"]
    touch(tmp_path, ["ISIC_1.jpg"])
    for rows, words in (
        ([("ISIC_1", "IP_1", "perhaps")], "ISIC_1: benign_malignant is 'perhaps'"),
        ([("ISIC_1", "IP_1", "benign")] * 2, "names ISIC_1 more than once"),
        ([("", "IP_1", "benign")], "1 rows without image_name"),
    ):
        write(path, columns, rows)
        with pytest.raises(TableError, match=words):
            read_source(tmp_path)
    write(path, columns, [("ISIC_1", "IP_1", "benign")])
    with pytest.raises(UsageError, match="label column 'dx': the layout isic2020 has benign_malignant, diagnosis"):
        read_source(tmp_path, "auto:dx")
