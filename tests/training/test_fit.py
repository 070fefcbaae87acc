"""The promises of a training run: same seed same bits, resume equals never stopped, the outer fold unseen."""

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.folds import split
from hierattn.data.prepared_set.manifest import manifest_sha256, read_manifest, write_manifest
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.export.onnx import export_onnx
from hierattn.errors import LeakError, TrainingError, UsageError
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import LOG_COLUMNS, RunFolder
from hierattn.training.fit import fit
from hierattn.training.progress import Silent
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import load_state


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipe(prepared):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 24},
            "optimiser": {"epochs": 2, "batch_size": 8, "warmup_epochs": 1, "averaging": 0.9},
        }
    )


def weights(run):
    return load_checkpoint(run / "best.safetensors").state_dict


def state_of(run):
    return load_state(RunFolder(run))


def assert_same_bits(one, other):
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


class StopAfter(Silent):
    """Asks for a stop, as Ctrl-C does, after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def step(self, epoch, loss, images_per_second):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_run_leaves_every_file_of_the_contract(recipe, tmp_path):
    result = fit(recipe, tmp_path / "run", device="cpu")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"recipe.toml", "manifest.sha256", "log.csv", "last.ckpt", "best.safetensors", "events"} <= names
    assert {"environment.json", "trained_on.csv"} <= names
    assert not [name for name in names if name.endswith(".part")]
    rows = RunFolder(tmp_path / "run").read_log()
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert tuple(rows[0]) == LOG_COLUMNS
    assert result.epochs == 2
    assert not result.interrupted
    assert list((tmp_path / "run" / "events").iterdir())


def test_same_seed_same_bits_and_other_seed_other_bits(recipe, tmp_path):
    fit(recipe, tmp_path / "a", device="cpu")
    fit(recipe, tmp_path / "b", device="cpu")
    fit(replace(recipe, seed=6), tmp_path / "c", device="cpu")
    assert_same_bits(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not torch.equal(weights(tmp_path / "a")["classifier.weight"], weights(tmp_path / "c")["classifier.weight"])


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_a_stopped_and_resumed_run_equals_one_that_was_never_stopped(recipe, tmp_path, steps):
    fit(recipe, tmp_path / "whole", device="cpu")
    stopped = fit(recipe, tmp_path / "parts", device="cpu", listener=StopAfter(steps))
    assert stopped.interrupted
    resumed = fit(recipe, tmp_path / "parts", device="cpu", resume=True)
    assert not resumed.interrupted
    assert_same_bits(state_of(tmp_path / "whole")["model"], state_of(tmp_path / "parts")["model"])
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    one, other = (RunFolder(tmp_path / run).read_log() for run in ("whole", "parts"))
    for row in one + other:
        del row["seconds"], row["images_per_second"]
    assert one == other


def test_a_killed_run_resumes_to_the_same_bits(recipe, tmp_path):
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, epochs=4))
    fit(recipe, tmp_path / "whole", device="cpu")
    recipe.save(tmp_path / "recipe.toml")
    code = (
        "import sys, torch; torch.set_num_threads(1); from pathlib import Path;"
        "from hierattn.training.recipe import Recipe; from hierattn.training.fit import fit;"
        "fit(Recipe.load(Path(sys.argv[1])), Path(sys.argv[2]), device='cpu', save_every=2)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "recipe.toml"), str(tmp_path / "parts")])
    deadline = time.monotonic() + 120
    while not (tmp_path / "parts" / "last.ckpt").exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert child.returncode == -signal.SIGKILL
    fit(recipe, tmp_path / "parts", device="cpu", resume=True, save_every=2)
    assert_same_bits(state_of(tmp_path / "whole")["model"], state_of(tmp_path / "parts")["model"])


def test_resuming_with_another_recipe_or_into_a_used_folder_is_refused(recipe, tmp_path):
    fit(recipe, tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="already holds a run"):
        fit(recipe, tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="seed"):
        fit(replace(recipe, seed=9), tmp_path / "run", device="cpu", resume=True)
    with pytest.raises(UsageError, match="nothing to resume"):
        fit(recipe, tmp_path / "elsewhere", device="cpu", resume=True)


def test_a_damaged_last_state_is_named_and_the_one_before_is_used(recipe, tmp_path):
    fit(recipe, tmp_path / "run", device="cpu")
    folder = RunFolder(tmp_path / "run")
    whole = bytearray(folder.last.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    folder.last.write_bytes(whole)
    said = []
    state = load_state(folder, said.append)
    assert "last.ckpt is damaged" in said[0]
    assert state["progress"]["epoch"] == 1


def test_the_outer_fold_does_not_influence_the_run(recipe, prepared, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(prepared, other)
    packed = PackedSet.open(prepared)
    test = split(packed.records, 0).test
    assert len(test) > 5
    images = np.load(other / "images.npy")
    images[test] = 255 - images[test]
    np.save(other / "images.npy", images)
    fit(recipe, tmp_path / "a", device="cpu")
    fit(recipe.with_prepared(other), tmp_path / "b", device="cpu")
    assert_same_bits(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_frozen_layers_keep_their_transferred_weights_until_released(recipe, tmp_path):
    fit(recipe, tmp_path / "source", device="cpu")
    source = load_checkpoint(tmp_path / "source" / "best.safetensors")
    values = recipe.to_dict()
    values["transfer"] = {"checkpoint": str(tmp_path / "source" / "best.safetensors"), "frozen_epochs": 1}
    values["optimiser"]["averaging"] = 0.0
    values["seed"] = 77
    frozen = Recipe.from_dict(values)

    class Look(Silent):
        """Keeps the state as it was after the first epoch."""

        def epoch(self, row, best):
            if row["epoch"] == 0:
                self.after_first = load_checkpoint(tmp_path / "target" / "best.safetensors").state_dict

    look = Look()
    fit(frozen, tmp_path / "target", device="cpu", listener=look)
    at_the_end = state_of(tmp_path / "target")["model"]
    learnt = [name for name, _ in create_model("hierattn_xs", 8).named_parameters()]
    transferred = [name for name in learnt if not name.startswith("classifier.")]
    assert len(transferred) > 100
    for name in transferred:
        assert torch.equal(look.after_first[name], source.state_dict[name]), name
    weights_only = [name for name in transferred if name.endswith(".weight")]
    assert not any(torch.equal(at_the_end[name], source.state_dict[name]) for name in weights_only)
    assert not torch.equal(look.after_first["classifier.weight"], source.state_dict["classifier.weight"])
    assert (tmp_path / "target" / "transfer.txt").read_text()


def test_a_diverging_run_stops_with_what_to_try(recipe, tmp_path, monkeypatch):
    def exploding(name, num_classes):
        model = create_model(name, num_classes)
        torch.nn.init.constant_(model.classifier.weight, float("inf"))
        return model

    monkeypatch.setattr("hierattn.training.run.create_model", exploding)
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(recipe, tmp_path / "run", device="cpu")


def test_an_epoch_smaller_than_a_batch_is_refused(recipe, tmp_path):
    values = recipe.to_dict()
    values["optimiser"]["batch_size"] = 64
    with pytest.raises(UsageError, match="batch_size"):
        fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")


def test_a_modern_run_is_resumed_to_the_same_bits_too(recipe, tmp_path):
    values = recipe.to_dict()
    values["augmentation"] |= {"blur": 0.5, "downscale": 0.5, "jpeg": 0.5, "hair": 0.5, "dark_corners": 0.5}
    values["mixing"] = {"mixup": 0.4, "cutmix": 1.0}
    values["data"]["sampling"] = "natural"
    values["optimiser"] |= {"logit_adjustment": 1.0, "gradient_clip": 1.0, "label_smoothing": 0.1}
    fit(recipe, tmp_path / "teacher", device="cpu")
    teacher = str(tmp_path / "teacher" / "best.safetensors")
    values["distillation"] = {"teacher": [teacher, teacher], "weight": 0.5, "features": 0.5}
    modern = Recipe.from_dict(values)
    fit(modern, tmp_path / "whole", device="cpu")
    assert fit(modern, tmp_path / "parts", device="cpu", listener=StopAfter(2)).interrupted
    fit(modern, tmp_path / "parts", device="cpu", resume=True)
    assert_same_bits(state_of(tmp_path / "whole")["model"], state_of(tmp_path / "parts")["model"])
    assert_same_bits(state_of(tmp_path / "whole")["projection"], state_of(tmp_path / "parts")["projection"])
    plain = state_of(tmp_path / "teacher")["model"]["classifier.weight"]
    assert not torch.equal(state_of(tmp_path / "whole")["model"]["classifier.weight"], plain)


def test_what_is_saved_leans_to_rare_classes_and_what_is_trained_does_not(recipe, tmp_path):
    values = recipe.to_dict()
    values["optimiser"]["epochs"] = 1
    fit(Recipe.from_dict(values), tmp_path / "plain", device="cpu")
    values["optimiser"]["post_hoc_logit_adjustment"] = 0.5
    fit(Recipe.from_dict(values), tmp_path / "leaning", device="cpu")
    plain, leaning = (load_checkpoint(tmp_path / run / "best.safetensors") for run in ("plain", "leaning"))
    prepared = PackedSet.open(Path(recipe.data.prepared))
    learnt = split(prepared.records, 0).train
    counts = np.array([sum(prepared.records[i].label == code for i in learnt) for code in plain.classes])
    moved = plain.state_dict.pop("classifier.bias") - leaning.state_dict.pop("classifier.bias")
    torch.testing.assert_close(moved.double(), torch.from_numpy(0.5 * np.log(counts / counts.sum())), atol=1e-6, rtol=0)
    assert_same_bits(plain.state_dict, leaning.state_dict)
    assert_same_bits(state_of(tmp_path / "plain")["model"], state_of(tmp_path / "leaning")["model"])
    assert_same_bits(
        state_of(tmp_path / "plain")["average"]["tensors"], state_of(tmp_path / "leaning")["average"]["tensors"]
    )


def test_a_run_trains_on_from_a_bundle_with_its_classifier(recipe, tmp_path):
    fit(recipe, tmp_path / "first", device="cpu")
    first = load_checkpoint(tmp_path / "first" / "best.safetensors")
    export_onnx(first, tmp_path / "first.onnx")
    values = {**recipe.to_dict(), "transfer": {"checkpoint": str(tmp_path / "first.onnx"), "classifier": True}}
    values["seed"] += 1  # else fresh weights would be those that the first run began with
    values["optimiser"] |= {"epochs": 1, "learning_rate": 1e-7, "final_learning_rate": 1e-7, "warmup_epochs": 0}
    values["optimiser"] |= {"averaging": 0.0, "weight_decay": 0.0}
    fit(Recipe.from_dict(values), tmp_path / "second", device="cpu")
    second = load_checkpoint(tmp_path / "second" / "best.safetensors")
    name = "classifier.weight"
    torch.testing.assert_close(second.state_dict[name], first.state_dict[name], atol=1e-5, rtol=0)
    other = {**values, "transfer": {**values["transfer"], "classifier": False}}
    fit(Recipe.from_dict(other), tmp_path / "fresh", device="cpu")
    fresh = load_checkpoint(tmp_path / "fresh" / "best.safetensors").state_dict[name]
    assert (fresh - first.state_dict[name]).abs().max() > 0.01


def test_a_classifier_of_nobody_knows_which_classes_is_not_taken_over(recipe, tmp_path):
    torch.save(create_model("hierattn_xs", 8).state_dict(), tmp_path / "foreign.pt")
    values = {**recipe.to_dict(), "transfer": {"checkpoint": str(tmp_path / "foreign.pt"), "classifier": True}}
    with pytest.raises(UsageError, match="classes that it does not name"):
        fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")


def test_weights_that_have_seen_the_held_out_fold_are_refused(recipe, tmp_path):
    fit(recipe.with_fold(1), tmp_path / "other", device="cpu")
    seen = str(tmp_path / "other" / "best.safetensors")
    for table in ({"transfer": {"checkpoint": seen}}, {"distillation": {"teacher": seen}}):
        with pytest.raises(LeakError, match="fold 1 held out"):
            fit(Recipe.from_dict({**recipe.to_dict(), **table}), tmp_path / f"run-{next(iter(table))}", device="cpu")


def test_weights_of_another_preparation_of_the_same_photographs_are_refused(recipe, rendered, prepared, tmp_path):
    prepare(rendered, tmp_path / "other", PrepareOptions(size=64, folds=3, seed=1))
    prepare(rendered, tmp_path / "smaller", PrepareOptions(size=32, folds=3, splits=prepared / "splits.csv"))
    for name in ("other", "smaller"):
        fit(recipe.with_prepared(tmp_path / name), tmp_path / f"from-{name}", device="cpu")

    def started_from(name, table, key):
        weights = str(tmp_path / f"from-{name}" / "best.safetensors")
        return Recipe.from_dict({**recipe.to_dict(), table: {key: weights}})

    for table, key in (("transfer", "checkpoint"), ("distillation", "teacher")):
        with pytest.raises(
            LeakError, match=r"was trained on \d+ of the \d+ photographs that this run holds out to test \("
        ):
            fit(started_from("other", table, key), tmp_path / table, device="cpu")
    fit(started_from("smaller", "transfer", "checkpoint"), tmp_path / "honest", device="cpu")  # the same folds
    third = Recipe.from_dict(
        {**recipe.to_dict(), "transfer": {"checkpoint": str(tmp_path / "honest" / "best.safetensors")}}
    )
    with pytest.raises(LeakError, match="holds out to test"):  # what went before counts as well
        fit(third.with_prepared(tmp_path / "other"), tmp_path / "third", device="cpu")


def test_a_run_names_exactly_the_photographs_outside_its_outer_fold(recipe, prepared, tmp_path):
    fit(recipe, tmp_path / "run", device="cpu")
    packed = PackedSet.open(prepared)
    parts = split(packed.records, recipe.data.fold)
    wanted = {
        (packed.records[row].sha256[:16], use)
        for use, rows in (("trained", parts.train), ("chosen", parts.validation))
        for row in rows
    }
    with (tmp_path / "run" / "trained_on.csv").open(newline="") as file:
        assert {(row["sha256"], row["use"]) for row in csv.DictReader(file)} == wanted
    seen = load_checkpoint(tmp_path / "run" / "best.safetensors").trained_on
    assert {(f"{one:016x}", "trained") for one in seen.trained.tolist()} | {
        (f"{one:016x}", "chosen") for one in seen.chosen.tolist()
    } == wanted


def test_folds_that_leak_are_refused_by_name(recipe, prepared, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(prepared, other)
    records = read_manifest(other / "manifest.csv")
    of_a_lesion = {}
    for row, record in enumerate(records):
        of_a_lesion.setdefault(record.lesion, []).append(row)
    name, (first, *_) = next((name, rows) for name, rows in of_a_lesion.items() if name and len(rows) > 1)
    records[first] = replace(records[first], fold=(records[first].fold + 1) % 3)
    write_manifest(other / "manifest.csv", records)
    info = json.loads((other / "prepared.json").read_text())
    info["manifest_sha256"] = manifest_sha256(other / "manifest.csv")
    (other / "prepared.json").write_text(json.dumps(info))
    with pytest.raises(LeakError, match=name):
        fit(recipe.with_prepared(other), tmp_path / "run", device="cpu")


def test_early_stopping_ends_after_so_many_epochs_without_a_better_one(recipe, tmp_path):
    values = recipe.to_dict()
    values["optimiser"] |= {"epochs": 60, "early_stopping": 2, "learning_rate": 1e-7, "final_learning_rate": 1e-7}
    patient = Recipe.from_dict(values)
    result = fit(patient, tmp_path / "run", device="cpu")
    assert result.epochs < 60
    scores = [float(row["validation_balanced_accuracy"]) for row in RunFolder(tmp_path / "run").read_log()]
    assert len(scores) == result.epochs == result.best_epoch + 3
    assert scores.index(max(scores)) == result.best_epoch
    again = fit(patient, tmp_path / "run", device="cpu", resume=True)
    assert again == result


def test_the_smallest_balanced_loss_chooses_where_the_recipe_says_so(recipe, tmp_path):
    values = recipe.to_dict() | {"choose_by": "balanced_loss"}
    values["optimiser"] |= {"epochs": 5, "learning_rate": 0.005, "final_learning_rate": 0.005}  # it goes astray
    result = fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    losses = [float(row["validation_balanced_loss"]) for row in RunFolder(tmp_path / "run").read_log()]
    assert losses != sorted(losses, reverse=True)  # else the last epoch would pass for the best
    assert result.best_epoch == losses.index(min(losses))
    assert result.best == pytest.approx(min(losses), rel=1e-4)


def test_a_log_of_an_earlier_version_is_gone_on_with_and_what_it_lacks_is_nan(recipe, tmp_path):
    fit(recipe, tmp_path / "run", device="cpu", listener=StopAfter(4))  # in the second epoch
    log = RunFolder(tmp_path / "run").log
    lacking = LOG_COLUMNS.index("validation_balanced_loss")
    old = [line.split(",") for line in log.read_text().splitlines()]
    log.write_text("".join(",".join(row[:lacking] + row[lacking + 1 :]) + "\n" for row in old))
    fit(recipe, tmp_path / "run", device="cpu", resume=True)
    losses = [float(row["validation_balanced_loss"]) for row in RunFolder(tmp_path / "run").read_log()]
    assert math.isnan(losses[0])
    assert losses[1] > 0


def test_a_full_disk_stops_with_what_to_do_and_resumes_to_the_same_bits(recipe, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    fit(recipe, tmp_path / "whole", device="cpu")

    class Fill(Silent):
        """Lets the second epoch's state go to a device that is always full."""

        def step(self, epoch, loss, images_per_second):
            part = tmp_path / "parts" / "last.ckpt.part"
            if epoch == 1 and not part.is_symlink():
                part.symlink_to("/dev/full")

    with pytest.raises(TrainingError, match="full: free some space"):
        fit(recipe, tmp_path / "parts", device="cpu", listener=Fill())
    assert not (tmp_path / "parts" / "last.ckpt.part").is_symlink()
    fit(recipe, tmp_path / "parts", device="cpu", resume=True)
    assert_same_bits(state_of(tmp_path / "whole")["model"], state_of(tmp_path / "parts")["model"])
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_two_runs_cannot_share_a_folder(recipe, tmp_path):
    with RunFolder(tmp_path / "run").lock(), pytest.raises(UsageError, match=f"by process {os.getpid()}"):
        fit(recipe, tmp_path / "run", device="cpu")


