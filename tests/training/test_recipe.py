import pytest

from hierattn.errors import RecipeError
from hierattn.training.recipe import Recipe


def test_the_defaults_are_the_papers():
    recipe = Recipe()
    rules = recipe.optimiser
    assert (rules.epochs, rules.batch_size, rules.weight_decay, rules.betas) == (500, 64, 0.01, (0.9, 0.999))
    assert (rules.learning_rate, rules.final_learning_rate, rules.warmup_epochs) == (0.002, 0.0002, 15)
    assert (recipe.augmentation.rotation, recipe.augmentation.horizontal_flip) == (10, 0.5)
    assert recipe.augmentation.vertical_flip == recipe.augmentation.scale == rules.label_smoothing == 0


def test_a_saved_recipe_reads_back_equal(tmp_path):
    recipe = Recipe.from_dict(
        {
            "name": "x",
            "model": {"name": "hierattn_s", "options": {"attention": "se"}},
            "optimiser": {"betas": [0.8, 0.9]},
        }
    )
    recipe.save(tmp_path / "recipe.toml")
    assert Recipe.load(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"sede": 1}, "sede"),
        ({"optimiser": {"learning_rat": 0.1}}, "optimiser.learning_rat"),
        ({"optimiser": {"learning_rate": "fast"}}, "optimiser.learning_rate"),
        ({"optimiser": {"learning_rate": 0}}, "optimiser.learning_rate"),
        ({"optimiser": {"epochs": 2.5}}, "optimiser.epochs"),
        ({"optimiser": {"epochs": True}}, "optimiser.epochs"),
        ({"optimiser": {"betas": [0.9]}}, "optimiser.betas"),
        ({"optimiser": 3}, "optimiser"),
        ({"data": {"sampling": "some"}}, "data.sampling"),
        ({"sampling": {"power": 0.3}}, "[sampling] is set, and recipe key data.sampling is 'balanced'"),
        ({"data": {"sampling": "cells"}, "sampling": {"by": ["clinic"]}}, "sampling.by"),
        ({"data": {"sampling": "cells"}, "sampling": {"by": []}}, "sampling.by"),
        ({"data": {"sampling": "cells"}, "sampling": {"power": 2}}, "sampling.power"),
        ({"data": {"sampling": "cells"}, "sampling": {"least": -1}}, "sampling.least"),
        ({"data": {"sampling": "cells"}, "sampling": {"source_weights": {"a": 0}}}, "sampling.source_weights.a"),
        ({"data": {"sampling": "cells"}, "sampling": {"by": "class", "source_weights": {"a": 2}}}, "has no 'source'"),
        ({"distillation": {"teacher": 3}}, "distillation.teacher"),
        ({"distillation": {"teacher": ["a", 3]}}, "distillation.teacher"),
        ({"distillation": {"features": -1}}, "distillation.features"),
        ({"distillation": {"features": 1}, "compile": "default"}, "distillation.features"),
        ({"augmentation": {"horizontal_flip": 1.5}}, "augmentation.horizontal_flip"),
        ({"transfer": {"frozen_epochs": 3}}, "transfer.frozen_epochs"),
    ],
)
def test_a_wrong_key_or_value_is_named_in_one_line(values, key):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(values)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_logit_adjustment_of_classes_that_are_balanced_already_is_refused():
    with pytest.raises(RecipeError, match="logit_adjustment"):
        Recipe.from_dict({"optimiser": {"logit_adjustment": 1.0}})


def test_the_number_of_the_fold_is_put_into_paths():
    values = {"data": {"prepared": "set-{fold}"}, "transfer": {"checkpoint": "{fold}/best.safetensors"}}
    recipe = Recipe.from_dict(values).with_fold(7)
    assert (recipe.data.fold, recipe.data.prepared, recipe.transfer.checkpoint) == (7, "set-7", "7/best.safetensors")


@pytest.mark.parametrize(
    ("written", "read"),
    [('teacher = ""', ()), ('teacher = "a"', ("a",)), ('teacher = ["a", "b"]', ("a", "b")), ("teacher = []", ())],
)
def test_a_teacher_may_stand_alone_or_in_a_list(tmp_path, written, read):
    (tmp_path / "r.toml").write_text(f"[distillation]\n{written}\n")
    recipe = Recipe.load(tmp_path / "r.toml")
    assert recipe.distillation.teacher == read
    recipe.save(tmp_path / "again.toml")
    assert Recipe.load(tmp_path / "again.toml").distillation == recipe.distillation


def test_the_number_of_the_fold_is_put_into_every_teachers_path():
    recipe = Recipe.from_dict({"distillation": {"teacher": ["a-{fold}", "b-{fold}"]}}).with_fold(3)
    assert recipe.distillation.teacher == ("a-3", "b-3")
