"""Split files: written by every prepare, read from anywhere, and checked for leaks."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tiny_sets import folder_set, isic_set, write_image, write_table

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import SPLITS, PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.data.prepared_set.splits import read_splits
from hierattn.errors import DataError, LeakError, TableError, UsageError

LABELS = ["MEL"] * 8 + ["NV"] * 16


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two of each."""
    return isic_set(tmp_path / "isic", LABELS, [f"L{number // 2}" for number in range(24)])


def folds_of(folder: Path) -> dict[str, int]:
    return {Path(record.image).stem: record.fold for record in PackedSet.open(folder).records}


def test_the_written_file_gives_the_same_folds_to_a_converted_copy_elsewhere(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=4, seed=7))
    moved = isic_set(tmp_path / "far" / "isic", LABELS, [f"L{number // 2}" for number in range(24)])
    for path in sorted(moved.rglob("*.jpg")):
        with Image.open(path) as image:
            image.save(path.with_suffix(".png"))
        path.unlink()
    report = prepare(moved, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS))
    assert folds_of(tmp_path / "two") == folds_of(tmp_path / "one")
    assert report.folds == 4
    with (tmp_path / "one" / SPLITS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"ISIC_{number:07d}" for number in range(24)]
    assert {(row["image"], row["group"]) for row in rows} == {
        (Path(one.image).stem, one.group) for one in PackedSet.open(tmp_path / "one").records
    }


def test_one_name_in_two_class_folders_is_told_apart_by_the_folder(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 4, "NV": 4})
    for path in sorted(source.rglob("*.png")):
        path.rename(path.with_name(path.name.partition("_")[2]))
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=4))
    assert "MEL/0" in (tmp_path / "one" / SPLITS).read_text()
    prepare(source, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS))
    one, two = (PackedSet.open(tmp_path / name).records for name in ("one", "two"))
    assert [record.fold for record in one] == [record.fold for record in two]


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (("image", "fold"), "ISIC_{:07d}"),
        (("image_id", "split"), "ISIC_{:07d}.jpg"),
        (("filename", "subset"), "ISIC_2019_Training_Input/ISIC_{:07d}.jpg"),
        (("isic_id", "Set"), "ISIC_{:07d}"),
    ],
)
def test_official_parts_are_read_under_any_of_their_usual_names(
    source: Path, tmp_path: Path, columns: tuple[str, str], name: str
) -> None:
    part = ["train", "train", "Validation", "test"]
    rows = [(name.format(number), part[number // 2 % 4]) for number in range(24)]
    file = write_table(tmp_path / "official.csv", columns, rows, encoding="utf-8-sig", lineterminator="\r\n")
    prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))
    records = PackedSet.open(tmp_path / "out").records
    parts = split(records, 0)
    for rows_of, wanted in ((parts.train, (0, 1)), (parts.validation, (2,)), (parts.test, (3,))):
        assert set(rows_of) == {number for number in range(24) if number // 2 % 4 in wanted}


def test_where_only_train_and_test_are_named_a_grouped_tenth_of_train_validates(tmp_path: Path) -> None:
    labels = (["MEL", "NV"] * 12) + ["MEL", "NV"] * 3
    source = isic_set(tmp_path / "isic", labels)
    file = write_table(
        tmp_path / "official.csv",
        ("image", "split"),
        [(f"ISIC_{n:07d}", "train" if n < 24 else "test") for n in range(30)],
    )
    prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))
    parts = split(PackedSet.open(tmp_path / "out").records, 0)
    assert set(parts.test) == set(range(24, 30))
    assert 2 <= len(parts.validation) <= 4
    assert set(parts.train) | set(parts.validation) == set(range(24))


def test_images_that_are_not_named_are_left_out_and_listed(source: Path, tmp_path: Path) -> None:
    file = write_table(tmp_path / "some.csv", ("image", "fold"), [(f"ISIC_{n:07d}", n // 2 % 3) for n in range(2, 24)])
    with file.open("a") as rows:
        rows.write("folder\\ISIC_9.jpg,0\n")
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))
    assert report.images == 22
    assert "1 of 23 rows of some.csv name no image" in report.notes
    assert [row.reason for row in report.dropped] == ["not named by some.csv"] * 2
    with pytest.raises(DataError, match=r"not named by some\.csv"):
        prepare(source, tmp_path / "strict", PrepareOptions(size=32, splits=file, strict=True))


def test_a_split_that_leaks_is_refused_with_the_images_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    file = write_table(tmp_path / "leak.csv", ("image", "fold"), [(f"ISIC_{n:07d}", n % 3) for n in range(24)])
    with pytest.raises(LeakError, match=r"lesion L0 in folds 0, 1 \(ISIC_0000000\.jpg, ISIC_0000001\.jpg\)"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))
    assert {path.name for path in tmp_path.iterdir()} == {"isic", "leak.csv"}


