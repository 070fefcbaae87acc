"""Killed anywhere (kill -9, no exception), prepare goes on and ends with the bytes of a run that was never stopped."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from kills import drive
from PIL import Image
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.packing import COMPARISON, READING
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError

OPTIONS: dict[str, object] = {"size": 64, "folds": 3, "colour_constancy": "grey_world"}

SETTING = """
import os
from pathlib import Path
import hierattn.data.prepare.packing as packing, hierattn.data.prepared_set.packed as packed
import hierattn.data.prepare.prepare as prepare
from hierattn.data.prepare.options import PrepareOptions
packing._FLUSH_EVERY = 3

OWNERS = {"Writer": packed.PackedWriter, "Journal": packing._Journal, "prepare": prepare, "Path": Path, "os": os}

def work(job):
    options = PrepareOptions(overwrite=job["overwrite"], **job["options"])
    prepare.prepare(Path(job["source"]), Path(job["out"]), options)
"""


def job(
    source: Path, out: Path, where: str = "", at: int = 1, after: bool = False, **more: object
) -> dict[str, object]:
    return {
        "source": str(source), "out": str(out), "options": OPTIONS, "where": where, "at": at, "after": after,
        "overwrite": False, **more,
    }  # fmt: skip


def progress_of(source: Path, out: Path, options: dict[str, object]) -> list[tuple[int, int | None]]:
    """(done, total) of every call while images are read."""
    seen: list[tuple[str, int, int | None]] = []
    prepare(source, out, PrepareOptions(**options), progress=lambda *call: seen.append(call))  # type: ignore[arg-type]
    return [(done, total) for step, done, total in seen if step == READING]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 images, one of them bad, one stored twice."""
    folder = isic_set(tmp_path_factory.mktemp("source") / "isic", ["MEL"] * 8 + ["NV"] * 15)
    (folder / "ISIC_2019_Training_Input" / "ISIC_0000010.jpg").write_bytes(b"no image")
    images = folder / "ISIC_2019_Training_Input"
    with Image.open(images / "ISIC_0000009.jpg") as image:
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(images / "ISIC_0000021.jpg")
    return folder


