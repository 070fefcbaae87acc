import pytest

from hierattn.errors import CheckpointError, UsageError
from hierattn.training.dry_run import dry_run
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe


@pytest.fixture
def recipe(prepared):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "data": {"prepared": str(prepared)},
            "mixing": {"mixup": 0.2},
            "augmentation": {"blur": 0.5, "jpeg": 0.5},
            "optimiser": {"epochs": 500, "batch_size": 8, "averaging": 0.9},
        }
    )


def test_a_dry_run_says_what_a_run_takes_and_leaves_nothing(recipe, tmp_path):
    found = dry_run(recipe, tmp_path / "run", device="cpu")
    assert not list(tmp_path.iterdir())
    assert found.parameters == 1_079_928
    assert found.steps == found.training_images // 8
    assert found.seconds == pytest.approx(500 * found.seconds_per_epoch)
    per_epoch = found.steps * 8 / found.images_per_second + found.validation_images / found.validation_images_per_second
    assert found.seconds_per_epoch >= per_epoch
    assert found.state_bytes > 4 * 3 * found.parameters  # weights and AdamW's two moments
    assert found.memory_bytes > found.state_bytes
    assert 0 <= found.waiting_share < 1


def test_what_would_stop_the_run_stops_the_dry_run(recipe, tmp_path):
    values = recipe.to_dict()
    values["transfer"] = {"checkpoint": str(tmp_path / "none.safetensors"), "frozen_epochs": 3}
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        dry_run(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    values = recipe.to_dict()
    values["data"]["epoch_images"], values["optimiser"]["epochs"] = 8, 1
    fit(Recipe.from_dict(values), tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="already holds"):
        dry_run(recipe, tmp_path / "run", device="cpu")
