"""Every recipe that the package ships opens, and says what to expect of it."""

import shlex
import tomllib

import pytest
from typer.testing import CliRunner

from hierattn import create_model
from hierattn.cli.main import app
from hierattn.cli.recipes import (
    FIRST_LOOK,
    SMALL_SET,
    USUAL,
    built_in_recipes,
    find_recipe,
    next_training,
    recipe_folder,
)
from hierattn.errors import UsageError
from hierattn.training.recipe import Recipe


@pytest.mark.parametrize("name", built_in_recipes())
def test_recipe_opens_and_its_model_can_be_built(name):
    recipe = Recipe.load(find_recipe(name))
    create_model(recipe.model.name, num_classes=8, **recipe.model.options)


@pytest.mark.parametrize("name", built_in_recipes())
def test_recipe_opens_with_expected_result_time_and_command(name):
    head = (recipe_folder() / f"{name}.toml").read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for word in ("Expected:", "Time:", "Command: hierattn "):
        assert word in head, f"{name} does not state {word}"
    command = head.split("Command: hierattn ")[1].split()
    assert command[0] in ("train", "crossval")
    assert command[1] == name


TABLE_1 = ("hierattn_xs", "hierattn_s", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_1x", "mnasnet1_0",
           "efficientnet_b0", "mobilevit_s")  # fmt: skip


@pytest.mark.parametrize("folder", ["isic2019", "pad_ufes_20"])
@pytest.mark.parametrize("model", TABLE_1)
def test_every_network_of_table_1_is_trained_by_the_papers_recipe_on_both_sets(folder, model):
    recipe = Recipe.load(find_recipe(f"{folder}/{model}"))
    assert recipe.model.name == model
    assert recipe.transfer.checkpoint
    defaults = Recipe()  # the paper's, as test_recipe holds
    assert (recipe.optimiser, recipe.augmentation) == (defaults.optimiser, defaults.augmentation)
    assert (recipe.mixing, recipe.distillation) == (defaults.mixing, defaults.distillation)
    assert (recipe.transfer.frozen_epochs, recipe.precision) == (30, "32-true")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("table2_attention_none", {"model.options.attention": "none"}),
        ("table2_attention_se", {"model.options.attention": "se"}),
        ("table2_attention_cbam", {"model.options.attention": "cbam"}),
        ("table2_attention_coordinate", {"model.options.attention": "coordinate"}),
        ("table4_no_warmup", {"transfer.frozen_epochs": 0}),
        ("table5_no_stochastic_depth", {"model.options.stochastic_depth": 0.0}),
        ("table6_no_skip", {"model.options.cth_skip": False}),
        ("no_permutation", {"model.options.permute_pixels": False}),
        ("fig9_instance_hardness_isic2019", {}),
        ("fig9_random_isic2019", {}),
    ],
)
def test_an_ablation_differs_from_the_papers_recipe_in_its_own_switch_only(name, changed):
    def flat(values, prefix=""):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    paper, ablation = (
        dict(flat(Recipe.load(find_recipe(which)).to_dict())) for which in ("isic2019/hierattn_s", f"ablations/{name}")
    )
    found = {key: value for key, value in ablation.items() if paper.get(key, "absent") != value}
    assert found == {"name": name, **changed}


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(UsageError, match="quicktest"):
        find_recipe("slowtest")


def test_the_recipes_command_lists_every_recipe_and_shows_one_resolved():
    listed = CliRunner().invoke(app, ["recipes"]).output
    assert [line.split()[0] for line in listed.splitlines()] == built_in_recipes()
    shown = CliRunner().invoke(app, ["recipes", "ablations/table6_no_skip"]).stdout
    assert shown.startswith("# Table 6")
    assert Recipe.from_dict(tomllib.loads(shown)) == Recipe.load(find_recipe("ablations/table6_no_skip"))


@pytest.mark.parametrize("name", [FIRST_LOOK, USUAL])
def test_the_recipes_that_prepare_names_suit_any_set_for_they_start_from_random_weights(name):
    recipe = Recipe.load(find_recipe(name))
    assert (recipe.transfer.checkpoint, recipe.distillation.teacher) == ("", ())


def test_a_small_set_is_offered_the_first_look_beside_the_usual_recipe_and_a_word_on_time(tmp_path):
    small, large = (next_training(tmp_path, images, 256) for images in (SMALL_SET, SMALL_SET + 1))
    assert FIRST_LOOK in small
    assert FIRST_LOOK not in large
    for said in (small, large):
        assert USUAL in said
        assert "--dry-run" in said
    assert "--size 64" in small
    assert "--size" not in next_training(tmp_path, SMALL_SET, 64)


def test_the_next_command_can_be_pasted_where_the_path_has_a_space(tmp_path):
    said = next_training(tmp_path / "my set", 5000, 128)
    command = said.rpartition("Next: ")[2]
    assert shlex.split(command)[-2:] == ["--data", str(tmp_path / "my set")]


def test_a_set_of_fewer_training_images_than_a_batch_is_offered_a_batch_that_training_takes(tmp_path):
    enough, few = (next_training(tmp_path, 3 * training, 32, training=training) for training in (200, 20))
    assert "batch_size" not in enough
    words = few.splitlines()[-1].partition("hierattn train ")[2].split()
    assert Recipe.load(find_recipe(words[0]), words[1:2]).optimiser.batch_size <= 20
