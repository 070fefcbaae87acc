"""The promises of a training run: same seed same bits, resume equals never stopped, the outer fold unseen."""

import hashlib
import json
import math
import os
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
from noise_runs import TINY
from tiny_runs import StopAfter, assert_same_bits, state_of, tiny_recipe, weights, with_one_thread

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import PackedSet, PackedWriter
from hierattn.data.prepared_set.parts import split
from hierattn.errors import TrainingError, UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.image_spec import ImageSpec
from hierattn.run_folder import LOG_COLUMNS, RunFolder
from hierattn.training.fit import fit
from hierattn.training.listener import Silent
from hierattn.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


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


@pytest.mark.parametrize("limit", [1_000, 300_000])  # bytes a file: the weights already, or the state
def test_a_full_disk_stops_with_what_to_do_and_resumes_to_the_same_bits(recipe, tmp_path, limit):
    resource = pytest.importorskip("resource")
    fit(recipe, tmp_path / "whole", device="cpu")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Fill(Silent):
        """From the second epoch on no file may grow beyond the limit, as if the disk were full there."""

        def step(self, epoch, loss, images_per_second):
            if epoch == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))

    try:
        with pytest.raises(TrainingError, match="full: free some space"):
            fit(recipe, tmp_path / "parts", device="cpu", listener=Fill())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fit(recipe, tmp_path / "parts", device="cpu", resume=True)
    assert_same_bits(state_of(tmp_path / "whole")["model"], state_of(tmp_path / "parts")["model"])
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    left = {path.name for run in ("whole", "parts") for path in (tmp_path / run).iterdir()}
    assert left == {path.name for path in (tmp_path / "whole").iterdir()}


@pytest.fixture
def interrupted(prepared, tmp_path):
    """A run of a set that lies in a folder of its own, stopped after two steps; the folder, and its recipe."""
    shutil.copytree(prepared, tmp_path / "set")
    recipe = tiny_recipe(tmp_path / "set")
    assert fit(recipe, tmp_path / "run", device="cpu", listener=StopAfter(2)).interrupted
    return tmp_path, recipe


@pytest.mark.parametrize("how", ["moved", "copied", "linked", "relative", "through a link"])
def test_a_run_is_resumed_with_its_set_wherever_that_lies_by_now(interrupted, monkeypatch, how):
    folder, recipe = interrupted
    place = folder / "elsewhere"
    if how == "moved":
        (folder / "set").rename(place)
    elif how == "copied":
        shutil.copytree(folder / "set", place)
    elif how == "linked":
        place.symlink_to(folder / "set")
    elif how == "relative":
        monkeypatch.chdir(folder)
        place = Path("set")
    else:
        (folder / "link").symlink_to(folder)
        place = folder / "link" / "set"
    assert not fit(recipe.with_prepared(place), folder / "run", device="cpu", resume=True).interrupted
    assert RunFolder(folder / "run").read_recipe()["data"]["prepared"] == str(place)


@pytest.mark.parametrize("what", ["pixels", "manifest"])
def test_another_set_at_the_same_place_or_another_is_refused(interrupted, what):
    folder, recipe = interrupted
    info = json.loads((folder / "set" / "prepared.json").read_text())
    if what == "pixels":  # of another size, say: the manifest names the same photographs and folds
        (folder / "set" / "prepared.json").write_text(json.dumps({**info, "images_sha256": "0" * 64}))
    else:
        records = PackedSet.open(folder / "set").records
        write_manifest(folder / "set" / "manifest.csv", [replace(records[0], lesion="other"), *records[1:]])
        digest = manifest_sha256(folder / "set" / "manifest.csv")
        (folder / "set" / "prepared.json").write_text(json.dumps({**info, "manifest_sha256": digest}))
    shutil.copytree(folder / "set", folder / "elsewhere")
    for place in (folder / "set", folder / "elsewhere"):
        with pytest.raises(UsageError, match="the prepared set has changed"):
            fit(recipe.with_prepared(place), folder / "run", device="cpu", resume=True)


