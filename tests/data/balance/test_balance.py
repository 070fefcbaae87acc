"""Balancing end to end: exact counts, untouched folds, records of what was done, and going on after kill -9."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hierattn.data.balance.balance import CACHE, balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.balance.oversampling import Change, apply_change
from hierattn.data.prepared_set.folds import check_leaks
from hierattn.data.prepared_set.packed import AUDIT, COPIES, HARDNESS, INFO, PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import DataError, UsageError

COUNTS = {"NV": 90, "MEL": 40, "DF": 26}
OPTIONS = BalanceOptions(target=30, fold=1, hardness_folds=3, pictures=False, jobs=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_prepared(tmp_path_factory.mktemp("balance") / "set", COUNTS, size=32, folds=4)


@pytest.fixture(scope="module")
def honest(source: Path) -> Path:
    out = source.parent / "honest"
    balance(source, out, OPTIONS)
    return out


@pytest.fixture(scope="module")
def paper(source: Path) -> Path:
    out = source.parent / "paper"
    balance(source, out, replace(OPTIONS, protocol="paper"))
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def stem(image: str) -> str:
    return image.rsplit("/", 1)[-1]


def test_every_class_trains_with_exactly_the_target(honest: Path) -> None:
    packed = PackedSet.open(honest)
    parts = split(packed.records, 1)
    assert Counter(packed.records[row].label for row in parts.train) == {"NV": 30, "MEL": 30, "DF": 30}
    packed.verify()


def test_the_two_folds_that_judge_are_as_they_were_to_the_pixel(source: Path, honest: Path) -> None:
    before, after = PackedSet.open(source), PackedSet.open(honest)
    old, new = split(before.records, 1), split(after.records, 1)
    for name in ("test", "validation"):
        rows, now = getattr(old, name), getattr(new, name)
        assert [stem(before.records[r].image) for r in rows] == [stem(after.records[r].image) for r in now]
        np.testing.assert_array_equal(before.images[rows], after.images[now])


def test_the_hardness_of_the_folds_that_judge_is_not_even_asked_for(source: Path, honest: Path) -> None:
    packed = PackedSet.open(source)
    judged = {stem(row["image"]) for row in table(honest / HARDNESS)}
    assert judged == {packed.records[row].image for row in split(packed.records, 1).train}


def test_kept_are_the_easiest_and_the_audit_says_why_the_others_went(honest: Path) -> None:
    rows = table(honest / HARDNESS)
    for label in COUNTS:
        own = [row for row in rows if row["label"] == label]
        assert sorted(int(row["rank"]) for row in own) == list(range(1, len(own) + 1))
        assert {row["image"] for row in own if int(row["rank"]) <= 30} == {
            row["image"] for row in own if row["kept"] == "yes"
        }
        ordered = sorted(own, key=lambda row: int(row["rank"]))
        assert [float(row["hardness"]) for row in ordered] == sorted(float(row["hardness"]) for row in own)
        for row in own:
            assert float(row["hardness"]) == pytest.approx(1 - float(row["p_forest"]), abs=1e-8)
    dropped = {row["image"]: row["hardness"] for row in rows if row["kept"] == "no"}
    audit = {row["image"]: row for row in table(honest / AUDIT)}
    assert len(audit) == sum(COUNTS.values())
    assert {image for image, row in audit.items() if row["status"] == "dropped"} == set(dropped)
    for image, hardness in dropped.items():
        assert audit[image]["reason"] == f"under-sampled, instance hardness {float(hardness):.3f}"


def test_each_copy_can_be_made_again_from_its_parent_and_its_row(honest: Path) -> None:
    packed = PackedSet.open(honest)
    place = {record.image: row for row, record in enumerate(packed.records)}
    rows = table(honest / COPIES)
    assert len(rows) == sum(record.role == "augmented" for record in packed.records) > 0
    for row in rows:
        copy, parent = (packed.records[place[row[name]]] for name in ("image", "parent"))
        assert (copy.role, copy.parent, parent.role) == ("augmented", parent.image, "original")
        assert (copy.label, copy.group, copy.fold, copy.lesion) == (
            parent.label,
            parent.group,
            parent.fold,
            parent.lesion,
        )
        again = apply_change(np.asarray(packed.images[place[parent.image]]), Change.from_row(row))
        np.testing.assert_array_equal(again, packed.images[place[copy.image]])
    often = Counter(row["parent"] for row in rows)
    for label in COUNTS:
        own = [o for image, o in often.items() if packed.records[place[image]].label == label]
        assert not own or max(own) - min(own) <= 1


def test_paper_protocol_balances_everything_and_folds_afterwards(paper: Path) -> None:
    packed = PackedSet.open(paper)
    assert Counter(record.label for record in packed.records) == {"NV": 30, "MEL": 30, "DF": 30}
    check_leaks(packed.records)
    folds = {record.image: record.fold for record in packed.records}
    assert set(folds.values()) == {0, 1, 2, 3}
    assert all(folds[r.parent] == r.fold for r in packed.records if r.parent)
    assert packed.info["balance"]["protocol"] == "paper"
    assert packed.info["balance"]["grouped"] is False  # as the paper judged it
    assert any("paper protocol" in note for note in packed.info["notes"])


def test_prepared_json_tells_what_is_there(source: Path, honest: Path) -> None:
    info = json.loads((honest / INFO).read_text())
    packed = PackedSet.open(honest)
    assert info["images"] == len(packed)
    for label, count in info["classes"].items():
        own = [record for record in packed.records if record.label == label]
        assert count["images"] == len(own) == sum(count["per_fold"])
        assert count["lesions"] == len({record.lesion for record in own})
    told = info["balance"]
    assert (told["fold"], told["target"], told["feature"], told["learners"]) == (1, 30, "colour-texture", ["forest"])
    assert told["source_manifest_sha256"] == PackedSet.open(source).manifest_sha256
    for count in told["classes"].values():
        assert count["before"] - count["dropped"] + count["copies"] == count["after"] == 30
    assert told["imbalance_after"] == 1.0


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(source: Path, honest: Path, tmp_path: Path) -> None:
    balance(source, tmp_path / "again", replace(OPTIONS, jobs=3, cache=tmp_path / "kept"))
    one, two = contents(honest), contents(tmp_path / "again")
    for name in ("manifest.csv", HARDNESS, COPIES):  # their paths lead from another folder
        assert one.pop(name) != two.pop(name)
    assert one.pop(INFO) != two.pop(INFO)
    assert [stem(row["image"]) for row in table(honest / HARDNESS)] == [
        stem(row["image"]) for row in table(tmp_path / "again" / HARDNESS)
    ]
    assert one["images.npy"] == two["images.npy"]
    balance(source, source.parent / "honest-again", replace(OPTIONS, jobs=2))
    assert contents(source.parent / "honest-again") == contents(honest)
    balance(source, source.parent / "other", replace(OPTIONS, seed=1))
    assert contents(source.parent / "other")["images.npy"] != one["images.npy"]


def test_what_was_judged_once_is_not_judged_again(source: Path, honest: Path) -> None:
    kept = source.parent / CACHE
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.npy")}
    assert before
    balance(source, source.parent / "smaller", replace(OPTIONS, target=10))
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.npy")} == before


def test_random_under_sampling_judges_nothing(source: Path) -> None:
    report = balance(source, source.parent / "random", replace(OPTIONS, under_sampling="random"))
    assert not (source.parent / "random" / HARDNESS).exists()
    assert set(report.seconds) == {"images"}
    assert [count.after for count in report.classes.values()] == [30, 30, 30]


def test_killed_at_any_moment_it_ends_with_the_same_bytes(source: Path, honest: Path, tmp_path: Path) -> None:
    """Killed with -9, once when hardness is half judged and once while OUT is being written."""
    root = tmp_path / source.parent.name  # the same depth, so that relative paths agree
    shutil.copytree(source, root / "set")
    out, kept = root / "honest", root / CACHE
    options = ["--target", "30", "--fold", "1", "--hardness-folds", "3", "--no-pictures", "--jobs", "1"]
    command = [sys.executable, "-m", "hierattn", "balance", str(root / "set"), str(out), *options]
    for moment in (lambda: list(kept.rglob("forest*.npy")), lambda: list(root.glob(".honest.part/images.npy"))):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 100
        while child.poll() is None and not moment() and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        if child.returncode == -signal.SIGKILL:
            assert not out.exists()
        else:  # it was quicker than the signal
            shutil.rmtree(out)
    balance(root / "set", out, OPTIONS)
    assert contents(out) == contents(honest)


@pytest.mark.parametrize("protocol", ["honest", "paper"])
def test_the_same_balancing_again_does_nothing_and_reports_the_same(
    source: Path, protocol: str, request: pytest.FixtureRequest
) -> None:
    out, options = request.getfixturevalue(protocol), replace(OPTIONS, protocol=protocol)
    before = contents(out)
    again = balance(source, out, options)
    assert contents(out) == before
    assert again.notes[-1] == "balanced before from the same set with the same options: nothing was done"
    made = balance(source, source.parent / f"{protocol} once more", options).to_dict()
    told = again.to_dict()
    for where_and_when in ("out", "seconds", "notes"):
        del made[where_and_when], told[where_and_when]
    assert told == made


@pytest.mark.parametrize(
    "change", [{"target": 29}, {"seed": 9}, {"fold": 2}, {"under_sampling": "random"}, {"pictures": True}]
)
def test_another_balancing_does_not_take_the_place_of_the_first(source: Path, honest: Path, change: dict) -> None:
    before = contents(honest)
    with pytest.raises(UsageError, match="is a prepared set already"):
        balance(source, honest, replace(OPTIONS, **change))
    assert contents(honest) == before


def test_a_balanced_set_is_not_balanced_again_and_the_source_is_only_read(source: Path, honest: Path) -> None:
    before = contents(source)
    with pytest.raises(DataError, match="was balanced before"):
        balance(honest, source.parent / "twice", OPTIONS)
    with pytest.raises(UsageError, match="which is to be read"):
        balance(source, source, OPTIONS, overwrite=True)
    assert contents(source) == before
