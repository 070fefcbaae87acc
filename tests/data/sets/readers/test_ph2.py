"""PH² as its package has it: the text's pipes, the masks beside each photograph."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import folds_without_leaks, ph2

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    ph2(tmp_path)
    return tmp_path


def test_two_hundred_photographs_and_no_mask_are_read(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.dropped, listing.notes) == ("ph2", [], [])
    assert Counter(record.label for record in listing.records) == {"common_nevus": 80, "atypical_nevus": 80, "MEL": 40}
    assert all(Path(record.image).parent.name.endswith("_Dermoscopic_Image") for record in listing.records)
    assert len(listing.unnamed) == 250
    assert len(folds_without_leaks(listing.records, 10)) == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("|| IMD001 || || 3 || 0 ||", ":1: clinical diagnosis is '3', wanted 0, 1 or 2"),
        ("|| IMD001 || || || 0 ||", "clinical diagnosis is ''"),
        ("|| IMD001 || || 0 || ||\n|| IMD001 || || 1 || ||", "names IMD001 more than once"),
        ("image,diagnosis\nIMD001,0\n", "has no rows such as"),
        ("", "has no rows such as"),
    ],
)
def test_another_text_is_one_line(source: Path, text: str, words: str) -> None:
    (source / "PH2_dataset.txt").write_text(text)
    with pytest.raises(TableError, match=words):
        read_source(source)


def test_the_workbook_alone_is_not_read_and_the_line_says_what_is(source: Path) -> None:
    (source / "PH2_dataset.txt").rename(source / "PH2_dataset.xlsx")
    with pytest.raises(TableError, match=r"no table .*PH2_dataset.txt \(PH2_dataset.xlsx is there and is not read\)"):
        read_source(source)
