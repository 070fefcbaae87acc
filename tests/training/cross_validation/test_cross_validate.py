"""The promises of cross-validation: every fold once, nothing twice, and a killed worker loses nothing."""

import csv
import json
import os
import re
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch
from killed_folds import short_recipe
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import HierAttnError, TrainingError, UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import FoldsFolder, RunFolder
from hierattn.training.cross_validation.cross_validate import (
    CrossValidationOptions,
    SilentFolds,
    check_folds,
    cross_validate,
)
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe
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


def test_what_cannot_begin_is_refused_before_anything_starts(recipe, tmp_path):
    for change in ({"jobs": 0}, {"engine": "slurm"}, {"folds": [7]}, {"folds": []}):
        with pytest.raises(UsageError):
            cross_validate(recipe, tmp_path / "cv", CrossValidationOptions(device="cpu", **change))
    assert not (tmp_path / "cv").exists()


def test_one_process_at_a_time_trains_folds_in_a_folder(recipe, tmp_path):
    with FoldsFolder(tmp_path / "cv").lock(), pytest.raises(UsageError, match="is being cross-validated by process"):
        cross_validate(recipe, tmp_path / "cv", on_cpu([0]))
    assert not list((tmp_path / "cv").glob("fold-*"))
