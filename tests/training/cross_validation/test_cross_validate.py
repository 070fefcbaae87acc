"""The promises of cross-validation: every fold once, nothing twice, and a killed worker loses nothing."""

import csv
import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch
from killed_folds import short_recipe
from tiny_sets import of_several
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import HierAttnError, TrainingError, UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.models.weights.trained_on import digests_of
from hierattn.run_folder import FoldsFolder, RunFolder
from hierattn.training.cross_validation.cross_validate import (
    CrossValidationOptions,
    SilentFolds,
    check_folds,
    cross_validate,
)
from hierattn.training.devices import create_fabric
from hierattn.training.fit import fit
from hierattn.training.listener import Silent
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run
from hierattn.training.run_state import load_state


@pytest.fixture
def recipe(prepared):
    return short_recipe(prepared)


def on_cpu(folds, **options):
    return CrossValidationOptions(folds, device="cpu", threads=1, **options)


def test_every_fold_leaves_a_run_folder_and_a_row_and_a_rerun_trains_nothing(recipe, tmp_path):
    recipe.save(tmp_path / "tiny.toml")
    words = ["crossval", str(tmp_path / "tiny.toml"), "-o", str(tmp_path / "cv"), "--folds", "0,2", "--device", "cpu"]
    told = CliRunner().invoke(app, [*words, "--jobs", "2", "--threads", "1", "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["complete"]
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([0, 2], jobs=2))
    assert [fold.run.name for fold in result.folds] == ["fold-0", "fold-2"]
    for fold in result.folds:
        assert load_checkpoint(fold.run / "best.safetensors").recipe["data"]["fold"] == fold.fold
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cv").glob("fold-*/last.ckpt")}
    assert "mean" in CliRunner().invoke(app, words).output
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cv").glob("fold-*/last.ckpt")} == before
    with (tmp_path / "cv" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["fold"], row["status"], row["starts"]) for row in rows] == [(n, "finished", "1") for n in "02"]
    logged = RunFolder(result.folds[1].run).read_log()  # fold 2
    best = max(float(row["validation_balanced_accuracy"]) for row in logged)
    assert float(rows[1]["validation_balanced_accuracy"]) == pytest.approx(best)
    mean, deviation = result.mean("validation_top1")
    figures = torch.tensor([float(row["validation_top1"]) for row in rows], dtype=torch.float64)
    assert (mean, deviation) == (pytest.approx(float(figures.mean()), 1e-5), pytest.approx(float(figures.std()), 1e-5))
    with pytest.raises(UsageError, match="seed"):
        cross_validate(replace(recipe, seed=9), tmp_path / "cv", on_cpu([0]))


