"""Weights that a run starts from: with or without their classifier, and never any that saw what is held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_checkpoints import make_checkpoint
from tiny_runs import tiny_recipe, with_one_thread

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.deploy.export.onnx import export_onnx
from hierattn.deploy.export.wrapped import wrap
from hierattn.errors import LeakError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.taxonomy.built_in import EIGHT
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe
from hierattn.training.teaching.starting_weights import mean_of


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_a_run_trains_on_from_a_bundle_with_its_classifier(recipe, tmp_path):
    fit(recipe, tmp_path / "first", device="cpu")
    first = load_checkpoint(tmp_path / "first" / "best.safetensors")
    export_onnx(wrap(first), tmp_path / "first.onnx")
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


def test_a_run_begins_with_the_mean_of_several_and_remembers_what_each_has_seen(recipe, tmp_path):
    places = []
    for seed in (1, 2, 3):
        fit(replace(recipe, seed=seed), tmp_path / str(seed), device="cpu")
        places.append(str(tmp_path / str(seed) / "best.safetensors"))
    values = recipe.to_dict()
    values["transfer"] = {"checkpoint": places[0], "averaged_with": places[1:], "classifier": True}
    values["optimiser"] |= {"epochs": 1, "learning_rate": 1e-9, "final_learning_rate": 1e-9, "warmup_epochs": 0}
    values["optimiser"] |= {"averaging": 0.0, "weight_decay": 0.0}
    fit(Recipe.from_dict(values), tmp_path / "mean", device="cpu")
    mean, *parts = (load_checkpoint(Path(place)) for place in (tmp_path / "mean" / "best.safetensors", *places))
    for name in ("classifier.weight", next(iter(mean.state_dict))):
        wanted = np.mean([part.state_dict[name].numpy() for part in parts], axis=0)
        np.testing.assert_allclose(mean.state_dict[name].numpy(), wanted, atol=1e-6)
    apart = parts[0].state_dict["classifier.weight"] - mean.state_dict["classifier.weight"]
    assert apart.abs().max() > 1e-4
    fit(recipe.with_fold(1), tmp_path / "other", device="cpu")
    values["transfer"]["averaged_with"] = [places[1], str(tmp_path / "other" / "best.safetensors")]
    with pytest.raises(LeakError, match="fold 1 held out"):
        fit(Recipe.from_dict(values), tmp_path / "leaking", device="cpu")


def test_weights_of_another_network_have_no_mean():
    ours = make_checkpoint()
    for other, what in (
        (replace(ours, model="hierattn_s"), "network"),
        (replace(ours, taxonomy=EIGHT.subset(("MEL", "NV"))), "classes"),
        (replace(ours, image_spec=ImageSpec(size=96)), "images"),
        (replace(ours, state_dict={**ours.state_dict, "more": torch.zeros(1)}), "tensors"),
    ):
        with pytest.raises(UsageError, match=f"b has other {what} than a: wanted the same network"):
            mean_of({Path("a"): ours, Path("b"): other})


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
