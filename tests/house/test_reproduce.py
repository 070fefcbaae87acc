"""reproduce/paper.sh and quick.sh as a new user runs them: what is missing is said at once; they run to their ends."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import typer
from safetensors.torch import save_file
from tiny_sets import isic_set, pad_set

from hierattn.cli.main import app
from hierattn.cli.recipes import built_in_recipes
from hierattn.cli.run_options import load_recipe
from hierattn.models.weights.weight_files import published_weights
from hierattn.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "FOLDS": "0", "OF_FOLDS": "3", "MODELS": "hierattn_xs", "SIZE": "32", "BATCH": "8", "EPOCH_IMAGES": "8",
    "TARGET_ISIC": "8", "TARGET_PAD": "8", "ITERATIONS": "2", "BOOTSTRAP": "100", "THREADS": "1", "DEVICE": "cpu",
}  # fmt: skip
ISIC_CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
PAD_CODES = ("ACK", "BCC", "SEK", "MEL", "NEV", "SCC")


def script(name: str, *words: object, place: Path, hierattn: str = "", **settings: str) -> subprocess.CompletedProcess:
    """Run a script of reproduce/ in ``place`` with a command of these sources, or with another ``hierattn``."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "OMP_NUM_THREADS") if key in os.environ}
    sources = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    command = hierattn or f"{sys.executable} -m hierattn"
    return subprocess.run(
        ["sh", str(ROOT / "reproduce" / name), *map(str, words)], cwd=place, capture_output=True, text=True,
        env={**inherited, "PYTHONPATH": sources, "HIERATTN": command, **settings}, check=False,
    )  # fmt: skip


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    isic_set(tmp_path / "isic", ISIC_CODES * 21)
    pad_set(tmp_path / "pad", PAD_CODES * 21)
    return tmp_path


def printed(tmp_path: Path, **settings: str) -> list[list[str]]:
    """The words of every command that paper.sh would give."""
    for name in ("isic", "pad"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "out").mkdir(exist_ok=True)
    done = script("paper.sh", "isic", "pad", "out", place=tmp_path, hierattn="echo hierattn", **settings)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line)[1:] for line in done.stdout.splitlines() if line.startswith("hierattn ")]


def recipes_of(words: list[str]) -> dict[str, Recipe]:
    """Run folder -> what would be trained there, as the command reads its words; starting weights by their path."""
    changes = [word for word in words if word.partition("=")[0].partition(".")[0] in ("optimiser", "data", "transfer")]
    if words[0] != "compare":
        name = words[words.index("--recipe") + 1] if "--recipe" in words else words[1]
        return {words[words.index("--runs") + 1] if "--runs" in words else "": load_recipe(name, changes)}
    pairs = [word.partition("=") for word in words if word.partition("=")[2] in built_in_recipes()]
    runs = words[words.index("--runs") + 1]
    return {
        f"{runs}/{name}{mark}": load_recipe(recipe, [change.replace("{name}", f"{name}{mark}") for change in changes])
        for name, _, recipe in pairs
        for mark in ("", "-paper")
    }


@pytest.mark.parametrize("settings", [{}, {"EPOCHS": "20"}, {"EPOCHS": "1"}, {"EPOCHS": "20", "TRANSFER": "none"}])
def test_every_command_of_the_paper_is_one_that_can_be_given_and_starts_where_it_should(tmp_path, settings):
    commands = printed(tmp_path, **settings)
    none, epochs = "TRANSFER" in settings, int(settings.get("EPOCHS", 500))
    frozen = 0 if none else {500: 30, 20: 2, 1: 0}[epochs]
    names = [words[0] if words[0] != "ablate" else f"ablate {words[1]}" for words in commands]
    assert ("fetch" in names, "ablate warmup" in names) == (not none, not none and epochs > 1)
    assert names[-1] == "paper"
    group = typer.main.get_command(app)
    trained: set[str] = set()
    for words in commands:
        place, command = words, group.commands[words[0]]
        if words[0] == "benchmark":
            place, command = words[1:], command.commands[words[1]]
            assert words[words.index("--rounds") + 1] == "1000"
        command.make_context(command.name, list(place[1:]))
        if words[0] not in ("compare", "ablate"):
            continue
        for folder, recipe in recipes_of(words).items():
            assert (recipe.optimiser.epochs, recipe.transfer.frozen_epochs) == (epochs, frozen), words
            assert recipe.optimiser.warmup_epochs == pytest.approx(15 * epochs / 500)
            start = recipe.transfer.checkpoint
            on_pad = any(word.endswith("out/pad") for word in words)
            if none:
                assert start == ""
            elif on_pad:
                run = folder if words[0] == "compare" else f"out/runs/pad/{recipe.model.name}"
                assert start == f"{run.replace('/pad/', '/isic/')}/fold-0/best.safetensors"
                assert str(Path(start).parents[1]) in trained
            else:
                assert start == f"weights/{published_weights(recipe.model.name).file}"
            trained.add(folder)


