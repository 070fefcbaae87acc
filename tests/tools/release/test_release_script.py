"""reproduce/release.sh: every command in it is one that the command line takes, in an order in which each can run."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from hierattn.cli.main import app
from hierattn.cli.recipes import built_in_recipes, recipe_folder
from hierattn.deploy.predict.released import NAMES
from hierattn.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[3]


def printed(tmp_path: Path, **environment: str) -> list[list[str]]:
    """The words of every command that the script would give, which are printed here in place of being run."""
    for name in ("isic", "other", "pad"):
        (tmp_path / name).mkdir()
    (tmp_path / "weights.npz").touch()
    words = ["sh", ROOT / "reproduce" / "release.sh", "isic", "other", "pad", "weights.npz", "place"]
    said = subprocess.run(
        [str(word) for word in words], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "HIERATTN": "echo hierattn", "PYTHON": "echo python", **environment},
    ).stdout  # fmt: skip
    return [shlex.split(line) for line in said.splitlines() if line.startswith(("hierattn ", "python "))]


NAMED = typer.main.get_command(app).commands


def parse(words: list[str]) -> None:
    NAMED[words[0]].make_context(words[0], words[1:])


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> list[list[str]]:
    return printed(tmp_path_factory.mktemp("script"))


def test_every_command_is_one_that_the_command_line_takes(commands):
    ours = [words[1:] for words in commands if words[0] == "hierattn"]
    assert {words[0] for words in ours} == {"prepare", "train", "evaluate", "shift"}
    for words in ours:
        parse(words)


def test_the_folds_are_the_published_ones(commands):
    prepared = [words for words in commands if words[1] == "prepare" and "--judge-only" not in words]
    splits = [words[words.index("--splits") + 1] for words in prepared]
    published = [path for path in splits if path.startswith("/")]
    assert len(published) == 7
    assert all(Path(path).is_file() for path in published)
    assert set(splits) - set(published) == {"out/ham160/splits.csv"}


def test_each_run_is_trained_by_a_shipped_recipe_after_the_runs_that_it_begins_with(commands):
    made = set()
    for words in commands:
        if words[1] != "train":
            continue
        recipe, out = words[2], words[words.index("--out") + 1]
        assert recipe in built_in_recipes()
        changes = [word for word in words[3:] if "=" in word]
        found = Recipe.load(recipe_folder() / f"{recipe}.toml", changes)
        for weights in (found.transfer.checkpoint, *found.distillation.teacher):
            foreign = weights.endswith(".npz") or weights.startswith("package:")
            assert not weights or foreign or str(Path(weights).parent) in made, (recipe, weights)
        made.add(out)
    assert len(made) == 19


def test_the_bundles_released_before_stand_for_all_runs_before_the_released_ones(tmp_path):
    for name in ("eighth.onnx", "before.onnx"):
        (tmp_path / name).touch()
    commands = printed(tmp_path, EIGHTH="eighth.onnx", PHONE="before.onnx")
    teacher, *trained = [words for words in commands if words[1] == "train"]
    assert teacher[2] == "isic2019/efficientnet_lite0_two_sources_192px"
    assert [words[words.index("--out") + 1] for words in trained] == [
        "runs/two-xs-192-taught", "runs/two-lite0-192-longer", "runs/pad-xs-asked-160",
    ]  # fmt: skip
    for words, start in zip(trained, ("eighth", None, "before"), strict=True):
        begins = [f"transfer.checkpoint={tmp_path}/{start}.onnx"] if start else []
        assert [word for word in words[3:] if "=" in word] == begins
        parse(words[1:])
    read = [words[words.index("--data") + 1] for words in commands if "--data" in words]
    prepared = {word for words in commands if words[1] == "prepare" for word in words if word.startswith("out/")}
    assert set(read) <= prepared


def colours(words: list[str]) -> str:
    """How a set's colours are balanced."""
    return words[words.index("--colour-constancy") + 1] if "--colour-constancy" in words else "none"


def test_what_is_judged_or_rejected_has_the_size_and_the_colours_of_the_network(commands):
    sizes = {
        next(word for word in words[3:] if word.startswith("out/")): (words[words.index("--size") + 1], colours(words))
        for words in commands
        if words[1] == "prepare"
    }
    recipes = {
        words[words.index("--out") + 1]: sizes[words[words.index("--data") + 1]]
        for words in commands
        if words[1] == "train"
    }
    *_, last = commands
    pairs = [(words[2], words[words.index("--data") + 1]) for words in commands if words[1] == "shift"]
    released = [f"--{name}" for name in NAMES]
    pairs.extend((last[last.index(name) + 1], last[last.index(f"{name}-reject") + 1]) for name in released)
    assert len(pairs) == 6
    for run, judged in pairs:
        assert sizes[judged] == recipes[run], (run, judged)


def test_the_last_step_releases_runs_that_were_trained_and_judged(commands):
    *_, last = commands
    assert last[1:3] == ["-m", "tools.release.publish_release"]
    released = {last[place + 1] for place, word in enumerate(last) if word in [f"--{name}" for name in NAMES]}
    assert released <= {words[2] for words in commands if words[1] == "evaluate"}
    assert released <= {words[2] for words in commands if words[1] == "shift"}
    assert len(released) == 3


def test_the_page_names_the_runs_that_the_script_releases(commands):
    page = (ROOT / "docs" / "released-models.md").read_text(encoding="utf-8")
    assert f"python -m tools.release.publish_release {' '.join(commands[-1][3:])}" in page


def test_a_trial_of_the_script_takes_few_epochs_and_leaves_the_package_alone(tmp_path):
    commands = printed(tmp_path, EPOCHS="1", SPLITS="", RELEASED="/somewhere/else")
    assert commands[-1][-2:] == ["--out", "/somewhere/else"]
    for words in commands:
        if words[1] == "train":
            changes = [word for word in words[3:] if "=" in word]
            assert Recipe.load(recipe_folder() / f"{words[2]}.toml", changes).optimiser.epochs == 1
            parse(words[1:])
    assert "--splits" not in commands[0]


def test_the_recipes_of_the_released_models_say_so():
    for name, model in {
        "isic2019/hierattn_xs_two_sources_taught_192px": "hierattn_xs",
        "isic2019/efficientnet_lite0_two_sources_longer_192px": "timm:tf_efficientnet_lite0",
        "pad_ufes_20/hierattn_xs_asked_160px": "hierattn_xs",
    }.items():
        path = recipe_folder() / f"{name}.toml"
        assert "docs/released-models.md" in path.read_text(encoding="utf-8")
        assert Recipe.load(path).model.name == model