def test_a_log_that_a_kill_cut_short_is_mended_on_resuming(recipe, tmp_path):
    longer = replace(recipe, optimiser=replace(recipe.optimiser, epochs=3))
    fit(longer, tmp_path / "whole", device="cpu")
    fit(longer, tmp_path / "parts", device="cpu", listener=StopAfter(7))  # in the midst of the third epoch
    with (tmp_path / "parts" / "log.csv").open("a") as file:
        file.write("2,0.0003")
    fit(longer, tmp_path / "parts", device="cpu", resume=True)
    assert [row["epoch"] for row in RunFolder(tmp_path / "parts").read_log()] == ["0", "1", "2"]
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_a_full_memory_stops_with_the_batch_that_fits(recipe, tmp_path):
    values = recipe.to_dict()
    values["data"]["epoch_images"] = values["optimiser"]["batch_size"] = 256
    Recipe.from_dict(values).save(tmp_path / "recipe.toml")
    code = (
        "import re, resource, sys, torch; torch.set_num_threads(1); from pathlib import Path\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
        "from hierattn.errors import TrainingError\n"
        "from hierattn.training.fit import fit; from hierattn.training.recipe import Recipe\n"
        "used = int(re.search(r'VmSize:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 1024**2,) * 2)\n"
        "try: fit(Recipe.load(Path(sys.argv[1])), Path(sys.argv[2]), device='cpu')\n"
        "except TrainingError as error: print(error)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("this system cannot limit a process's memory as Linux does")
    words = [sys.executable, "-c", code, str(tmp_path / "recipe.toml"), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    told = re.search(r"does not hold a batch of 256 .* fits: optimiser\.batch_size=(\d+)", done.stdout)
    assert told, done.stdout + done.stderr[-2000:]
    assert 2 <= int(told[1]) <= 128
