"""Fitzpatrick17k at its own size: photographs that are not there, wrong labels, skin types."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import fitzpatrick17k, folds_without_leaks, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitzpatrick17k")
    fitzpatrick17k(folder)
    return folder


def test_what_is_there_is_read_and_all_else_counted(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, len(listing.taxonomy.codes)) == ("fitzpatrick17k", 114)
    reasons = Counter(row.reason for row in listing.dropped)
    absent = len(range(0, 16_577, 5))
    wrong = sum(k % 5 != 0 for k in range(3, 16_577, 600))
    assert reasons == {"no image file": absent, "wrongly labelled, by the set's own check": wrong}
    assert len(listing.records) == 16_577 - absent - wrong
    assert {record.skin_type for record in listing.records} == {"", *"123456"}
    malignancies = Counter(each.malignancy for each in listing.taxonomy.classes)
    assert malignancies["malignant"] == 17
    assert malignancies["unknown"] == 0
    folds_without_leaks(listing.records, 10)


@pytest.mark.parametrize(("column", "classes"), [("nine_partition_label", 3), ("three_partition_label", 3)])
def test_the_partitions_can_be_asked_for(source: Path, column: str, classes: int) -> None:
    _, listing = read_source(source, f"auto:{column}")
    assert len(listing.taxonomy.codes) == classes
    named = {each.name: each.malignancy for each in listing.taxonomy.classes}
    assert named.get("non-neoplastic", "benign") == "benign"


def test_files_may_be_called_by_their_address_with_another_ending(tmp_path: Path) -> None:
    columns = ["md5hash", "label", "three_partition_label", "url_alphanum"]
    rows = [("a" * 32, "acne", "benign", "httpajpg.jpg"), ("b" * 32, "eczema", "benign", "httpbjpg")]
    write(tmp_path / "fitzpatrick17k.csv", columns, rows)
    for name in ("httpajpg.jpg.jpg", "httpbjpg.png"):
        (tmp_path / name).touch()
    assert len(read_source(tmp_path)[1].records) == 2


def test_rounded_hashes_are_one_line_and_rows_at_odds_are_left_out(tmp_path: Path) -> None:
    columns = ["md5hash", "label", "three_partition_label"]
    write(tmp_path / "fitzpatrick17k.csv", columns, [("4.36E+31", "acne", "benign")])
    with pytest.raises(TableError, match=r"md5hash 4.36E\+31 was rounded by a spreadsheet"):
        read_source(tmp_path)
    rows = [("a" * 32, "acne", "benign"), ("a" * 32, "eczema", "benign"), ("b" * 32, "acne", ""),
            ("b" * 32, "acne", ""), ("c" * 32, "eczema", "benign")]  # fmt: skip
    write(tmp_path / "fitzpatrick17k.csv", columns, rows)
    for name in "abc":
        (tmp_path / f"{name * 32}.jpg").touch()
    _, listing = read_source(tmp_path)
    assert [record.label for record in listing.records] == ["acne", "eczema"]
    assert [row.reason[:12] for row in listing.dropped] == ["has several ", "has several ", "its file is "]
