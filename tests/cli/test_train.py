"""``hierattn train``: what its --help promises is there afterwards, and a run is never overwritten."""

from __future__ import annotations

import json

import pytest
from noise_runs import TINY, make_set
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.training.recipe import Recipe

SMALL = [
    *(f"model.options.{key}={json.dumps(value)}" for key, value in TINY.items()),
    "optimiser.epochs=2", "optimiser.batch_size=8", "data.epoch_images=8", "optimiser.warmup_epochs=0", "data.fold=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory, hierattn):
    base = tmp_path_factory.mktemp("train")
    words = ["train", "quicktest", *SMALL, "--data", make_set(base / "set"), "--out", base / "run", "--device", "cpu"]
    return base, words, hierattn(*words)


def test_the_run_folder_holds_what_the_help_promises(trained):
    base, _, result = trained
    assert result.code == 0, result.err
    run = RunFolder(base / "run")
    assert [row["epoch"] for row in run.read_log()] == ["0", "1"]
    assert run.read_recipe()["data"]["prepared"] == str(base / "set")
    assert run.last.is_file()
    assert any(run.events.iterdir())
    assert load_checkpoint(run.best).recipe == run.read_recipe()
    assert f"Next: hierattn evaluate {base / 'run'}" in result.out


def test_the_outer_fold_is_not_used(trained):
    base, *_ = trained
    records = PackedSet.open(base / "set").records
    parts = split(records, 1)
    seen = {line.partition(",")[0] for line in RunFolder(base / "run").trained_on.read_text().splitlines()[1:]}

    def marks(rows):
        return {records[int(row)].sha256[:16] for row in rows} - {""}

    assert not seen & marks(parts.test)
    assert marks(parts.validation) <= seen
    assert seen & marks(parts.train)


def test_a_run_is_resumed_when_asked_with_the_same_recipe_and_never_overwritten(trained, refused, content, hierattn):
    base, words, _ = trained
    before = content(base)
    assert "already holds a run: continue it with --resume" in refused(2, *words)
    other = [word if word != "optimiser.epochs=2" else "optimiser.epochs=3" for word in words]
    assert "the recipe differs in optimiser.epochs" in refused(2, *other, "--resume")
    after = content(base)
    assert {name: after.get(name) for name in before} == before
    result = hierattn(*words, "--resume")
    assert (result.code, "of 2" in result.out) == (0, True), result


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "no recipe 'none': wanted a .toml file or one of"),
        (["quicktest"], "add --data FOLDER"),
        (["quicktest", "optimizer.epochs=1"], "unknown recipe key optimizer"),
        (["quicktest", "optimiser.epochs=0"], "optimiser.epochs"),
        (["quicktest", "data.fold=one"], "data.fold"),
    ],
)
def test_bad_use_is_one_line_and_leaves_nothing(refused, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(2, "train", *words)
    assert not list(tmp_path.iterdir())


def test_a_set_that_is_not_there_is_a_failure_and_leaves_nothing(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "none" in refused(1, "train", "quicktest", "--data", "none", "--device", "cpu")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def recipe(tmp_path):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "data": {"prepared": str(make_set(tmp_path / "set"))},
            "mixing": {"mixup": 0.2},
            "augmentation": {"blur": 0.5, "jpeg": 0.5},
            "optimiser": {"epochs": 500, "batch_size": 8, "averaging": 0.9},
        }
    )


def test_the_command_prints_json(recipe, tmp_path):
    recipe.save(tmp_path / "tiny.toml")
    words = ["train", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run"), "--device", "cpu", "--dry-run"]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parameters"] == 1_079_928
    assert "Expected:" in CliRunner().invoke(app, words).output
