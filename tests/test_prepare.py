"""Prepare end to end: what it writes, that it is the same every time, and that it leaves nothing half."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from PIL import Image
from tiny_sets import blob, folder_set, isic_set, write_image, write_table
from typer.testing import CliRunner

from hierattn.data.folds import check_leaks, split
from hierattn.data.packed import AUDIT, IMAGES, INFO, MANIFEST, PackedSet
from hierattn.data.prepare import prepare
from hierattn.errors import UsageError

LABELS = ["MEL", "NV", "NV", "NV"] * 4


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """16 images of 8 lesions, two images each."""
    return isic_set(tmp_path / "isic", sorted(LABELS), [f"L{number // 2}" for number in range(16)])


def audit_of(folder: Path) -> list[dict[str, str]]:
    with (folder / AUDIT).open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_prepared_folder_holds_four_files_and_nothing_else_appears(source: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    prepare(source, tmp_path / "deep" / "out", size=32, folds=3, crop="none")
    assert set(contents(tmp_path / "deep" / "out")) == {MANIFEST, IMAGES, INFO, AUDIT}
    assert set(tmp_path.iterdir()) - before == {tmp_path / "deep"}
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "out"]


def test_the_manifest_points_from_its_folder_to_the_original_files(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "a" / "b" / "out", size=32, folds=3)
    records = PackedSet.open(tmp_path / "a" / "b" / "out").records
    assert records[0].image == "../../../isic/ISIC_2019_Training_Input/ISIC_0000000.jpg"
    for record in records:
        with Image.open(tmp_path / "a" / "b" / "out" / record.image) as image:
            assert image.size == (record.width, record.height) == (40, 30)


def test_the_same_source_gives_the_same_bytes_with_any_number_of_jobs(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "one", size=32, folds=3, jobs=1)
    prepare(source, tmp_path / "two", size=32, folds=3, jobs=7)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_source_elsewhere_gives_the_same_folds(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "one", size=32, folds=3)
    shutil.copytree(source, tmp_path / "moved" / "far" / "away")
    prepare(tmp_path / "moved" / "far" / "away", tmp_path / "two", size=32, folds=3)
    one, two = (PackedSet.open(tmp_path / name).records for name in ("one", "two"))
    assert [(r.group, r.fold, r.sha256) for r in one] == [(r.group, r.fold, r.sha256) for r in two]


def test_counts_and_folds_are_those_of_the_source(source: Path, tmp_path: Path) -> None:
    report = prepare(source, tmp_path / "out", size=32, folds=3)
    assert (report.images, report.source, report.layout, report.imbalance) == (16, "isic2019", "isic2019", 3.0)
    assert (report.classes["MEL"].images, report.classes["MEL"].lesions, report.classes["MEL"].patients) == (4, 2, 0)
    records = PackedSet.open(tmp_path / "out").records
    for label, count in report.classes.items():
        held = Counter(record.fold for record in records if record.label == label)
        assert count.per_fold == [held[fold] for fold in range(3)]


@pytest.fixture
def source(tmp_path: Path) -> Path:  # noqa: F811
    """18 images of 9 lesions, two images each: three lesions of melanoma."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 12, [f"L{number // 2}" for number in range(18)])