def test_missing_weights_are_all_listed_before_anything_starts(sets):
    models = "hierattn_s hierattn_xs mobilenet_v2"
    (sets / "weights").mkdir()
    (sets / "weights" / published_weights("hierattn_xs").file).touch()
    done = script("paper.sh", "isic", "pad", "out", place=sets, MODELS=models)
    assert done.returncode == 1
    for model in ("mobilevit_xs", "mobilenet_v2"):
        published = published_weights(model)
        assert f"missing weights/{published.file}: hierattn fetch {model} weights, or put there https://" in done.stdout
    assert "mobilevit_xxs" not in done.stdout
    assert "TRANSFER=none" in done.stderr
    assert not (sets / "out").exists()


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (["isic"], {}, "usage:"),
        (["isic", "nowhere"], {"TRANSFER": "none"}, "no folder nowhere"),
        (["isic", "pad"], {"TRANSFER": "some"}, "wanted paper or none"),
        (["isic", "pad"], {"TRANSFER": "none", "MODELS": "mobilenet_v2"}, "wanted a HierAttn first"),
    ],
)
def test_bad_use_of_the_script_is_refused_at_once(tmp_path, words, settings, said):
    for name in ("isic", "pad"):
        (tmp_path / name).mkdir()
    done = script("paper.sh", *words, place=tmp_path, hierattn="false", **settings)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_paper_by_one_script_runs_to_its_end_and_again_without_training(sets):
    (sets / "weights").mkdir()
    weights = timm.create_model("mobilevit_xxs", pretrained=False).state_dict()
    save_file(weights, sets / "weights" / published_weights("hierattn_xs").file)
    settings = {**SMALL, "EPOCHS": "2", "PARTS": "table1 warmup timing card"}
    done = script("paper.sh", "isic", "pad", "out", place=sets, **settings)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = (sets / "out" / "paper.html").read_text(encoding="utf-8")
    for word in ("Table 1, Fig. 7: ISIC 2019", "Table 1, Fig. 7: PAD-UFES-20", "Table 4", "96.70", "91.22", "2 of 500"):
        assert word in page
    start = Recipe.load(sets / "out" / "runs" / "pad" / "hierattn_xs" / "fold-0" / "recipe.toml").transfer
    assert (Path(start.checkpoint).parts[-5:-1], start.frozen_epochs) == (("runs", "isic", "hierattn_xs", "fold-0"), 1)
    trained = {path: path.stat().st_mtime_ns for path in (sets / "out" / "runs").rglob("best.safetensors")}
    assert len(trained) == 6
    again = script("paper.sh", "isic", "pad", "out", place=sets, **{**settings, "PARTS": "timing card"})
    assert again.returncode == 0, again.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in (sets / "out" / "runs").rglob("best.safetensors")} == trained


def test_the_small_script_runs_to_its_end(prepared, tmp_path):
    settings = {"RECIPE": "quicktest", "MODELS": "hierattn_xs", "EPOCHS": "1", "EPOCH_IMAGES": "32", "FOLDS": "0"}
    settings |= {"PREPARED": str(prepared), "TARGET": "8", "BOOTSTRAP": "100", "DEVICE": "cpu"}
    done = script("quick.sh", "out", place=tmp_path, PARTS="table1 protocols skip card", **settings)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = (tmp_path / "out" / "paper.html").read_text(encoding="utf-8")
    assert "1 of 500 epochs" in page
    assert "not measured yet" in page.partition("Table 4")[2].partition("</section>")[0].lower()
    assert (tmp_path / "out" / "MODEL_CARD.md").is_file()
