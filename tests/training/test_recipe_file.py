"""Recipe files: strict TOML, bases and overrides."""

import math

import pytest

from hierattn.errors import RecipeError
from hierattn.training.recipe import Recipe
from hierattn.training.recipe_file import Limits


def test_overrides_take_dotted_keys_and_bare_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("seed = 4\n")
    recipe = Recipe.load(
        path, ["optimiser.epochs=7", "data.prepared=out/some set", "data.fold=2", "model.name=hierattn_m"]
    )
    assert (recipe.name, recipe.seed, recipe.optimiser.epochs, recipe.data.fold) == ("mine", 4, 7, 2)
    assert (recipe.data.prepared, recipe.model.name) == ("out/some set", "hierattn_m")


FROZEN = '[transfer]\ncheckpoint = "x.pth"\nfrozen_epochs = 30\n'


@pytest.mark.parametrize(
    ("overrides", "frozen"),
    [
        ([], 30),
        (["optimiser.epochs=500"], 30),
        (["optimiser.epochs=250"], 15),
        (["optimiser.epochs=20"], 2),
        (["optimiser.epochs=2"], 1),
        (["optimiser.epochs=1"], 0),
        (["optimiser.epochs=20", "transfer.frozen_epochs=7"], 7),
        (["transfer.frozen_epochs=0", "optimiser.epochs=20"], 0),
        (["optimiser.epochs=20", "transfer.checkpoint=y.pth"], 2),
        (["optimiser.epochs=20", "optimiser.epochs=250"], 15),
    ],
)
def test_frozen_epochs_keep_their_share_where_the_epochs_alone_are_overridden(tmp_path, overrides, frozen):
    (tmp_path / "base.toml").write_text(FROZEN)  # 500 epochs by default
    (tmp_path / "mine.toml").write_text('base = "base.toml"\n')
    for name in ("base", "mine"):
        assert Recipe.load(tmp_path / f"{name}.toml", overrides).transfer.frozen_epochs == frozen


def test_a_recipe_file_means_what_it_says_whatever_epochs_it_has(tmp_path):
    (tmp_path / "base.toml").write_text(FROZEN)
    (tmp_path / "mine.toml").write_text('base = "base.toml"\n[optimiser]\nepochs = 40\n')
    assert Recipe.load(tmp_path / "mine.toml").transfer.frozen_epochs == 30
    assert Recipe.load(tmp_path / "mine.toml", ["optimiser.epochs=20"]).transfer.frozen_epochs == 15
    for wrong in ("optimiser.epochs=many", "optimiser.epochs=0", "optimiser.epochs=-3"):
        with pytest.raises(RecipeError, match=r"optimiser\.epochs"):
            Recipe.load(tmp_path / "mine.toml", [wrong])


@pytest.mark.parametrize("override", ["epochs", "=3", "seed.deep=3", "optimiser.nothing=1"])
def test_a_wrong_override_is_an_error(tmp_path, override):
    path = tmp_path / "mine.toml"
    path.write_text("seed = 4\n")
    with pytest.raises(RecipeError):
        Recipe.load(path, [override])


def test_a_file_that_is_not_toml_is_an_error(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe = [")
    with pytest.raises(RecipeError, match="not TOML"):
        Recipe.load(path)
    with pytest.raises(RecipeError, match="no recipe"):
        Recipe.load(tmp_path / "none.toml")


def test_a_base_is_inherited_key_by_key_but_for_its_name(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "paper.toml").write_text('name = "paper"\n[optimiser]\nepochs = 9\nbatch_size = 4\n')
    (tmp_path / "mine.toml").write_text('base = "below/paper.toml"\n[optimiser]\nepochs = 7\n')
    recipe = Recipe.load(tmp_path / "mine.toml", ["optimiser.weight_decay=0.5"])
    assert (recipe.name, recipe.optimiser.epochs, recipe.optimiser.batch_size) == ("mine", 7, 4)
    assert recipe.optimiser.weight_decay == 0.5
    recipe.save(tmp_path / "resolved.toml")
    assert "base" not in (tmp_path / "resolved.toml").read_text()


@pytest.mark.parametrize("base", ['"mine.toml"', '"other.toml"', '"none.toml"', "3", '"paper"'])
def test_a_base_that_is_missing_or_leads_back_is_an_error(tmp_path, base):
    (tmp_path / "other.toml").write_text('base = "mine.toml"\n')
    (tmp_path / "mine.toml").write_text(f"base = {base}\n")
    with pytest.raises(RecipeError):
        Recipe.load(tmp_path / "mine.toml")


def test_an_unknown_key_of_a_base_is_named(tmp_path):
    (tmp_path / "below.toml").write_text("[optimiser]\nepoch = 9\n")
    (tmp_path / "mine.toml").write_text('base = "below.toml"\n')
    with pytest.raises(RecipeError, match=r"optimiser\.epoch:"):
        Recipe.load(tmp_path / "mine.toml")


def test_a_former_key_is_understood_in_a_file_and_in_its_base(tmp_path):
    (tmp_path / "below.toml").write_text("[optimiser]\npost_hoc_adjustment = 0.25\n")
    (tmp_path / "mine.toml").write_text('base = "below.toml"\n')
    assert Recipe.load(tmp_path / "mine.toml").optimiser.post_hoc_logit_adjustment == 0.25
    above = Recipe.load(tmp_path / "mine.toml", ["optimiser.post_hoc_logit_adjustment=0.5"])
    assert above.optimiser.post_hoc_logit_adjustment == 0.5


@pytest.mark.parametrize(
    ("limits", "within", "without"),
    [
        (Limits("", least=0, most=1), (0, 0.5, 1), (-0.1, 1.1, math.nan)),
        (Limits("", above=0, most=1), (0.1, 1), (0, 1.1)),
        (Limits("", least=0, below=1), (0, 0.9), (1, -1)),
        (Limits("", least=2), (2, 10**9), (1, -math.inf)),
    ],
)
def test_the_ends_of_a_range_belong_to_it_or_not(limits, within, without):
    assert all(map(limits.accept, within))
    assert not any(map(limits.accept, without))