@pytest.fixture(scope="module")
def whole(source: Path) -> dict[str, bytes]:
    """The bytes of a run that nothing stopped."""
    prepare(source, source.parent / "whole", PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    return contents(source.parent / "whole")


PLACES = [
    *(("Writer.append", at, after) for at in (1, 7, 22, 43) for after in (False, True)),
    *(("Writer.flush", at, after) for at in (1, 2, 7) for after in (False, True)),
    *(("Journal.write", at, after) for at in (1, 4, 8) for after in (False, True)),
    ("Writer.close", 1, False),
    ("Writer.close", 1, True),
    ("Writer.close", 2, False),
    ("Writer.close", 2, True),
    ("Path.unlink", 1, False),
    ("Path.unlink", 1, True),
    ("prepare.find_near_duplicates", 1, True),
    ("prepare.write_manifest", 1, False),
    ("prepare.write_manifest", 1, True),
    ("prepare.write_report", 1, False),
    ("prepare.write_report", 1, True),
    ("Path.rename", 1, False),
    ("Path.rename", 1, True),
]


def test_killed_once_at_any_of_many_places_the_next_run_ends_with_the_same_bytes(
    source: Path, whole: dict[str, bytes]
) -> None:
    outs = [source.parent / f"killed{number}" for number in range(len(PLACES))]
    killed = drive(SETTING, [job(source, out, *place) for out, place in zip(outs, PLACES, strict=True)])
    assert killed == ["killed"] * len(PLACES)
    for out in outs[:-1]:
        assert not out.exists()  # nothing that looks whole
    assert drive(SETTING, [job(source, out) for out in outs]) == ["exit 0"] * len(PLACES)
    for out, place in zip(outs, PLACES, strict=True):
        assert contents(out) == whole, place
    assert [path for path in source.parent.iterdir() if path.name.startswith(".")] == []


def test_killed_again_and_again_it_gets_there(source: Path, whole: dict[str, bytes]) -> None:
    out = source.parent / "again"
    jobs = [job(source, out, "Writer.append", 4, after=True) for _ in range(4)]
    jobs += [job(source, out, "Journal.write", 1, after=False), job(source, out, "prepare.write_audit", 1)]
    assert drive(SETTING, jobs) == ["killed"] * 6
    assert drive(SETTING, [job(source, out)]) == ["exit 0"]
    assert contents(out) == whole


def test_killed_at_moments_of_the_clock(source: Path, whole: dict[str, bytes]) -> None:
    outs = [source.parent / f"clock{number}" for number in range(12)]
    drive(SETTING, [job(source, out, after_s=0.004 + 0.012 * number) for number, out in enumerate(outs)])
    assert drive(SETTING, [job(source, out) for out in outs]) == ["exit 0"] * 12
    assert all(contents(out) == whole for out in outs)


def test_what_was_done_is_not_done_again(source: Path, tmp_path: Path) -> None:
    drive(SETTING, [job(source, tmp_path / "out", "prepare.write_manifest", 1)])
    assert progress_of(source, tmp_path / "out", OPTIONS) == [(23, 23)]


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_replacement_killed_between_its_renames_loses_neither_set(
    source: Path, whole: dict[str, bytes], tmp_path: Path, at: int, after: bool
) -> None:
    out = tmp_path / "out"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    former = contents(out)
    assert drive(SETTING, [job(source, out, "Path.rename", at, after, overwrite=True)]) == ["killed"]
    with pytest.raises(UsageError, match="--overwrite") if not (at == 2 and after) else _nothing():
        prepare(source, out, PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    assert set(contents(out)) == set(former)
    prepare(source, out, PrepareOptions(overwrite=True, **OPTIONS))  # type: ignore[arg-type]
    assert contents(out)["images.npy"] == whole["images.npy"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize("damage", ["cut", "zeros", "journal", "torn", "compared", "lost"])
def test_a_part_that_a_power_cut_damaged_is_done_again_from_there(
    source: Path, whole: dict[str, bytes], damage: str
) -> None:
    out = source.parent / damage
    drive(SETTING, [job(source, out, "Writer.append", 38)])
    images, journal = (source.parent / f".{damage}.part" / name for name in ("images.npy", ".journal"))
    content = images.read_bytes()
    if damage == "cut":
        images.write_bytes(content[: len(content) // 2])
    elif damage == "zeros":
        images.write_bytes(content[:40_000] + bytes(len(content) - 40_000))
    elif damage == "journal":
        journal.write_bytes(b"\0" * 500)
    elif damage in ("compared", "lost"):
        compared = images.with_name(COMPARISON)
        compared.write_bytes(compared.read_bytes()[:100_000] if damage == "compared" else b"")
    else:
        journal.write_bytes(journal.read_bytes()[:-20])
    prepare(source, out, PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    assert contents(out) == whole


def test_another_setting_or_source_starts_anew(source: Path, tmp_path: Path) -> None:
    folder = isic_set(tmp_path / "isic", ["MEL"] * 8 + ["NV"] * 8)
    for change in ({"size": 48}, {"colour_constancy": "max_rgb"}):
        out = tmp_path / f"out-{'-'.join(change)}"
        drive(SETTING, [job(folder, out, "Writer.append", 10)])
        assert progress_of(folder, out, {**OPTIONS, **change})[0] == (1, 16)
    drive(SETTING, [job(folder, tmp_path / "out", "Writer.append", 10)])
    image = folder / "ISIC_2019_Training_Input" / "ISIC_0000002.jpg"
    with Image.open(folder / "ISIC_2019_Training_Input" / "ISIC_0000003.jpg") as other:
        other.rotate(90).save(image)
    prepare(folder, tmp_path / "out", PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    packed = PackedSet.open(tmp_path / "out")
    prepare(folder, tmp_path / "fresh", PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    assert (packed.images == PackedSet.open(tmp_path / "fresh").images).all()


def test_stopped_by_the_keyboard_it_can_go_on(source: Path, whole: dict[str, bytes]) -> None:
    def stop(_: str, done: int, __: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    out = source.parent / "keyboard"
    with pytest.raises(KeyboardInterrupt):
        prepare(source, out, PrepareOptions(**OPTIONS), progress=stop)  # type: ignore[arg-type]
    assert not out.exists()
    prepare(source, out, PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    assert contents(out) == whole


def test_two_at_once_are_kept_apart(source: Path, tmp_path: Path) -> None:
    with (tmp_path / ".out.lock").open("a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="being made by another process"):
            prepare(source, tmp_path / "out", PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
    prepare(source, tmp_path / "out", PrepareOptions(**OPTIONS))  # type: ignore[arg-type]
