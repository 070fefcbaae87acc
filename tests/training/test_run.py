"""What takes part in a run, what it saves, and which epoch it selects."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import assert_same_bits, state_of, tiny_recipe, with_one_thread

from hierattn.data.prepared_set.manifest import manifest_sha256, read_manifest, write_manifest
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.errors import LeakError, UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_an_epoch_smaller_than_a_batch_is_refused(recipe, tmp_path):
    values = recipe.to_dict()
    values["optimiser"]["batch_size"] = 64
    with pytest.raises(UsageError, match="batch_size"):
        fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")


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
    values["optimiser"] |= {"epochs": 5, "learning_rate": 0.05, "final_learning_rate": 0.05}  # it goes astray
    result = fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    losses = [float(row["validation_balanced_loss"]) for row in RunFolder(tmp_path / "run").read_log()]
    assert losses != sorted(losses, reverse=True)  # else the last epoch would pass for the best
    assert result.best_epoch == losses.index(min(losses))
    assert result.best == pytest.approx(min(losses), rel=1e-4)


def test_a_network_of_timm_is_trained_and_saved_with_the_pixels_that_it_expects(recipe, tmp_path):
    values = recipe.to_dict()
    values["model"] = {"name": "timm:tf_efficientnet_lite0", "options": {"drop_path_rate": 0.1}}
    values["optimiser"]["epochs"] = 1
    fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    saved = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert (saved.image_spec.mean, saved.image_spec.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert saved.build().num_classes == len(saved.classes)


def test_a_network_of_fixed_size_is_refused_before_training(recipe, tmp_path):
    values = recipe.to_dict()
    values["model"]["name"] = "timm:vit_tiny_patch16_224"
    with pytest.raises(UsageError, match="img_size"):
        fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "best.safetensors").exists()