def test_a_fold_that_fails_is_told(recipe, tmp_path):
    damaged = FoldsFolder(tmp_path / "cv").run(1)
    cross_validate(recipe, tmp_path / "cv", on_cpu([1]))
    damaged.finished.unlink()
    for state in (damaged.last, damaged.previous):
        state.write_bytes(b"not a state")
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([1]))
    assert [fold.status for fold in result.folds] == ["failed"]
    assert "no whole state" in result.folds[0].error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("transfer.checkpoint=missing-{fold}.safetensors", "missing-2.safetensors"),
        ("transfer.checkpoint=text.safetensors", "text.safetensors"),
        ("distillation.teacher=missing.safetensors", "missing.safetensors"),
        ("optimiser.batch_size=4000", "batch_size"),
        ("model.name=hierattn_xxl", "hierattn_xxl"),
        ("model.options.heads=7", "heads"),
        ("model.options.depth=7", "depth"),
    ],
)
def test_what_can_be_known_of_any_fold_is_checked_before_the_first(recipe, tmp_path, monkeypatch, change, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.safetensors").write_text("no weights")
    fit(recipe.with_fold(0), tmp_path / "start", device="cpu")
    (tmp_path / "start" / "best.safetensors").rename(tmp_path / "missing-0.safetensors")  # fold 0 could begin
    recipe.save(tmp_path / "tiny.toml")
    changed = Recipe.load(tmp_path / "tiny.toml", [change])
    with pytest.raises(HierAttnError, match=re.escape(said)):
        cross_validate(changed, tmp_path / "cv", on_cpu([0, 2]))
    assert not (tmp_path / "cv").exists()


def test_a_disk_without_room_for_all_folds_is_refused_before_the_first(recipe, tmp_path, monkeypatch):
    one = check_folds(recipe, tmp_path / "cv", on_cpu([0]))
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([0]))
    taken = sum(path.stat().st_size for path in result.folds[0].run.rglob("*") if path.is_file())
    assert taken < one < 3 * taken
    assert check_folds(recipe, tmp_path / "cv", on_cpu([0, 1, 2])) == 2 * one  # fold 0 is finished
    full = "hierattn.training.cross_validation.cross_validate.free_bytes"
    monkeypatch.setattr(full, lambda _path: int(1.5 * one))
    with pytest.raises(TrainingError, match="nothing was trained"):
        cross_validate(recipe, tmp_path / "cv", on_cpu([0, 1, 2]))
    assert not (tmp_path / "cv" / "fold-1").exists()


def test_a_request_to_stop_leaves_folds_that_go_on(recipe, tmp_path):
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, epochs=200))

    class StopSoon(SilentFolds):
        done = False

        def look(self, folds):
            if not self.done and any(fold.starts for fold in folds):
                self.done = True
                os.kill(os.getpid(), signal.SIGTERM)

    assert threading.current_thread() is threading.main_thread()
    began = time.monotonic()
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([0]), listener=StopSoon())
    assert time.monotonic() - began < 60
    assert not result.complete
    assert result.folds[0].status == "interrupted"
    state = load_state(RunFolder(result.folds[0].run))
    assert state["progress"]["epoch"] + state["progress"]["step"] > 0


