"""Several sources as one set: named, each in its layout, nothing shared across folds, labels told as they were."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sets import folder_set, isic_set, pad_set, write_image, write_table

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepare.sources import Source, parse_sources
from hierattn.data.prepared_set.folds import JUDGED_ONLY
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import sources_of, split
from hierattn.errors import DataError, HierAttnError, UsageError

OPTIONS = PrepareOptions(size=32, folds=3, crop="none", near_duplicates=False, jobs=1)


def clinic(folder: Path, first: int) -> Path:
    """Photographs in class folders, nine of each class, of patients 1 to 9."""
    names = [f"{label}/{number}.png" for label in ("MEL", "nevus") for number in range(1, 10)]
    for number, name in enumerate(names):
        write_image(folder / name, first + number)
    rows = [(name, Path(name).stem) for name in names]
    write_table(folder / "groups.csv", ("image", "patient"), rows)
    return folder


# --- what a command line names --------------------------------------------------------------------------------------


def test_sources_are_called_as_their_folders_or_as_said(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    sources = parse_sources([tmp_path / "one", Path(f"two={tmp_path}"), odd])
    assert [(source.name, source.folder) for source in sources] == [
        ("one", tmp_path / "one"),
        ("two", tmp_path),
        ("a=b", odd),  # a folder of that very name goes before
    ]
    assert parse_sources([tmp_path / "one"]) == [Source(tmp_path / "one")]  # alone: as it always was


def test_options_are_for_all_or_for_one_source_by_its_name_or_folder() -> None:
    sources = parse_sources(
        [Path("x/a"), Path("b=x/c"), Path("x/d")],
        layouts=["folder", "b=isic2019"],
        images=["x/d=elsewhere"],
        domains=["b=clinical"],
        train_only=["x/d"],
        test_only=["a"],
    )
    assert [source.layout for source in sources] == ["folder", "isic2019", "folder"]
    assert [source.images for source in sources] == [None, None, Path("elsewhere")]
    assert [source.use for source in sources] == ["test", "", "train"]
    assert [source.domain for source in sources] == ["", "clinical", ""]


@pytest.mark.parametrize(
    ("words", "options", "told"),
    [
        (["a/images", "b/images"], {}, "two sources are called images .*images-1=a/images images-2=b/images"),
        (["a/Clinic", "b/clinic"], {}, "two sources are called clinic"),  # one folder, on some systems
        (["a", "/"], {}, "/ gives no name for a source: say one, NAME=/"),
        (["a", "x/y=b"], {}, "'x/y' is no name for a source"),
        (["a", "b"], {"train_only": ["c"]}, "--train-only c: no such source; wanted one of a, b"),
        (["a", "b"], {"train_only": ["a"], "test_only": ["a"]}, "a is --train-only and --test-only"),
        (["a"], {"train_only": ["a"]}, "--train-only with one source"),
        (["a", "b"], {"layouts": ["folder", "isic2019"]}, "wanted NAME=VALUE, of the sources a, b"),
        (["a", "b"], {"layouts": ["a="]}, "--layout a=: wanted NAME=VALUE"),
        (["a", "b"], {"domains": ["clinical"]}, "--domain clinical: wanted NAME=VALUE"),
        (["a", "b"], {"domains": ["a=skin"]}, "domain 'skin': wanted one of dermoscopic, clinical, unknown"),
    ],
)
def test_what_cannot_be_named_is_one_line(words: list[str], options: dict[str, list[str]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_sources([Path(word) for word in words], **options)  # type: ignore[arg-type]


# --- reading --------------------------------------------------------------------------------------------------------


def test_each_source_keeps_its_layout_name_domain_and_own_labels(tmp_path: Path) -> None:
    isic = isic_set(tmp_path / "isic", ["MEL"] * 6 + ["AK"] * 6 + ["NV"] * 9)
    pad = pad_set(tmp_path / "phone", ["MEL"] * 4 + ["ACK"] * 4 + ["SEK"] * 3)
    report = prepare([Source(isic, "isic"), Source(pad, "phone", use="train")], tmp_path / "out", OPTIONS)
    records = PackedSet.open(tmp_path / "out").records
    assert {(one.source, one.domain, one.use) for one in records} == {
        ("isic", "dermoscopic", ""),
        ("phone", "clinical", "train"),
    }
    own = defaultdict(int)
    for one in records:
        own[one.source, one.own_label, one.label] += 1
    assert own == {
        ("isic", "MEL", "MEL"): 6, ("isic", "AK", "ACK"): 6, ("isic", "NV", "NV"): 9,
        ("phone", "MEL", "MEL"): 4, ("phone", "ACK", "ACK"): 4, ("phone", "SEK", "BKL"): 3,
    }  # fmt: skip
    assert {(each.name, label, code): images for each in report.sources for label, codes in each.labels.items()
            for code, images in codes.items()} == own  # fmt: skip
    assert "only in sources for training only: BKL" in " ".join(report.notes)
    assert sources_of(records) == []  # beside it there is nothing that trains by folds
    with (tmp_path / "out" / "splits.csv").open(newline="") as file:
        assert {(row["use"], row["image"].startswith("PAT")) for row in csv.DictReader(file)} == {
            ("", False),
            ("train", True),
        }


def test_two_clinics_patients_of_one_number_are_two_unless_ids_are_shared(tmp_path: Path) -> None:
    sources = [Source(clinic(tmp_path / name, first), name) for name, first in (("a", 0), ("b", 100))]
    apart = prepare(sources, tmp_path / "apart", OPTIONS)
    assert "9 patient ids stand in several sources (1, 2, 3 and 6 more)" in " ".join(apart.notes)
    assert sum(each.shared_groups for each in apart.sources) == 0
    together = prepare(sources, tmp_path / "together", PrepareOptions(**{**vars(OPTIONS), "shared_ids": True}))
    assert [each.shared_groups for each in together.sources] == [9, 9]


def test_parts_of_one_published_set_share_photographs_lesions_and_patients(tmp_path: Path) -> None:
    first = isic_set(tmp_path / "a", ["MEL"] * 9 + ["NV"] * 9)
    second = isic_set(
        tmp_path / "b",
        ["MEL"] * 9 + ["NV"] * 9,
        ["L1" if number == 3 else "l2" if number == 4 else f"M{number}" for number in range(18)],
    )
    for path in sorted((second / "ISIC_2019_Training_Input").iterdir()):  # the same ids, other pixels, smaller files
        write_image(path, 700 + int(path.stem[-3:]))
    (second / "ISIC_2019_Training_Input" / "ISIC_0000000.jpg").rename(
        second / "ISIC_2019_Training_Input" / "ISIC_0000000_downsampled.jpg"
    )
    prepare(
        [Source(first, "a"), Source(second, "b")], tmp_path / "out", PrepareOptions(**{**vars(OPTIONS), "folds": 3})
    )
    records = PackedSet.open(tmp_path / "out").records
    group_of = {(one.source, Path(one.image).stem): one.group for one in records}
    for number in range(18):
        name = f"ISIC_{number:07d}"
        assert group_of["a", name] == group_of["b", name + ("_downsampled" if number == 0 else "")], name
    assert group_of["b", "ISIC_0000003"] == group_of["a", "ISIC_0000001"]  # lesion L1
    assert group_of["b", "ISIC_0000004"] == group_of["a", "ISIC_0000002"]  # lesion L2, spelt otherwise


def test_the_same_photograph_in_two_sources_is_one_group_found_by_its_bytes(tmp_path: Path) -> None:
    first = folder_set(tmp_path / "a", {"MEL": 6, "NV": 6})
    second = clinic(tmp_path / "b", 300)
    shutil.copy(first / "MEL" / "MEL_0.png", second / "MEL" / "copy.png")
    report = prepare([Source(first, "a"), Source(second, "b")], tmp_path / "out", OPTIONS)
    group_of = {Path(one.image).name: one.group for one in PackedSet.open(tmp_path / "out").records}
    assert group_of["MEL_0.png"] == group_of["copy.png"]
    assert "1 photographs of b are in another source, too, byte for byte" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda a, _: [Source(a, "one"), Source(a, "two")], "are one folder: wanted each source once"),
        (lambda a, _: [Source(a / "MEL", "one"), Source(a, "two")], "lies in .*, another source"),
        (lambda a, b: [Source(a, "one"), Source(b, "two", images=a)], "24 files are in one and in two"),
        (lambda a, b: [Source(a, "one"), Source(b / "none", "two")], "no folder"),
        (lambda a, b: [Source(a, "one", use="train"), Source(b, "two", use="test")], "both trains and is judged"),
    ],
)
def test_sources_that_do_not_fit_together_are_one_line_and_leave_nothing(
    tmp_path: Path, make: object, told: str
) -> None:
    a, b = folder_set(tmp_path / "a", {"MEL": 12, "NV": 12}), folder_set(tmp_path / "b", {"MEL": 6, "NV": 6})
    with pytest.raises(HierAttnError, match=told):
        prepare(make(a, b), tmp_path / "out", OPTIONS)  # type: ignore[operator]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_prepared_set_is_no_source(tmp_path: Path) -> None:
    a = folder_set(tmp_path / "a", {"MEL": 6, "NV": 6})
    prepare(a, tmp_path / "ready", OPTIONS)
    with pytest.raises(UsageError, match="ready is a prepared set: wanted the folder of photographs"):
        prepare([Source(a, "a"), Source(tmp_path / "ready", "b")], tmp_path / "out", OPTIONS)


def test_the_same_call_does_nothing_and_another_use_or_name_is_refused(tmp_path: Path) -> None:
    sources = [Source(clinic(tmp_path / name, first), name) for name, first in (("a", 0), ("b", 100))]
    made = prepare(sources, tmp_path / "out", OPTIONS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = prepare(sources, tmp_path / "out", OPTIONS)
    assert again.sources == made.sources
    assert again.notes[-1].endswith("nothing was done")
    for other in (Source(sources[1].folder, "b", use="train"), Source(sources[1].folder, "c")):
        with pytest.raises(UsageError, match="another source or other settings"):
            prepare([sources[0], other], tmp_path / "out", OPTIONS)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_set_of_one_source_grows_by_another_and_keeps_its_folds(tmp_path: Path) -> None:
    first = isic_set(tmp_path / "isic", ["MEL"] * 9 + ["NV"] * 12)
    prepare(first, tmp_path / "one", OPTIONS)
    grown = PrepareOptions(**{**vars(OPTIONS), "splits": tmp_path / "one" / "splits.csv", "extend": True})
    prepare([Source(first, "isic"), Source(clinic(tmp_path / "b", 100), "b")], tmp_path / "two", grown)
    before = {Path(one.image).name: one.fold for one in PackedSet.open(tmp_path / "one").records}
    after = PackedSet.open(tmp_path / "two").records
    assert {Path(one.image).name: one.fold for one in after if one.source == "isic"} == before
    assert {one.fold for one in after if one.source == "b"} == {0, 1, 2}
    for fold in range(3):
        split(after, fold)


def test_nothing_of_a_set_of_one_source_tells_of_sources(tmp_path: Path) -> None:
    """Older versions read it, and its bytes are theirs."""
    report = prepare(folder_set(tmp_path / "a", {"MEL": 6, "NV": 6}), tmp_path / "out", OPTIONS)
    header = (tmp_path / "out" / "manifest.csv").read_text().splitlines()[0]
    assert header.endswith(",width,height,sha256")
    assert "sources" not in report.to_dict()
    assert "sources" not in (tmp_path / "out" / "prepared.json").read_text()
    assert {one.source for one in PackedSet.open(tmp_path / "out").records} == {"folder"}


def test_a_label_that_no_class_covers_is_one_line_that_names_it(tmp_path: Path) -> None:
    a, b = folder_set(tmp_path / "a", {"MEL": 6, "NV": 6}), folder_set(tmp_path / "b", {"MEL": 3, "wart": 3})
    with pytest.raises(DataError, match="wart"):
        prepare([Source(a, "a"), Source(b, "b", layout="folder")], tmp_path / "out", OPTIONS)


# --- a set that is only judged --------------------------------------------------------------------------------------


def test_a_set_to_be_judged_alone_needs_one_lesion_of_a_class_and_trains_nothing(tmp_path: Path) -> None:
    for place, name in enumerate(("MEL/1.png", "NV/1.png", "NV/2.png")):
        write_image(tmp_path / "new" / name, place)
    judged = replace(OPTIONS, folds=JUDGED_ONLY)
    with pytest.raises(DataError, match=r"class MEL has 1 separate lesion .* or say --judge-only"):
        prepare(tmp_path / "new", tmp_path / "out", OPTIONS)
    report = prepare(tmp_path / "new", tmp_path / "out", judged)
    assert (report.images, report.folds) == (3, 1)
    assert "nothing was done" in prepare(tmp_path / "new", tmp_path / "out", judged).notes[-1]
    with pytest.raises(DataError, match="prepare it without --judge-only, or judge a bundle on it"):
        split(PackedSet.open(tmp_path / "out").records, 0)


def test_every_source_of_a_set_to_be_judged_alone_is_for_testing(tmp_path: Path) -> None:
    sources = [Source(clinic(tmp_path / name, place), name) for place, name in enumerate(("one", "two"))]
    report = prepare(sources, tmp_path / "out", replace(OPTIONS, folds=JUDGED_ONLY))
    assert {record.use for record in PackedSet.open(tmp_path / "out").records} == {"test"}
    assert [source.used for source in report.sources] == ["testing only"] * 2
    with pytest.raises(UsageError, match="--judge-only and --train-only two"):
        prepare([sources[0], replace(sources[1], use="train")], tmp_path / "no", replace(OPTIONS, folds=JUDGED_ONLY))
