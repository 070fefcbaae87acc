"""SCIN at its own size: weighted labels, cases that share a photograph, ids of nineteen digits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import folds_without_leaks, scin, touch, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError

CASES = ["case_id", "image_1_path", "image_2_path", "image_3_path"]
LABELS = ["case_id", "weighted_skin_condition_label"]


def test_the_heaviest_condition_is_the_label_and_shared_photographs_join_cases(tmp_path: Path) -> None:
    scin(tmp_path)
    layout, listing = read_source(tmp_path)
    assert layout.name == "scin"
    reasons = Counter(row.reason.split(" of ")[0] for row in listing.dropped)
    assert reasons.keys() == {
        "no condition named by a dermatologist",
        "several conditions weigh alike",
        "its file is that",
    }
    assert reasons["its file is that"] == 12  # of two more, one case has no label
    assert len(listing.taxonomy.codes) == 8
    assert {each.malignancy for each in listing.taxonomy.classes} == {"unknown"}
    assert len(listing.records) == 10_408 - reasons.total()
    assert listing.notes == ["14 cases have a photograph of another case: taken for one"]
    assert {(record.age, record.sex, record.site) for record in listing.records} == {
        ("18", "female", "arm"), ("", "female", "arm"),
    }  # fmt: skip
    assert {record.skin_type for record in listing.records} == {"3"}
    folds_without_leaks(listing.records, 10)


def tables(folder: Path, cases: list[tuple[str, ...]], labels: list[tuple[str, str]]) -> Path:
    write(folder / "scin_cases.csv", CASES, cases)
    write(folder / "scin_labels.csv", LABELS, labels)
    touch(folder / "images", ["a.png", "b.png"])
    return folder


@pytest.mark.parametrize(
    ("cases", "labels", "words"),
    [
        ([("-5.15644E+18", "a.png", "", "")], [("1", "{}")], r"case_id -5.15644E\+18 was rounded by a spreadsheet"),
        ([("1", "a.png", "", "")], [("2", "{}")], "no case in common"),
        ([("1", "a.png", "", "")], [("1", "Eczema")], "case 1: weighted_skin_condition_label is 'Eczema'"),
        ([("1", "a.png", "", "")], [("1", "{'Eczema': open('x')}")], "wanted names and weights"),
        ([("1", "a.png", "", "")], [("1", "{" * 4000)], "wanted names and weights"),
        ([("1", "a.png", "", "")] * 2, [("1", "{}")], "names 1 more than once"),
    ],
)
def test_bad_tables_are_one_line(
    tmp_path: Path, cases: list[tuple[str, ...]], labels: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(TableError, match=words) as caught:
        read_source(tables(tmp_path, cases, labels))
    assert "\n" not in str(caught.value)
