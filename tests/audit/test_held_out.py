"""Only networks that have not seen a photograph, nor its group, may judge its label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from noise_runs import make_run, make_set

from hierattn.audit.held_out import INNER, NONE, OUTER, how_held_out, open_runs, predict_held_out
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.errors import CheckpointError, UsageError
from hierattn.evaluation.predict import Network, predict_rows
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.run_folder import FoldsFolder, RunFolder
from hierattn.taxonomy.built_in import EIGHT


def set_record(run: Path, seen: TrainedOn | None, **changes: object) -> Path:
    """Give a run's weights another record of what they have seen."""
    checkpoint = load_checkpoint(RunFolder(run).best)
    save_checkpoint(RunFolder(run).best, replace(checkpoint, trained_on=seen, **changes))
    return run


def seen_by(packed: PackedSet, fold: int) -> TrainedOn:
    parts = split(packed.records, fold)
    trained, chosen = ([packed.records[row].sha256 for row in rows] for rows in (parts.train, parts.validation))
    return TrainedOn(digests_of(trained), digests_of(chosen))


@pytest.fixture
def packed(tmp_path: Path) -> PackedSet:
    return PackedSet.open(make_set(tmp_path / "set"))


def folds_of(packed: PackedSet, folder: Path, folds: list[int]) -> Path:
    """A cross-validation of which these folds are finished."""
    folder.mkdir()
    for fold in folds:
        run = make_run(FoldsFolder(folder).run(fold).path, packed.folder)
        set_record(run, seen_by(packed, fold))
        RunFolder(run).record_end(1, 0, 0.5)
    return folder


@pytest.mark.parametrize("folds", [[0], [1, 2], [0, 1, 2]])
def test_each_photograph_is_judged_by_the_best_of_the_runs_that_have_not_seen_it(packed, tmp_path, folds):
    runs, _ = open_runs([folds_of(packed, tmp_path / "runs", folds)])
    held_out = predict_held_out(packed, runs)
    wanted = {}
    for row, record in enumerate(packed.records):
        if record.role != "original":
            continue
        if record.fold in folds:
            wanted[row] = True
        elif (record.fold - 1) % 3 in folds:  # its inner fold
            wanted[row] = False
    assert held_out.rows.tolist() == sorted(wanted)
    assert held_out.outer.tolist() == [wanted[row] for row in sorted(wanted)]
    for run in runs:
        rows = np.flatnonzero(held_out.outer & np.isin(held_out.rows, split(packed.records, run.fold).test))
        checkpoint = run.checkpoint
        alone = predict_rows(
            Network(checkpoint.build(), checkpoint.taxonomy, checkpoint.image_spec), packed, held_out.rows[rows]
        )
        np.testing.assert_allclose(held_out.probabilities[rows], alone.probabilities, atol=1e-6)


def test_one_photograph_of_a_lesion_that_was_trained_on_bars_the_whole_lesion(packed, tmp_path):
    """Said by the record alone, whatever fold the recipe names."""
    for row, record in enumerate(packed.records[:20]):
        for use, left in (("trained", NONE), ("chosen", INNER)):
            seen = TrainedOn(**{use: digests_of([record.sha256])})
            run = set_record(make_run(tmp_path / f"{use}{row}", packed.folder), seen)
            held = how_held_out(packed, np.arange(len(packed)), open_runs([run])[0])[:, 0]
            group = [one.group == record.group for one in packed.records]
            assert (held[np.array(group)] == left).all()
            assert (held[~np.array(group)] == OUTER).all()
        if row > 2:
            break


def test_the_mean_is_taken_over_runs_that_hold_out_the_same_fold_whatever_the_order_of_their_classes(packed, tmp_path):
    one = set_record(make_run(tmp_path / "one", packed.folder), seen_by(packed, 0))
    other = set_record(
        make_run(tmp_path / "other", packed.folder), seen_by(packed, 0), taxonomy=EIGHT.subset(EIGHT.codes[::-1])
    )
    alone = [predict_held_out(packed, open_runs([run])[0]) for run in (one, other)]
    assert alone[0].classes == alone[1].classes[::-1]
    together = predict_held_out(packed, open_runs([one, other])[0])
    mean = (alone[0].probabilities + alone[1].probabilities[:, ::-1]) / 2
    np.testing.assert_allclose(together.probabilities, mean, atol=1e-9)
    np.testing.assert_allclose(together.probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("seen", [None, TrainedOn(whole=False)])
def test_a_run_that_does_not_say_what_it_has_seen_is_refused(packed, tmp_path, seen):
    run = set_record(make_run(tmp_path / "run", packed.folder), seen)
    with pytest.raises(CheckpointError, match="does not name all photographs"):
        open_runs([run])


def test_runs_of_other_classes_are_refused_together(packed, tmp_path):
    one = set_record(make_run(tmp_path / "one", packed.folder), TrainedOn())
    two = set_record(make_run(tmp_path / "two", packed.folder, EIGHT.codes[:5]), TrainedOn())
    with pytest.raises(UsageError, match="wanted runs of the same"):
        open_runs([one, two])


def test_what_cannot_be_judged_is_counted(packed, tmp_path):
    folder = folds_of(packed, tmp_path / "runs", [0])
    (folder / "fold-1").mkdir()
    runs, notes = open_runs([folder])
    assert notes == [f"1 of 2 folds in {folder} are not trained to their end"]
    notes = " | ".join(predict_held_out(packed, runs).notes)
    parts = split(packed.records, 0)
    trained = sum(packed.records[row].role == "original" for row in parts.train)
    assert f"{trained} of 72 photographs have no out-of-fold prediction" in notes
    assert f"{len(parts.validation)} photographs are judged by a run that chose its epoch by them" in notes
    few = set_record(make_run(tmp_path / "few", packed.folder, EIGHT.codes[:5]), TrainedOn())
    held_out = predict_held_out(packed, open_runs([few])[0])
    assert f"photographs of {', '.join(sorted(EIGHT.codes[5:]))} are not judged" in " ".join(held_out.notes)
    assert {packed.records[row].label for row in held_out.rows} == set(EIGHT.codes[:5])


def test_an_unfinished_cross_validation_is_refused(packed, tmp_path):
    (tmp_path / "runs" / "fold-0").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no fold in .* is trained to its end"):
        open_runs([tmp_path / "runs"])


def test_strangeness_is_measured_against_what_the_same_run_holds_out(packed, tmp_path):
    """Networks differ in what they find far: only against one's own median and spread do their values compare."""
    runs, _ = open_runs([folds_of(packed, tmp_path / "runs", [0, 1, 2])])
    wider = replace(packed, images=np.concatenate([packed.images] * 3), records=wide(packed))
    held_out = predict_held_out(wider, runs)
    folds = np.array([wider.records[row].fold for row in held_out.rows])
    for fold in range(3):
        values = held_out.strangeness[folds == fold]
        assert np.median(values) == pytest.approx(0, abs=1e-6)
        assert 1.4826 * np.median(np.abs(values)) == pytest.approx(1, abs=1e-6)
    few = predict_held_out(packed, runs)  # 24 photographs a fold are too few to measure what is usual
    assert np.isnan(few.strangeness).all()


def wide(packed: PackedSet) -> list:
    """Three times the photographs: enough of each fold to measure what is usual."""
    return [
        replace(record, image=f"{turn}-{record.image}", parent=f"{turn}-{record.parent}" if record.parent else "")
        for turn in range(3)
        for record in packed.records
    ]
