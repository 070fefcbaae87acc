"""From a set and runs to the folder, and from its table back to a set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from noise_runs import make_run
from tiny_sets import isic_set

from hierattn.audit.audit import DECISIONS, JSON, PAGE, AuditOptions, audit
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.errors import MissingPackageError, UsageError
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.run_folder import RunFolder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return isic_set(tmp_path / "isic", ["MEL"] * 12 + ["NV"] * 12, [f"L{number // 2}" for number in range(24)])


@pytest.fixture
def prepared(source: Path, tmp_path: Path) -> Path:
    prepare(source, tmp_path / "set", PrepareOptions(size=32, folds=3, crop="none"))
    return tmp_path / "set"


def make_judge(folder: Path, prepared: Path) -> Path:
    """A run that holds fold 1 out and was trained on fold 0; nothing was trained, so it errs."""
    run, records = make_run(folder, prepared), PackedSet.open(prepared).records
    checkpoint = load_checkpoint(RunFolder(run).best)
    seen = TrainedOn(digests_of(records[row].sha256 for row in split(records, 1).train))
    save_checkpoint(RunFolder(run).best, checkpoint.__class__(**{**vars(checkpoint), "trained_on": seen}))
    return run


def test_without_a_run_the_set_alone_is_looked_at_and_that_is_said(prepared, tmp_path):
    result = audit(prepared, [], tmp_path / "out")
    summary = json.loads((tmp_path / "out" / JSON).read_text())
    assert summary == result.summary
    assert (summary["judged"], summary["not_judged"], summary["findings"]["label"]) == (0, 24, 0)
    assert any("no run was given" in note for note in summary["notes"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {DECISIONS, JSON, PAGE, ".hierattn.json"}


def test_a_decided_table_goes_back_into_the_same_folds(source, prepared, tmp_path):
    pytest.importorskip("cleanlab")
    run = make_judge(tmp_path / "run", prepared)
    result = audit(prepared, [run], tmp_path / "out")
    assert result.summary["judged"] == sum(record.fold in (1, 2) for record in PackedSet.open(prepared).records)
    assert any("trained on them" in note for note in result.summary["notes"])
    table = tmp_path / "out" / DECISIONS
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["finding"] for row in rows] == [one.finding.finding for one in result.found]
    assert rows
    for row in rows:
        row["decision"] = "drop"
    with (tmp_path / "decided.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    options = PrepareOptions(
        size=32, folds=3, crop="none", splits=prepared / "splits.csv", decisions=(tmp_path / "decided.csv",),
        decide_outer_fold=True,
    )  # fmt: skip
    prepare(source, tmp_path / "decided", options)
    before, after = (PackedSet.open(folder).records for folder in (prepared, tmp_path / "decided"))
    gone = {Path(row["image"]).name for row in rows}
    assert {Path(one.image).name: one.fold for one in after} == {
        Path(one.image).name: one.fold for one in before if Path(one.image).name not in gone
    }


def test_an_audit_in_which_something_was_decided_is_not_replaced(prepared, tmp_path):
    audit(prepared, [], tmp_path / "out")
    audit(prepared, [], tmp_path / "out")
    table = tmp_path / "out" / DECISIONS
    table.write_text(table.read_text() + "\n")
    with pytest.raises(UsageError, match=r"decisions\.csv.*was changed since"):
        audit(prepared, [], tmp_path / "out")


def test_without_cleanlab_nothing_is_begun(prepared, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(MissingPackageError, match="cleanlab"):
        audit(prepared, [make_judge(tmp_path / "run", prepared)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"most": 0}, {"most": 1001}, {"batch_size": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match="wanted 1"):
        AuditOptions(**wrong)


def test_a_place_within_the_set_is_refused(prepared):
    with pytest.raises(UsageError):
        audit(prepared, [], prepared)
