"""The promises of cross-validation: every fold once, nothing twice, and a killed worker loses nothing."""

import csv
import json
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from hierattn.cli.crossval import parse_folds
from hierattn.cli.main import app
from hierattn.errors import UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, SilentFolds, cross_validate
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import load_state


@pytest.fixture
def recipe(prepared):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 16},
            "optimiser": {"epochs": 2, "batch_size": 8, "warmup_epochs": 1},
        }
    )


def on_cpu(folds, **options):
    return CrossValidationOptions(folds, device="cpu", threads=1, **options)


class Killer(SilentFolds):
    """Kills the worker of a fold once, when its log holds two epochs: the first is then saved for certain."""

    def __init__(self, fold):
        self.fold, self.killed, self.said = fold, 0, []

    def look(self, folds):
        for fold in folds:
            if fold.fold == self.fold and fold.epochs >= 2 and fold.status == "training" and not self.killed:
                self.killed = RunFolder(fold.run).read_starts()[-1]["process"]
                os.kill(self.killed, signal.SIGKILL)

    def note(self, text):
        self.said.append(text)


def uninterrupted(recipe, fold, out):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    fit(recipe.with_fold(fold), out, device="cpu")
    torch.set_num_threads(threads)
    return load_checkpoint(out / "best.safetensors").state_dict


def assert_nothing_lost_and_nothing_twice(result, killed_fold, expected):
    assert result.complete
    assert [fold.starts for fold in result.folds] == [2 if fold.fold == killed_fold else 1 for fold in result.folds]
    for fold in result.folds:
        folder = RunFolder(fold.run)
        epochs = [int(row["epoch"]) for row in folder.read_log()]
        assert epochs == list(range(fold.epochs))
        first, *later = folder.read_starts()
        assert (first["epoch"], first["step"]) == (0, 0)
        assert all(start["epoch"] >= 1 for start in later)  # the epoch that was saved is not trained again
    weights = load_checkpoint(result.folds[killed_fold].run / "best.safetensors").state_dict
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


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


def test_a_killed_process_is_replaced_loses_nothing_and_runs_nothing_twice(recipe, tmp_path):
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, epochs=6))
    killer = Killer(fold=1)
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([0, 1], jobs=2, save_every=1), listener=killer)
    assert killer.killed
    assert any("fold 1" in text and "SIGKILL" in text for text in killer.said)
    assert_nothing_lost_and_nothing_twice(result, 1, uninterrupted(recipe, 1, tmp_path / "alone"))


@pytest.mark.filterwarnings("ignore")
def test_a_killed_ray_worker_is_replaced_loses_nothing_and_runs_nothing_twice(recipe, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hierattn[cluster]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, epochs=6))
    killer = Killer(fold=1)
    options = on_cpu([0, 1], jobs=2, save_every=1, engine="ray")
    result = cross_validate(recipe, tmp_path / "cv", options, listener=killer)
    assert killer.killed
    assert_nothing_lost_and_nothing_twice(result, 1, uninterrupted(recipe, 1, tmp_path / "alone"))


def test_a_fold_that_cannot_be_trained_is_told(recipe, tmp_path):
    recipe = replace(recipe, transfer=replace(recipe.transfer, checkpoint=str(tmp_path / "fold-{fold}.safetensors")))
    result = cross_validate(recipe, tmp_path / "cv", on_cpu([1]))
    assert [fold.status for fold in result.folds] == ["failed"]
    assert "fold-1.safetensors" in result.folds[0].error


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


@pytest.mark.parametrize(("text", "folds"), [("all", None), ("0-3", [0, 1, 2, 3]), ("0,2, 5-6", [0, 2, 5, 6])])
def test_folds_are_parsed(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "0;1", "1--2"])
def test_a_wrong_list_of_folds_is_an_error(text):
    with pytest.raises(UsageError, match="--folds"):
        parse_folds(text)
