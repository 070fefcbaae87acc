"""The dry run of ``prepare``: it says what ``prepare`` then does, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import folder_set, isic_set, pad_set, write_table

from hierattn.data.any_table.columns import TableOptions
from hierattn.data.prepare.dry_run import dry_run
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepare.sources import Source
from hierattn.errors import UsageError

OPTIONS = PrepareOptions(size=32, folds=3, crop="none", near_duplicates=False, jobs=1)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def sources_of(kind: str, folder: Path) -> list[Source]:
    if kind == "folder":
        return [Source(folder_set(folder / "photos", {"benign": 6, "malignant": 4}))]
    if kind == "isic2019":
        lesions = [f"L{number // 2}" for number in range(12)]
        return [Source(isic_set(folder / "isic", ["MEL"] * 6 + ["NV"] * 6, lesions))]
    isic = Source(isic_set(folder / "isic", ["MEL", "NV"] * 5), "isic")
    return [isic, Source(pad_set(folder / "pad", ["MEL", "NEV", "ACK"] * 4), "pad")]


@pytest.mark.parametrize("kind", ["folder", "isic2019", "several"])
def test_it_says_what_prepare_then_does_and_writes_nothing(kind: str, tmp_path: Path) -> None:
    sources, out = sources_of(kind, tmp_path), tmp_path / "out"
    before = everything(tmp_path)
    seen = dry_run(sources, out, OPTIONS)
    assert everything(tmp_path) == before
    assert seen.all_problems == []
    done = prepare(sources, out, OPTIONS)
    assert seen.taxonomy == done.taxonomy
    assert seen.images == done.images
    assert [source.layout for source in seen.sources] == done.layout.split(" + ")
    counts = {code: (each.images, each.lesions, each.patients, each.groups) for code, each in seen.classes.items()}
    assert counts == {
        code: (each.images, each.lesions, each.patients, each.groups) for code, each in done.classes.items()
    }
    assert seen.groups == sum(source.groups for source in seen.sources)
    assert set(seen.notes) <= set(done.notes)
    if kind == "several":
        assert seen.sources == done.sources
    mapped = {code for source in seen.sources for classes in source.labels.values() for code in classes}
    assert mapped == set(done.classes)


def test_labels_of_one_source_are_shown_as_its_authors_write_them(tmp_path: Path) -> None:
    seen = dry_run([Source(pad_set(tmp_path / "pad", ["NEV", "MEL"] * 3))], tmp_path / "out", OPTIONS)
    assert seen.sources[0].labels == {"MEL": {"MEL": 3}, "NEV": {"NV": 3}}
    assert seen.sources[0].domains == ("clinical",)


def test_every_problem_is_shown_where_prepare_stops_at_the_first(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sources = [
        Source(tmp_path / "empty", "empty"),
        Source(folder_set(tmp_path / "few", {"benign": 3, "malignant": 3}), "few"),
        Source(write_table(tmp_path / "odd" / "HAM10000_metadata.csv", ("image", "label"), [("a", "b")]).parent, "odd"),
    ]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    seen = dry_run(sources, tmp_path / "out", OPTIONS)
    assert [problem.split(": ")[0] for problem in seen.problems[:2]] == ["empty", "odd"]
    assert "mine.txt" in seen.problems[2]
    assert seen.to_dict()["problems"] == seen.problems


def test_classes_too_small_and_folds_that_leak_are_problems_with_the_counts_beside_them(tmp_path: Path) -> None:
    few = dry_run([Source(folder_set(tmp_path / "few", {"benign": 5, "malignant": 2}))], tmp_path / "out", OPTIONS)
    assert "malignant" in few.problems[0]
    assert few.classes["malignant"].images == 2
    (isic,) = sources_of("isic2019", tmp_path)
    rows = [(f"ISIC_{number:07d}", number % 3) for number in range(12)]  # parts every lesion's two photographs
    leaky = write_table(tmp_path / "splits.csv", ("image", "fold"), rows)
    seen = dry_run([isic], tmp_path / "out", PrepareOptions(size=32, splits=leaky))
    assert "splits.csv" in seen.problems[0]
    assert seen.images == 12


def test_what_is_left_out_has_its_reason_as_in_the_audit(tmp_path: Path) -> None:
    (isic,) = sources_of("isic2019", tmp_path)
    next((isic.folder / "ISIC_2019_Training_Input").glob("*.jpg")).unlink()
    seen = dry_run([isic], tmp_path / "out", OPTIONS)
    done = prepare([isic], tmp_path / "out", OPTIONS)
    assert [row.reason for row in seen.left_out] == [row.reason for row in done.dropped]
    assert len(seen.left_out) == 1


def test_a_table_beside_another_source_is_told_once(tmp_path: Path) -> None:
    photos = folder_set(tmp_path / "photos", {"all": 9})
    rows = [(f"all/all_{number}.png", ["MEL", "NV", "BCC"][number % 3], f"P{number}") for number in range(9)]
    table = write_table(tmp_path / "labels.csv", ("file", "diagnosis", "patient"), rows)
    clinic = Source(photos, "clinic", table=TableOptions(table))
    seen = dry_run([clinic, *sources_of("isic2019", tmp_path)[:1]][:1], tmp_path / "out", OPTIONS)
    assert seen.of_a_table
    assert seen.to_dict()["rows"] == 9
    isic = Source(sources_of("isic2019", tmp_path / "two")[0].folder, "isic")
    both = dry_run([clinic, isic], tmp_path / "out", OPTIONS)
    assert both.problems == []
    assert both.to_dict()["tables"][0]["rows"] == 9
    assert not [note for note in both.notes if "labels.csv" in note]
    assert both.images == 21


def test_a_folder_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        dry_run([Source(tmp_path / "none")], tmp_path / "out", OPTIONS)