def test_near_duplicates_on_both_sides_of_an_official_split_are_a_leak(source: Path, tmp_path: Path) -> None:
    folder = source / "ISIC_2019_Training_Input"
    with Image.open(folder / "ISIC_0000000.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "ISIC_0000020.jpg", quality=92)
    file = write_table(tmp_path / "split.csv", ("image", "fold"), [(f"ISIC_{n:07d}", n // 2 % 4) for n in range(24)])
    with pytest.raises(LeakError, match="group"):
        prepare(source, tmp_path / "out", PrepareOptions(size=64, splits=file))
    prepare(source, tmp_path / "out", PrepareOptions(size=64, splits=file, near_duplicates=False))


def test_another_split_file_is_noticed(source: Path, tmp_path: Path) -> None:
    one, two = (
        write_table(tmp_path / f"{k}.csv", ("image", "fold"), [(f"ISIC_{n:07d}", (n // 2 + k) % 3) for n in range(24)])
        for k in (0, 1)
    )
    prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=one))
    assert "nothing was done" in prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=one)).notes[-1]
    with pytest.raises(UsageError, match="another split file"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=two))


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        (("pixels", "fold"), [("a", 0)], "no column image"),
        (("image", "part"), [("a", 0)], "no column fold"),
        (("image", "fold"), [("a", 0), ("a.jpg", 1), ("b", 2)], r"names a, which may be a, a\.jpg"),
        (("image", "fold"), [("a", 0), ("b", 2)], "has the folds 0, 2: wanted 3 or more"),
        (("image", "fold"), [("a", 0), ("b", 1)], "wanted 3 or more"),
        (("image", "fold"), [("a", 0), ("b", "train"), ("c", 1)], r"fold 'train'"),
        (("image", "fold"), [("a", "0.5"), ("b", "1"), ("c", "2")], r"fold '0\.5'"),
        (("image", "fold"), [("a", "-1"), ("b", "1"), ("c", "2")], "fold '-1'"),
        (("image", "fold"), [("a", "nan"), ("b", "1"), ("c", "2")], "fold 'nan'"),
        (("image", "fold"), [("a", "inf"), ("b", "1"), ("c", "2")], "fold 'inf'"),
        (("image", "split"), [("a", "train"), ("b", "train")], "has the folds train: wanted"),
    ],
)
def test_a_bad_split_file_is_one_clear_line(
    tmp_path: Path, columns: tuple[str, str], rows: list[tuple[str, object]], words: str
) -> None:
    with pytest.raises(TableError, match=words):
        read_splits(write_table(tmp_path / "x.csv", columns, rows))


def test_a_split_of_another_set_and_a_missing_file(source: Path, tmp_path: Path) -> None:
    file = write_table(tmp_path / "x.csv", ("image", "fold"), [(f"PAT_{n}", n % 3) for n in range(6)])
    with pytest.raises(DataError, match="names none of the 24 images, but for example 'PAT_0'"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))
    with pytest.raises(TableError, match="no table"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=tmp_path / "absent.csv"))


# --- extended ---------------------------------------------------------------------------------------------------


def test_a_set_that_grew_keeps_its_folds_and_the_new_are_spread_evenly(tmp_path: Path) -> None:
    lesions = [f"L{number // 2}" for number in range(48)]
    labels = (["MEL"] * 2 + ["NV"] * 4) * 8
    small = isic_set(tmp_path / "small" / "isic", labels[:24], lesions[:24])
    grown = isic_set(tmp_path / "grown" / "isic", labels, lesions)
    prepare(small, tmp_path / "one", PrepareOptions(size=32, folds=4))
    report = prepare(grown, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS, extend=True))
    before, after = folds_of(tmp_path / "one"), folds_of(tmp_path / "two")
    assert len(after) == 48
    assert {name: after[name] for name in before} == before
    assert report.dropped == []
    assert all(max(count.per_fold) - min(count.per_fold) <= 2 for count in report.classes.values())  # a lesion's two
    prepare(grown, tmp_path / "anew", PrepareOptions(size=32, folds=4))
    anew = folds_of(tmp_path / "anew")
    assert sum(anew[name] != fold for name, fold in before.items()) > 6  # without it, most would have moved
    again = prepare(grown, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS, extend=True))
    assert "nothing was done" in again.notes[-1]
    with pytest.raises(UsageError, match="extend True, now False"):
        prepare(grown, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS))


