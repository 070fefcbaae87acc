"""The ranges are a recipe's tables and what is drawn from: every one of them is read, and every limit is held."""

from dataclasses import asdict, fields

import numpy as np
import pytest
import torch

from hierattn.errors import RecipeError
from hierattn.training.augmentation.augmentation import apply, draw
from hierattn.training.augmentation.mixing import draw_mix
from hierattn.training.augmentation.ranges import AugmentationRanges, MixingRanges
from hierattn.training.recipe import Recipe

NOTHING = {entry.name: 0.0 for entry in fields(AugmentationRanges)}
NAMES = sorted(NOTHING)


@pytest.mark.parametrize("name", NAMES)
def test_every_range_changes_images_by_itself(name):
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    extent = 10.0 if name == "rotation" else 0.9
    changes = draw(8, AugmentationRanges(**{**NOTHING, name: extent}), torch.Generator().manual_seed(2))
    assert not torch.equal(apply(images, changes), images)
    assert torch.equal(apply(images, draw(8, AugmentationRanges(**NOTHING), torch.Generator())), images)


@pytest.mark.parametrize(("table", "record"), [("augmentation", AugmentationRanges), ("mixing", MixingRanges)])
def test_a_recipe_has_each_range_under_its_name_and_holds_its_limits(table, record):
    assert Recipe().to_dict()[table] == asdict(record())
    for entry in fields(record):
        for value in (-0.1, 181.0):
            with pytest.raises(RecipeError, match=rf"{table}\.{entry.name} is {value}: wanted "):
                Recipe.from_dict({table: {entry.name: value}})


def test_mixing_is_off_and_each_way_of_it_is_read():
    def mixes(**values):
        return draw_mix(4, MixingRanges(**values), np.random.default_rng(0))

    assert mixes().share == 1
    assert (mixes(mixup=1).share < 1, mixes(mixup=1).box) == (True, None)
    assert mixes(cutmix=1).box is not None
