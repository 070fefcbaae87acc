"""Decoding in parallel: every image counted, in order, its bytes independent of the number of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.packing import READING
from hierattn.data.prepare.prepare import prepare


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: three lesions of melanoma, nine naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 18, [f"L{number // 2}" for number in range(24)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_source_gives_the_same_bytes_with_any_number_of_jobs(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=3, jobs=1))
    prepare(source, tmp_path / "two", PrepareOptions(size=32, folds=3, jobs=7))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_progress_counts_every_image(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3), progress=lambda *call: seen.append(call))
    assert [call for call in seen if call[0] == READING] == [(READING, number, 24) for number in range(1, 25)]