@pytest.mark.parametrize("by", ["ids", "looks", "bytes"])
def test_a_new_image_that_joins_frozen_folds_is_left_out_and_no_old_one_moves(tmp_path: Path, by: str) -> None:
    source, frozen = folder_set(tmp_path / "mine", {"MEL": 8, "NV": 16}), tmp_path / "one" / SPLITS
    prepare(source, tmp_path / "one", PrepareOptions(size=64, folds=4))
    before = folds_of(tmp_path / "one")
    one, other = "NV_0", next(name for name in before if before[name] != before["NV_0"] and name.startswith("NV"))
    rows = [(one, "L", ""), ("new", "L", "P" if by == "ids" else "")] + [(other, "", "P")] * (by == "ids")
    write_table(source / "groups.csv", ("image", "lesion", "patient"), rows)
    with Image.open(source / "NV" / f"{other}.png") as image:
        {
            "ids": lambda to: write_image(to, 99),
            "looks": image.transpose(Image.Transpose.ROTATE_180).save,
            "bytes": lambda to: to.write_bytes((source / "NV" / f"{other}.png").read_bytes()),
        }[by](source / "NV" / "new.png")
    options = PrepareOptions(size=64, splits=frozen, extend=True)
    report = prepare(source, tmp_path / "two", options)
    assert folds_of(tmp_path / "two") == before
    assert [(Path(row.image).name, row.reason) for row in report.dropped] == [
        ("new.png", "belongs to images in several folds of the split file")
    ]
    assert any("1 new image is left out (new.png)" in note for note in report.notes)
    assert "nothing was done" in prepare(source, tmp_path / "two", options).notes[-1]
    with pytest.raises(DataError, match="several folds"):
        prepare(source, tmp_path / "strict", replace(options, strict=True))


def test_old_images_that_belong_together_in_two_frozen_folds_are_refused(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 8, "NV": 16})
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=4))
    before = folds_of(tmp_path / "one")
    other = next(name for name in before if before[name] != before["NV_0"])
    write_table(source / "groups.csv", ("image", "lesion"), [("NV_0", "L"), (other, "L")])
    with pytest.raises(LeakError, match=rf"(NV_0|{other}).png in fold \d, .* belong together now"):
        prepare(source, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS, extend=True))
    assert not (tmp_path / "two").exists()


def test_a_new_image_of_an_old_lesion_goes_to_its_fold(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 8, "NV": 16})
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=4))
    rows = []
    for number in range(8):
        write_image(source / "MEL" / f"again_{number}.png", 100 + number)
        rows += [(f"MEL_{number}", f"L{number}"), (f"again_{number}", f"L{number}")]
    write_table(source / "groups.csv", ("image", "lesion"), rows)
    prepare(source, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS, extend=True))
    after = folds_of(tmp_path / "two")
    assert all(after[f"again_{number}"] == after[f"MEL_{number}"] for number in range(8))
    assert {name: after[name] for name in folds_of(tmp_path / "one")} == folds_of(tmp_path / "one")


def test_files_of_one_name_in_one_class_folder_of_two_clinics_read_back(tmp_path: Path) -> None:
    for clinic in range(2):
        for number in range(4):
            write_image(tmp_path / "mine" / f"clinic_{clinic}" / "MEL" / f"{number}.png", 10 * clinic + number)
            write_image(tmp_path / "mine" / f"clinic_{clinic}" / "NV" / f"{number}.png", 50 + 10 * clinic + number)
    prepare(tmp_path / "mine", tmp_path / "one", PrepareOptions(size=32, folds=4))
    prepare(tmp_path / "mine", tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / SPLITS))
    one, two = (PackedSet.open(tmp_path / name).records for name in ("one", "two"))
    assert [record.fold for record in one] == [record.fold for record in two]


def test_a_bare_name_that_may_be_several_images_is_an_error(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 4, "NV": 4})
    for path in sorted(source.rglob("*.png")):
        path.rename(path.with_name(path.name.partition("_")[2]))
    file = write_table(tmp_path / "x.csv", ("image", "fold"), [(number, number % 3) for number in range(4)])
    with pytest.raises(TableError, match=r"names 0, which may be .*MEL/0.png, .*NV/0.png: write it with its folder"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=file))


def test_extending_wants_a_file_with_folds(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--extend without --splits"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, extend=True))
    rows = [(f"ISIC_{number:07d}", "train" if number < 16 else "test") for number in range(24)]
    parts = write_table(tmp_path / "parts.csv", ("image", "split"), rows)
    with pytest.raises(UsageError, match="names only train and test"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=parts, extend=True, near_duplicates=False))
    assert not (tmp_path / "out").exists()
