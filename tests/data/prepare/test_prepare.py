"""Prepare end to end: what it writes, that it is the same every time, and that it leaves nothing half."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import SHARED
from tiny_sets import blob, folder_set, isic_set, write_table

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.folds import check_leaks
from hierattn.data.prepared_set.packed import (
    AUDIT,
    IMAGES,
    INFO,
    MANIFEST,
    NEAR_DUPLICATES,
    PICTURES,
    SPLITS,
    TAXONOMY,
    PackedSet,
)
from hierattn.data.prepared_set.parts import split
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import DataError, UsageError
from hierattn.files import CONTENTS
from hierattn.taxonomy.toml_file import read_taxonomy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: three lesions of melanoma, nine naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 18, [f"L{number // 2}" for number in range(24)])


def audit_of(folder: Path) -> list[dict[str, str]]:
    with (folder / AUDIT).open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_prepared_folder_holds_seven_files_and_nothing_else_appears(source: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    prepare(source, tmp_path / "deep" / "out", PrepareOptions(size=32, folds=3, crop="none"))
    files = {TAXONOMY, MANIFEST, IMAGES, INFO, AUDIT, SPLITS, NEAR_DUPLICATES}
    assert set(contents(tmp_path / "deep" / "out")) == files | {CONTENTS}
    assert set(tmp_path.iterdir()) - before == {tmp_path / "deep"}
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "out"]


def test_photographs_too_small_for_hair_removal_are_counted(source: Path, tmp_path: Path) -> None:
    for path in sorted(source.rglob("*.jpg"))[:5]:
        Image.open(path).resize((200, 100)).save(path)
    options = PrepareOptions(size=32, folds=3, crop="none", hair_removal=True)
    assert (
        "no hair was looked for in 19 of 24 images: under 96 pixels a side"
        in prepare(source, tmp_path / "out", options).notes
    )
    plain = PrepareOptions(size=32, folds=3, crop="none")
    assert not [note for note in prepare(source, tmp_path / "plain", plain).notes if "hair" in note]


def test_the_manifest_points_from_its_folder_to_the_original_files(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "a" / "b" / "out", PrepareOptions(size=32, folds=3))
    records = PackedSet.open(tmp_path / "a" / "b" / "out").records
    assert records[0].image == "../../../isic/ISIC_2019_Training_Input/ISIC_0000000.jpg"
    for record in records:
        with Image.open(tmp_path / "a" / "b" / "out" / record.image) as image:
            assert image.size == (record.width, record.height) == (40, 30)


def test_a_source_elsewhere_gives_the_same_folds(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=3))
    shutil.copytree(source, tmp_path / "moved" / "far" / "away")
    prepare(tmp_path / "moved" / "far" / "away", tmp_path / "two", PrepareOptions(size=32, folds=3))
    one, two = (PackedSet.open(tmp_path / name).records for name in ("one", "two"))
    assert [(r.group, r.fold, r.sha256) for r in one] == [(r.group, r.fold, r.sha256) for r in two]


def test_counts_and_folds_are_those_of_the_source(source: Path, tmp_path: Path) -> None:
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert (report.images, report.source, report.layout, report.imbalance) == (24, "isic2019", "isic2019", 3.0)
    assert (report.classes["MEL"].images, report.classes["MEL"].lesions, report.classes["MEL"].patients) == (6, 3, 0)
    records = PackedSet.open(tmp_path / "out").records
    for label, count in report.classes.items():
        held = Counter(record.fold for record in records if record.label == label)
        assert count.per_fold == [held[fold] for fold in range(3)]


def test_no_lesion_crosses_folds_and_each_fold_tests_every_class(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    records = PackedSet.open(tmp_path / "out").records
    check_leaks(records)
    for fold in range(3):
        parts = split(records, fold)
        for rows in (parts.train, parts.validation, parts.test):
            assert {records[row].label for row in rows} == {"MEL", "NV"}
            others = {records[row].lesion for row in set(range(len(records))) - set(rows)}
            assert not {records[row].lesion for row in rows} & others


def test_identical_files_under_two_names_are_one_group_and_are_told(source: Path, tmp_path: Path) -> None:
    folder = source / "ISIC_2019_Training_Input"
    shutil.copy(folder / "ISIC_0000000.jpg", folder / "ISIC_0000020.jpg")  # a melanoma as a naevus
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    records = PackedSet.open(tmp_path / "out").records
    assert records[0].group == records[1].group == records[20].group == records[21].group
    assert "1 file is a copy of another, byte for byte: in one group; 1 of them with two labels" in report.notes


def test_the_audit_lists_every_image_of_the_source(source: Path, tmp_path: Path) -> None:
    folder = source / "ISIC_2019_Training_Input"
    (folder / "ISIC_0000010.jpg").write_bytes(b"")
    (folder / "ISIC_0000011.jpg").rename(folder / "stray.jpg")
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    rows = {Path(row["image"]).stem: row for row in audit_of(tmp_path / "out")}
    assert set(rows) == {f"ISIC_{number:07d}" for number in range(24)} | {"stray"}
    assert rows["ISIC_0000010"]["reason"].startswith("ISIC_0000010.jpg is empty")
    assert rows["ISIC_0000011"]["reason"] == "no image file"
    assert rows["stray"]["reason"] == "no row of the table names it"
    assert Counter(row["status"] for row in rows.values()) == {"kept": 22, "dropped": 3}
    assert (report.images, len(report.dropped)) == (22, 3)


def test_a_surround_is_cropped_and_the_audit_says_so(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 3, "NV": 3})
    rows, columns = np.mgrid[:120, :160]
    inside = np.hypot(rows - 60, columns - 80) < 40
    round_field = np.where(inside[:, :, None], blob(0, 120, 160), 5).astype(np.uint8)
    Image.fromarray(round_field).save(source / "MEL" / "MEL_0.png")
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    prepare(source, tmp_path / "plain", PrepareOptions(size=32, folds=3, crop="none"))
    assert report.cropped == 1
    row = next(row for row in audit_of(tmp_path / "out") if row["image"].endswith("MEL_0.png"))
    assert (row["cropped"], row["width"], row["height"]) == ("yes", "160", "120")
    box = [int(value) for value in row["box"].split(",")]
    assert np.abs(np.subtract(box, (40, 20, 120, 100))).max() <= 2
    cropped, plain = (PackedSet.open(tmp_path / name) for name in ("out", "plain"))
    assert (cropped.image_spec.crop, plain.image_spec.crop) == ("surround", "none")
    left, top, right, bottom = box
    np.testing.assert_array_equal(cropped.images[0], cropped.image_spec.resize(round_field[top:bottom, left:right]))
    np.testing.assert_array_equal(plain.images[0], plain.image_spec.resize(round_field))


def test_an_exif_rotation_is_undone_before_anything_is_measured(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 3, "NV": 3})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(blob(51)).save(source / "MEL" / "MEL_0.png", exif=exif)
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    packed = PackedSet.open(tmp_path / "out")
    assert (packed.records[0].width, packed.records[0].height) == (30, 40)
    np.testing.assert_array_equal(packed.images[0], packed.image_spec.resize(np.rot90(blob(51), -1)))


def test_your_own_groups_are_kept_together(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 9, "NV": 9})
    rows = [(f"{label}_{number}.png", number // 3) for label in ("MEL", "NV") for number in range(9)]
    write_table(source / "groups.csv", ("image", "patient"), rows)
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    folds = {(record.patient, record.fold) for record in PackedSet.open(tmp_path / "out").records}
    assert len(folds) == 3


# --- an OUT that is there already -------------------------------------------------------------------------------


def test_a_prepared_folder_is_replaced_only_when_asked(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    before = contents(out)
    with pytest.raises(UsageError, match="--overwrite"):
        prepare(source, out, PrepareOptions(size=40, folds=3))
    assert contents(out) == before
    prepare(source, out, PrepareOptions(size=40, folds=3, overwrite=True))
    assert PackedSet.open(out).image_spec.size == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["isic", "out"]


def test_anything_else_is_never_replaced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for place in (out, tmp_path / "file", source):
        with pytest.raises(UsageError):
            prepare(source, place, PrepareOptions(size=32, folds=3, overwrite=True))
    assert (out / "chapter.txt").read_text() == "years of work"
    assert (source / "ISIC_2019_Training_GroundTruth.csv").is_file()


def test_a_prepared_folder_with_a_file_of_the_user_is_never_replaced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    (out / "notes.txt").write_text("which photographs to look at again")
    before = contents(out)
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"holds notes\.txt, .*nothing in it is touched") as refused:
            prepare(source, out, PrepareOptions(size=40, folds=3, overwrite=overwrite))
        assert "--overwrite" not in str(refused.value)
    assert contents(out) == before
    assert "nothing was done" in prepare(source, out, PrepareOptions(size=32, folds=3)).notes[-1]


def test_the_folder_of_the_source_is_never_replaced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    source.rename(out / "isic")
    with pytest.raises(UsageError, match="which is to be read") as refused:
        prepare(out / "isic", out, PrepareOptions(size=40, folds=3, overwrite=True))
    assert "--overwrite" not in str(refused.value)
    assert (out / "isic" / "ISIC_2019_Training_GroundTruth.csv").is_file()


def test_a_folder_that_an_older_version_made_is_replaced_when_asked(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=64, folds=3, pictures=True))
    (out / CONTENTS).unlink()  # older versions made no list
    with pytest.raises(UsageError, match="--overwrite"):
        prepare(source, out, PrepareOptions(size=32, folds=3))
    prepare(source, out, PrepareOptions(size=32, folds=3, overwrite=True))
    assert set(contents(out)) == {TAXONOMY, MANIFEST, IMAGES, INFO, AUDIT, SPLITS, NEAR_DUPLICATES, CONTENTS}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_set_that_was_damaged_or_changed_is_not_replaced(source: Path, tmp_path: Path, overwrite: bool) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    (out / INFO).write_bytes(b"?" * (out / INFO).stat().st_size)
    before = contents(out)
    with pytest.raises(UsageError, match=r"holds prepared\.json, .* or was changed since: nothing in it is touched"):
        prepare(source, out, PrepareOptions(size=32, folds=3, overwrite=overwrite))
    assert contents(out) == before


def test_what_a_stopped_preparation_with_other_options_wrote_does_not_stay(source: Path, tmp_path: Path) -> None:
    def stop(_: str, done: int, __: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    out, part = tmp_path / "out", tmp_path / ".out.part"
    with pytest.raises(KeyboardInterrupt):
        prepare(source, out, PrepareOptions(size=32, folds=3), progress=stop)
    (part / NEAR_DUPLICATES).write_text("of a moment before")
    (part / PICTURES).mkdir()
    prepare(source, out, PrepareOptions(size=32, folds=3, near_duplicates=False))
    assert set(contents(out)) == {TAXONOMY, MANIFEST, IMAGES, INFO, AUDIT, SPLITS, CONTENTS}


def test_an_empty_folder_is_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert len(PackedSet.open(tmp_path / "out")) == 24


@pytest.mark.parametrize("stop", [OSError(5, "Input/output error"), RuntimeError])
def test_after_an_error_halfway_nothing_is_left_and_the_former_set_stays(
    source: Path, tmp_path: Path, stop: BaseException
) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    before = contents(out)

    def interrupt(_: str, done: int, __: int | None) -> None:
        if done == 10:
            raise stop

    for place, overwrite in ((out, True), (tmp_path / "new", False)):
        with pytest.raises(BaseException):  # noqa: B017
            prepare(source, place, PrepareOptions(size=40, folds=3, overwrite=overwrite), progress=interrupt)
    assert contents(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["isic", "out"]


def test_near_duplicates_are_one_group_unless_not_wanted(source: Path, tmp_path: Path) -> None:
    folder = source / "ISIC_2019_Training_Input"
    with Image.open(folder / "ISIC_0000000.jpg") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "ISIC_0000020.jpg", quality=90)
    report = prepare(source, tmp_path / "out", PrepareOptions(size=64, folds=3))
    records = PackedSet.open(tmp_path / "out").records
    assert report.near_duplicates == 1
    assert records[0].group == records[20].group == records[21].group
    assert any("1 pair of near-duplicates: in one group; 1 of them not known" in note for note in report.notes)
    with (tmp_path / "out" / NEAR_DUPLICATES).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (Path(row["one"]).stem, Path(row["other"]).stem, row["turn"]) == ("ISIC_0000000", "ISIC_0000020", "2")
    assert (row["label"], row["other_label"], row["known"]) == ("MEL", "NV", "no")
    without = prepare(source, tmp_path / "without", PrepareOptions(size=64, folds=3, near_duplicates=False))
    records = PackedSet.open(tmp_path / "without").records
    assert without.near_duplicates is None
    assert records[0].group != records[20].group
    assert not (tmp_path / "without" / NEAR_DUPLICATES).exists()


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 rendered lesions; of naevi a half-sized, a turned and a cropped copy, and one seen through a dark tube."""
    folder = tmp_path_factory.mktemp("look-alikes") / "set"
    for code, count in (("MEL", 6), ("NV", 12)):
        (folder / code).mkdir(parents=True)
        for number in range(count):
            seed = np.random.default_rng([ord(code[0]), number])
            Image.fromarray(render_lesion(code, seed, 160).image).save(folder / code / f"{code}{number}.png")
    with Image.open(folder / "NV" / "NV0.png") as image:
        image.resize((80, 80), Image.Resampling.BOX).save(folder / "NV" / "half.png")
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "NV" / "turned.png")
        image.crop((4, 6, 154, 156)).save(folder / "NV" / "cropped.png")
        rows, columns = np.mgrid[:280, :280]
        tube = np.full((280, 280, 3), 4, np.uint8)
        tube[60:220, 60:220] = np.asarray(image.convert("RGB"))
        tube[np.hypot(rows - 140, columns - 140) > 79] = 4
        Image.fromarray(tube).save(folder / "NV" / "tube.png")
    with Image.open(folder / "NV" / "tube.png") as tube:
        tube.crop((58, 58, 222, 222)).save(folder / "NV" / "tube_cropped.png")
    return folder


