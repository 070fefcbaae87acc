"""Options that commands share: a released model as a start or a teacher goes by its name."""

import pytest

from hierattn.cli.run_options import load_recipe
from hierattn.deploy.predict.released import released_folder
from hierattn.errors import UsageError


def test_a_released_model_goes_by_its_name():
    changes = ["transfer.checkpoint=released:dermoscopy", 'distillation.teacher=["a.safetensors", "released:phone"]']
    recipe = load_recipe("quicktest", changes)
    assert recipe.transfer.checkpoint == str(released_folder() / "dermoscopy.onnx")
    assert recipe.distillation.teacher == ("a.safetensors", str(released_folder() / "phone.onnx"))


def test_a_name_that_nothing_was_released_by_is_refused_with_those_that_were():
    with pytest.raises(UsageError, match="dermoscopy, dermoscopy-large, phone"):
        load_recipe("quicktest", ["transfer.checkpoint=released:microscopy"])


def test_imagenet_weights_are_those_of_the_recipes_network():
    for model, file in (("hierattn_xs", "mobilevit_xxs.safetensors"), ("mobilevit_s", "mobilevit_s.safetensors")):
        recipe = load_recipe(f"isic2019/{model}", ["transfer.checkpoint=imagenet:my weights"])
        assert recipe.transfer.checkpoint == f"my weights/{file}"
