"""Derm7pt at its own size: two photographs a case, the authors' classes and groups."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import DERM7PT, derm7pt, folds_without_leaks, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("derm7pt")
    derm7pt(folder)
    return folder


def test_both_photographs_of_a_case_are_read_and_stay_together(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.dropped, listing.unnamed) == ("derm7pt", [], [])
    labels = Counter(record.label for record in listing.records)
    melanomas = sum(count for name, count in DERM7PT.items() if name.startswith("melanoma"))
    assert (len(labels), labels["MEL"], labels["CN"], labels.total()) == (15, 2 * melanomas, 2 * 399, 2_022)
    assert Counter(record.domain for record in listing.records) == {"clinical": 1_011, "dermoscopic": 1_011}
    assert {record.own_label for record in listing.records} == set(DERM7PT)
    placed = folds_without_leaks(listing.records, 6)
    assert len({record.group for record in placed}) == 1_010  # two cases share a case_id
    assert {(record.sex, record.site) for record in placed} == {("female", "back")}


def test_the_authors_five_groups_can_be_asked_for(source: Path) -> None:
    _, listing = read_source(source, "auto:five_groups")
    labels = Counter(record.label for record in listing.records)
    nevi = sum(count for name, count in DERM7PT.items() if name.endswith("nevus"))
    assert (list(labels), labels["NEV"]) == (list(labels), 2 * nevi)
    assert set(labels) == {"BCC", "NEV", "MEL", "MISC", "SK"}


def test_an_unknown_diagnosis_and_a_case_twice_are_one_line(source: Path, tmp_path: Path) -> None:
    columns = ["case_num", "diagnosis", "derm", "clinic"]
    for rows, words in (
        ([("1", "wart", "NEL/Nel001.jpg", "")], "unknown label 'wart'"),
        ([("1", "melanoma", "a.jpg", "b.jpg"), ("1", "melanoma", "c.jpg", "d.jpg")], "names 1 more than once"),
    ):
        write(tmp_path / "meta" / "meta.csv", columns, rows)
        with pytest.raises(TableError, match=words):
            read_source(tmp_path, images=source / "images")