HOW = [
    {"size": 128},
    {"size": 32},
    {"size": 200},
    {"crop": "none"},
    {"crop": "paper"},
    {"hair_removal": True, "colour_constancy": "grey_world"},
]


def test_folds_and_near_duplicates_do_not_hang_on_how_the_pixels_are_prepared(
    look_alikes: Path, tmp_path: Path
) -> None:
    found = []
    for number, how in enumerate(HOW):
        out = tmp_path / f"out{number}"
        prepare(look_alikes, out, PrepareOptions(**{"size": 64, "folds": 3, **how}))  # type: ignore[arg-type]
        found.append(((out / SPLITS).read_bytes(), (out / NEAR_DUPLICATES).read_bytes()))
    assert found == [found[0]] * len(HOW)
    with (tmp_path / "out0" / NEAR_DUPLICATES).open(newline="") as file:
        pairs = {frozenset(Path(row[name]).stem for name in ("one", "other")) for row in csv.DictReader(file)}
    assert {frozenset(("NV0", name)) for name in ("half", "turned", "cropped")} <= pairs
    assert frozenset(("tube", "tube_cropped")) in pairs  # the surround is cropped for comparing, whatever --crop says


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_real_phone_photographs_prepare_whole(tmp_path: Path) -> None:
    """A subset of 72 real photographs through the whole of prepare, in PAD-UFES-20's own layout."""
    real = SHARED / "data" / "pad-ufes-20"
    with (real / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    taken = [row for code in ("MEL", "NEV", "BCC") for row in [r for r in rows if r["diagnostic"] == code][:24]]
    write_table(tmp_path / "pad" / "metadata.csv", list(rows[0]), [list(row.values()) for row in taken])
    report = prepare(tmp_path / "pad", tmp_path / "out", PrepareOptions(images=real / "images", size=32, folds=3))
    assert (report.images, report.cropped, report.source) == (72, 0, "pad-ufes-20")
    assert {row.reason for row in report.dropped} == {"no row of the table names it"}
    packed = PackedSet.open(tmp_path / "out")
    packed.verify()
    assert all((packed.folder / record.image).is_file() for record in packed.records)


def test_a_split_file_in_the_folder_that_is_to_be_replaced_is_refused(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    before = contents(out)
    with pytest.raises(UsageError, match=r"holds .*splits\.csv, which is to be read"):
        prepare(source, out, PrepareOptions(size=32, folds=3, seed=1, splits=out / SPLITS, overwrite=True))
    assert contents(out) == before


def test_classes_of_folders_travel_with_the_set_and_can_be_edited(tmp_path: Path) -> None:
    photos = folder_set(tmp_path / "photos", {"eczema": 3, "Lichen planus": 3})
    options = PrepareOptions(size=32, folds=3, near_duplicates=False)
    report = prepare(photos, tmp_path / "out", options)
    taxonomy = PackedSet.open(tmp_path / "out").taxonomy
    assert taxonomy.codes == ("eczema", "Lichen_planus")
    assert {record.label for record in PackedSet.open(tmp_path / "out").records} == set(taxonomy.codes)
    assert "nothing is said of which classes need a doctor" in " ".join(report.notes)
    edited = tmp_path / "out-taxonomy.toml"
    text = edited.read_text(encoding="utf-8")
    edited.write_text(text.replace("# refer = ", "refer = true", 1).replace("# refer = ", "refer = false"), "utf-8")
    again = replace(options, taxonomy=read_taxonomy(edited), overwrite=True)
    assert not [note for note in prepare(photos, tmp_path / "out", again).notes if "need a doctor" in note]
    assert PackedSet.open(tmp_path / "out").taxonomy.triage_group == {"eczema"}
    assert edited.read_text(encoding="utf-8").count("# refer") == 0  # the user's: not written again


def test_a_taxonomy_that_was_changed_in_a_set_is_refused(tmp_path: Path) -> None:
    photos = folder_set(tmp_path / "photos", {"benign": 3, "malignant": 3})
    prepare(photos, tmp_path / "out", PrepareOptions(size=32, folds=3, near_duplicates=False))
    assert PackedSet.open(tmp_path / "out").taxonomy.name == "malignant"
    with (tmp_path / "out" / TAXONOMY).open("a") as file:
        file.write("# a word\n")
    with pytest.raises(DataError, match="--taxonomy"):
        PackedSet.open(tmp_path / "out")
