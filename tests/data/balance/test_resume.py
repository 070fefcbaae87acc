"""Killed anywhere (kill -9, no exception), balance goes on and ends with the bytes of a run that was never stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kills import drive

from hierattn.data.balance.balance import balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.rendered.prepared import render_prepared

SETTINGS: dict[str, object] = {"target": 20, "fold": 1, "hardness_folds": 3, "pictures": False, "jobs": 1}

SETTING = """
import os
from pathlib import Path
import hierattn.data.balance.balance as balance, hierattn.data.array_cache as array_cache
import hierattn.data.prepared_set.packed as packed
from hierattn.data.balance.options import BalanceOptions
import sklearn.ensemble

OWNERS = {"balance": balance, "Cache": array_cache.ArrayCache, "Writer": packed.PackedWriter, "Path": Path, "os": os}

def work(job):
    options = BalanceOptions(cache=Path(job["keep"]), **job["settings"])
    balance.balance(Path(job["source"]), Path(job["out"]), options)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_prepared(
        tmp_path_factory.mktemp("balance") / "set", {"NV": 50, "MEL": 36, "DF": 30}, size=32, folds=3
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(source: Path) -> dict[str, bytes]:
    """The bytes of a run that nothing stopped."""
    out = source.parent / "whole"
    balance(source, out, BalanceOptions(cache=source.parent / "keep-whole", **SETTINGS))  # type: ignore[arg-type]
    return contents(out)


def job(
    source: Path, name: str, where: str = "", at: int = 1, after: bool = False, after_s: float = 0.0
) -> dict[str, object]:
    return {
        "source": str(source), "out": str(source.parent / name), "keep": str(source.parent / f"keep-{name}"),
        "settings": SETTINGS, "where": where, "at": at, "after": after, "after_s": after_s,
    }  # fmt: skip


# Each run finds what the ones before it left. Five kills at the next array to be kept take it from nothing to all:
# features, then each fold's hardness.
PLACES = [
    ("Cache.save", 1, False),
    *[("Cache.save", 1, True)] * 4,
    *(("Writer.append", at, after) for at in (1, 33, 60) for after in (False, True)),
    ("Writer.close", 1, False),
    ("Writer.close", 1, True),
    *(
        (f"balance.{step}", 1, after)
        for step in ("write_manifest", "write_copies", "rewrite_audit", "write_hardness", "_write_info")
        for after in (False, True)
    ),
    ("Path.rename", 1, False),
]


def test_killed_at_one_place_after_another_it_ends_with_the_same_bytes(source: Path, whole: dict[str, bytes]) -> None:
    killed = drive(SETTING, [job(source, "again", *place) for place in PLACES])
    assert killed == ["killed"] * len(PLACES)
    assert not (source.parent / "again").exists()  # nothing that looks whole
    assert drive(SETTING, [job(source, "again")]) == ["exit 0"]
    assert contents(source.parent / "again") == whole
    assert [path.name for path in source.parent.iterdir() if path.name.startswith(".again")] == []


@pytest.mark.parametrize(
    "place", [("os.replace", 1, False), ("os.replace", 2, True), ("Cache.save", 2, False), ("Writer.append", 50, True)]
)
def test_killed_once_from_the_start_the_next_run_ends_with_the_same_bytes(
    source: Path, whole: dict[str, bytes], place: tuple[str, int, bool]
) -> None:
    name = f"once-{place[0]}-{place[1]}"
    assert drive(SETTING, [job(source, name, *place), job(source, name)]) == ["killed", "exit 0"]
    assert contents(source.parent / name) == whole


def test_killed_after_its_last_rename_it_is_whole(source: Path, whole: dict[str, bytes]) -> None:
    assert drive(SETTING, [job(source, "renamed", "Path.rename", 1, after=True)]) == ["killed"]
    assert contents(source.parent / "renamed") == whole


def test_killed_at_moments_of_the_clock(source: Path, whole: dict[str, bytes]) -> None:
    names = [f"clock{number}" for number in range(4)]
    drive(SETTING, [job(source, name, after_s=0.01 + 0.1 * number) for number, name in enumerate(names)])
    for name in names:
        out = source.parent / name
        if out.exists():  # it was quicker than the signal
            assert contents(out) == whole
            shutil.rmtree(out)
    assert drive(SETTING, [job(source, name) for name in names]) == ["exit 0"] * len(names)
    assert all(contents(source.parent / name) == whole for name in names)