def test_stopped_before_its_first_fold_began_it_begins_when_it_is_run_again(recipe, tmp_path, monkeypatch):
    module = sys.modules[cross_validate.__module__]
    with monkeypatch.context() as patched:
        patched.setattr(module, "train_in_processes", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        assert not cross_validate(recipe, tmp_path / "cv", on_cpu([0])).complete
    assert cross_validate(recipe, tmp_path / "cv", on_cpu([0])).complete


def test_what_cannot_begin_is_refused_before_anything_starts(recipe, tmp_path):
    for change in ({"jobs": 0}, {"engine": "slurm"}, {"folds": [7]}, {"folds": []}):
        with pytest.raises(UsageError):
            cross_validate(recipe, tmp_path / "cv", CrossValidationOptions(device="cpu", **change))
    assert not (tmp_path / "cv").exists()


def test_one_process_at_a_time_trains_folds_in_a_folder(recipe, tmp_path):
    with FoldsFolder(tmp_path / "cv").lock(), pytest.raises(UsageError, match="is being cross-validated by process"):
        cross_validate(recipe, tmp_path / "cv", on_cpu([0]))
    assert not list((tmp_path / "cv").glob("fold-*"))


# --- sources ------------------------------------------------------------------------------------------------------


def test_each_source_is_left_out_once_and_a_rerun_trains_nothing(prepared, tmp_path):
    packed = PackedSet.open(of_several(prepared, tmp_path / "set", ["a", "b c"]))
    recipe = short_recipe(packed.folder)
    options = on_cpu(None, by_source=True)
    result = cross_validate(recipe, tmp_path / "cv", options)
    assert result.complete
    assert [(run.source, run.name, run.run.name) for run in result.folds] == [
        ("a", "source a", "without-a"),
        ("b c", "source b c", "without-b c"),
    ]
    for run in result.folds:
        seen = load_checkpoint(run.run / "best.safetensors").trained_on
        left_out = digests_of([record.sha256 for record in packed.records if record.source == run.source])
        assert not set(left_out.tolist()) & {*seen.trained.tolist(), *seen.chosen.tolist()}
    with (tmp_path / "cv" / "sources.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["status"], row["run"]) for row in rows] == [
        ("a", "finished", "without-a"),
        ("b c", "finished", "without-b c"),
    ]
    before = {path: path.read_bytes() for path in (tmp_path / "cv").rglob("*") if path.is_file()}
    assert cross_validate(recipe, tmp_path / "cv", options).complete
    assert {path: path.read_bytes() for path in (tmp_path / "cv").rglob("*") if path.is_file()} == before


def test_weights_that_have_seen_the_judged_source_are_no_start_and_no_teacher(prepared, tmp_path):
    recipe = short_recipe(of_several(prepared, tmp_path / "set", ["a", "b"]))
    first = fit(recipe.with_left_out_source("a"), tmp_path / "a", device="cpu")
    for table, key in (("transfer", "checkpoint"), ("distillation", "teacher")):
        weights = str(first.run / "best.safetensors")
        start = Recipe.from_dict({**recipe.to_dict(), table: {key: weights}}).with_left_out_source("b")
        with pytest.raises(HierAttnError, match="with source a left out, this run with source b left out"):
            fit(start, tmp_path / "b", device="cpu")
    copy = of_several(prepared, tmp_path / "copy", ["b", "a"])  # another set, of the same photographs
    other = Recipe.from_dict({**recipe.with_prepared(copy).to_dict(), "transfer": {"checkpoint": weights}})
    with pytest.raises(HierAttnError, match="photographs that this run holds out to test"):
        fit(other.with_left_out_source("a"), tmp_path / "c", device="cpu")


def test_a_class_that_only_the_left_out_source_has_is_none_of_the_runs(prepared, tmp_path):
    recipe = short_recipe(of_several(prepared, tmp_path / "set", ["a", "b"], lacking="MEL"))
    run = fit(recipe.with_left_out_source("b"), tmp_path / "run", device="cpu").run
    assert "MEL" not in load_checkpoint(run / "best.safetensors").classes
    assert "MEL" in load_checkpoint(fit(recipe, tmp_path / "all", device="cpu").run / "best.safetensors").classes


def test_what_cannot_be_trained_on_or_judged_is_known_before_anything_is_trained(prepared, tmp_path):
    """A source beside which there is one class only, and one with a class that no other has."""
    packed = PackedSet.open(of_several(prepared, tmp_path / "set", ["a", "b"]))
    one_class = [replace(record, label="MEL") if record.source == "b" else record for record in packed.records]
    strange = [replace(record, source="b" if record.label == "DF" else "a") for record in packed.records]
    recipe = short_recipe(packed.folder)
    for source, records, told in (
        ("a", one_class, "photographs of MEL are left to train on"),
        ("b", strange, "source b has no photograph to judge"),
    ):
        left_out, changed = recipe.with_left_out_source(source), replace(packed, records=records)
        with pytest.raises(HierAttnError, match=told):
            Run(left_out, RunFolder(tmp_path / "run"), changed, create_fabric("cpu", recipe), Silent())


def test_one_source_folds_beside_sources_and_a_source_that_is_not_there_are_one_line(recipe, tmp_path):
    with pytest.raises(UsageError, match="has one source to train on: wanted two or more to leave one out"):
        cross_validate(recipe, tmp_path / "cv", on_cpu(None, by_source=True))
    with pytest.raises(UsageError, match="--folds with --leave-one-source-out"):
        on_cpu([0], by_source=True)
    with pytest.raises(UsageError, match="no source 'x' in the manifest: wanted one of several"):
        fit(recipe.with_left_out_source("x"), tmp_path / "run", device="cpu")
    assert not (tmp_path / "cv").exists() or not list((tmp_path / "cv").iterdir())
