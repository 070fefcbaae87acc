"""ISIC 2018 Task 3 at its own size, its parts, and bad tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import folds_without_leaks, isic2018, touch, write

from hierattn.data.sets.catalog import ISIC2018
from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isic2018")
    isic2018(folder, ISIC2018.classes)
    return folder


def test_the_training_part_is_read_whole_by_lesion(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.taxonomy.name, listing.notes, listing.dropped) == ("isic2018", "isic2018", [], [])
    assert Counter(record.label for record in listing.records) == dict(ISIC2018.classes)
    assert len({record.lesion for record in listing.records}) == 7_470
    assert {record.domain for record in listing.records} == {"dermoscopic"}
    assert len({record.group for record in folds_without_leaks(listing.records)}) == 7_470


def test_the_other_parts_are_layouts_of_their_own(tmp_path: Path) -> None:
    codes = list(ISIC2018.classes)
    for part in ("Validation", "Test"):
        rows = [(f"ISIC_{part}_{k}", *(int(code == codes[k]) for code in codes)) for k in range(7)]
        write(tmp_path / f"ISIC2018_Task3_{part}_GroundTruth.csv", ["image", *codes], rows)
        touch(tmp_path / f"ISIC2018_Task3_{part}_Input", (f"{row[0]}.jpg" for row in rows))
    with pytest.raises(TableError, match=r"isic2018-validation .* and isic2018-test .*--layout"):
        read_source(tmp_path)
    layout, listing = read_source(tmp_path, "isic2018-test")
    assert (layout.name, Counter(record.label for record in listing.records)) == ("isic2018-test", Counter(codes))
    assert any("--layout isic2018-validation" in note for note in listing.notes)


def test_without_the_groupings_a_note_says_that_folds_leak(tmp_path: Path) -> None:
    write(tmp_path / "ISIC2018_Task3_Training_GroundTruth.csv", ["image", "MEL", "NV"], [("a", 1, 0), ("b", 0, 1)])
    touch(tmp_path, ["a.jpg", "b.jpg"])
    _, listing = read_source(tmp_path)
    assert "lesions are unknown" in listing.notes[0]


@pytest.mark.parametrize(
    ("row", "words"), [((1, 1), "2 classes"), ((0, 0), "0 classes"), (("x", 1), "'x', wanted 0 or 1")]
)
def test_a_row_that_is_not_one_class_is_one_line(tmp_path: Path, row: tuple[object, ...], words: str) -> None:
    write(tmp_path / "ISIC2018_Task3_Training_GroundTruth.csv", ["image", "MEL", "NV"], [("ISIC_1", *row)])
    touch(tmp_path, ["ISIC_1.jpg"])
    with pytest.raises(TableError, match=f"ISIC_1.*{words}"):
        read_source(tmp_path)
