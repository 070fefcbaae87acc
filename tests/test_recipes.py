"""Every recipe that the package ships opens, and says what to expect of it."""

import pytest

from hierattn.cli.recipes import built_in_recipes, find_recipe, recipe_folder
from hierattn.errors import UsageError
from hierattn.models import create_model
from hierattn.training.recipe import Recipe


@pytest.mark.parametrize("name", built_in_recipes())
def test_recipe_opens_and_its_model_can_be_built(name):
    recipe = Recipe.load(find_recipe(name))
    create_model(recipe.model.name, num_classes=8, **recipe.model.options)


@pytest.mark.parametrize("name", built_in_recipes())
def test_recipe_opens_with_expected_result_time_and_command(name):
    head = (recipe_folder() / f"{name}.toml").read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for word in ("Expected:", "Time:", "Command: hierattn train"):
        assert word in head, f"{name} does not state {word}"


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(UsageError, match="quicktest"):
        find_recipe("slowtest")