def test_weights_that_a_run_starts_from_are_known_by_their_bytes(recipe, tmp_path):
    fit(recipe, tmp_path / "first", device="cpu")
    shutil.copy(RunFolder(tmp_path / "first").best, tmp_path / "start.safetensors")
    started = replace(recipe, transfer=replace(recipe.transfer, checkpoint=str(tmp_path / "start.safetensors")))
    assert fit(started, tmp_path / "run", device="cpu", listener=StopAfter(2)).interrupted
    (tmp_path / "start.safetensors").rename(tmp_path / "moved.safetensors")
    moved = replace(recipe, transfer=replace(recipe.transfer, checkpoint=str(tmp_path / "moved.safetensors")))
    assert fit(moved, tmp_path / "run", device="cpu", resume=True, listener=StopAfter(1)).interrupted
    other = tmp_path / "other"
    fit(replace(recipe, seed=8), other, device="cpu")
    shutil.copy(RunFolder(other).best, tmp_path / "moved.safetensors")
    with pytest.raises(UsageError, match=r"other weights than before in transfer\.checkpoint"):
        fit(moved, tmp_path / "run", device="cpu", resume=True)


@pytest.mark.parametrize("name", ["note.txt", "log.csv", "best.safetensors", "manifest.csv", "events"])
def test_a_folder_that_holds_anything_else_is_no_place_for_a_run(recipe, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(UsageError, match=f"holds {name}, which is not part of a run"):
        fit(recipe, tmp_path / "run", device="cpu")
    assert {path.name: path.read_text() for path in (tmp_path / "run").iterdir()} == {name: "mine"}


def test_a_run_that_could_not_begin_leaves_its_folder_free(recipe, tmp_path):
    wrong = replace(recipe, model=replace(recipe.model, name="no_such_network"))
    with pytest.raises(UsageError, match="no_such_network"):
        fit(wrong, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
    fit(recipe, tmp_path / "run", device="cpu", listener=StopAfter(1))


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


# A network that is trained on shuffled labels must score at chance, and the same network on true ones must not.

SPEC = ImageSpec(size=32)
CLASSES = ("BCC", "MEL", "NV", "VASC")
COLOURS = ((200, 120, 110), (60, 50, 60), (150, 100, 70), (200, 40, 60))
LESIONS = 36
"""A class, an image each, in three folds."""


def coloured_set(folder, shuffled):
    """Lesions whose class is their colour; with ``shuffled`` labels are dealt out anew within each fold."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    of = np.repeat(np.arange(len(CLASSES)), LESIONS)
    folds = np.arange(len(of)) % 3
    labels = of.copy()
    if shuffled:
        for fold in range(3):
            labels[folds == fold] = rng.permutation(of[folds == fold])
    records = []
    with PackedWriter(folder / "images.npy", SPEC.size, len(of)) as writer:
        for number, (colour, label, fold) in enumerate(zip(of, labels, folds, strict=True)):
            pixels = np.clip(rng.normal(COLOURS[colour], 30, (32, 32, 3)), 0, 255).astype(np.uint8)
            writer.append(pixels)
            records.append(
                Record(
                    image=f"images/{number}.png",
                    label=CLASSES[label],
                    lesion=f"L{number}",
                    group=f"lesion:L{number}",
                    fold=int(fold),
                    source="synthetic",
                    licence="CC0",
                    sha256=hashlib.sha256(pixels).hexdigest(),
                )
            )
    write_manifest(folder / "manifest.csv", records)
    info = {
        "format": 1, "manifest_sha256": manifest_sha256(folder / "manifest.csv"), "images_sha256": writer.sha256,
        "image_spec": SPEC.to_dict(), "source": "synthetic", "licence": "CC0", "citation": "",
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(info))
    return folder


def learnt(folder, shuffled):
    prepared = coloured_set(folder / "prepared", shuffled)
    recipe = Recipe.from_dict(
        {
            "name": "shuffled",
            "data": {"prepared": str(prepared)},
            "model": {"name": "hierattn_xs", "options": TINY},
            "optimiser": {"epochs": 16, "batch_size": 8, "learning_rate": 0.01, "warmup_epochs": 0},
        }
    )
    fit(recipe, folder / "run", device="cpu")
    return evaluate(folder / "run", EvaluateOptions(device="cpu", bootstrap=0)).report


@pytest.mark.parametrize("shuffled", [False, True])
def test_shuffled_labels_leave_nothing_to_learn(tmp_path, shuffled):
    report = learnt(tmp_path, shuffled)
    balanced, area = report.balanced_accuracy, report.macro_auc
    if shuffled:
        # 12 images a class: chance is 1/4 and 0.5, each with a standard error of about 0.06.
        assert abs(balanced.value - 0.25) < 0.2
        assert abs(area.value - 0.5) < 0.2
    else:
        assert balanced.value > 0.6
        assert area.value > 0.9
