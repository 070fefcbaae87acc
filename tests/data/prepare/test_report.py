"""What prepare reports: counts against counting by hand, and tables in the order in which a person should look."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sets import isic_set

from hierattn.data.near_duplicates.search import Pair
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepare.report import (
    ClassCount,
    count_classes,
    imbalance,
    notes_on_near_duplicates,
    read_report,
    template_beside,
    write_near_duplicates,
)
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import AUDIT
from hierattn.errors import DataError

RECORDS = [
    Record("a.jpg", "NV", lesion="L1", group="lesion:L1", fold=0, sha256="1"),
    Record("b.jpg", "NV", lesion="L1", group="lesion:L1", fold=0, sha256="2"),
    Record("c.jpg", "NV", patient="P1", group="patient:P1", fold=1, sha256="3"),
    Record("d.jpg", "MEL", group="image:d", fold=1, sha256="4"),
]
PAIRS = [Pair(0, 1, 0.99, 0), Pair(2, 3, 0.83, 2), Pair(0, 2, 0.9, 1)]


def test_classes_are_counted() -> None:
    assert count_classes(RECORDS, 2) == {
        "MEL": ClassCount(images=1, lesions=1, patients=0, groups=1, per_fold=[0, 1]),
        "NV": ClassCount(images=3, lesions=2, patients=1, groups=2, per_fold=[2, 1]),
    }
    assert imbalance(RECORDS) == 3.0


def test_pairs_that_no_id_joins_come_first_and_then_the_likest(tmp_path: Path) -> None:
    write_near_duplicates(tmp_path / "pairs.csv", RECORDS, PAIRS)
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = [(row["one"], row["other"], row["known"]) for row in csv.DictReader(file)]
    assert rows == [("a.jpg", "c.jpg", "no"), ("c.jpg", "d.jpg", "no"), ("a.jpg", "b.jpg", "yes")]
    (note,) = notes_on_near_duplicates(RECORDS, PAIRS)
    assert note.startswith("3 pairs of near-duplicates: in one group; 2 of them not known by lesion or patient, 1 with")
    assert notes_on_near_duplicates(RECORDS, []) == []


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = isic_set(tmp_path / "isic", ["MEL"] * 3 + ["NV"] * 5)
    (source / "ISIC_2019_Training_Input" / "ISIC_0000007.jpg").write_bytes(b"")
    report = prepare(source, out, PrepareOptions(size=32, folds=3))
    read = read_report(out)
    assert [row.reason for row in read.dropped] == [row.reason for row in report.dropped]
    assert replace(read, seconds=0.0, dropped=[]) == replace(report, seconds=0.0, dropped=[])
    (out / AUDIT).unlink()
    with pytest.raises(DataError, match="is damaged"):
        read_report(out)


def test_the_template_of_classes_lies_beside_the_set_also_where_one_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    for out in (Path(), Path("../mine"), tmp_path / "mine"):
        assert template_beside(out).resolve() == tmp_path / "mine-taxonomy.toml"
