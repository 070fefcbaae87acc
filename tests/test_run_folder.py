"""A run folder: today's is read back as it was written, version 1's still works everywhere, a newer one is refused."""

import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_runs import StopAfter
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import CheckpointError, RecipeError, UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import FORMAT_VERSION, LOG_COLUMNS, FoldsFolder, RunFolder, current_keys
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import load_state

STRENGTH = 0.25


@pytest.fixture(scope="module")
def recipe(prepared):
    return Recipe.from_dict(
        {
            "name": "old",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 16},
            "optimiser": {
                "epochs": 2, "batch_size": 8, "warmup_epochs": 1, "post_hoc_logit_adjustment": STRENGTH,
            },
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def today(recipe, tmp_path_factory):
    """A run of today's, at its end."""
    folder = tmp_path_factory.mktemp("today") / "run"
    fit(recipe, folder, device="cpu")
    return RunFolder(folder)


def age(folder: RunFolder) -> RunFolder:
    """Give a run folder the names and keys that version 1 wrote."""
    folder.trained_on.rename(folder.path / "learnt_from.csv")
    environment = json.loads(folder.environment.read_text())
    assert environment.pop("format_version") == FORMAT_VERSION
    folder.environment.write_text(json.dumps(environment))
    values = tomllib.loads(folder.recipe.read_text())
    values["optimiser"]["post_hoc_adjustment"] = values["optimiser"].pop("post_hoc_logit_adjustment")
    folder.recipe.write_text(tomli_w.dumps(values))
    with safe_open(folder.best, framework="pt") as file:
        metadata = file.metadata()
    described = json.loads(metadata["hierattn"])
    described["classes"] = [each["code"] for each in described.pop("taxonomy")["classes"]]
    former = {"hierattn": json.dumps({**described, "format_version": 1, "recipe": values})}
    former["hierattn.learnt_from"] = metadata["hierattn.trained_on"]
    save_file(load_file(folder.best), folder.best, metadata=former)
    return folder


@pytest.fixture
def old(today, tmp_path):
    """The same run as version 1 left it."""
    shutil.copytree(today.path, tmp_path / "old")
    return age(RunFolder(tmp_path / "old"))


def test_a_run_of_version_1_says_the_same_of_itself(today, old, recipe):
    assert "learnt_from.csv" in {path.name for path in old.path.iterdir()}
    assert old.read_recipe() == today.read_recipe() == recipe.to_dict()
    assert old.manifest_sha256() == today.manifest_sha256()
    former, present = load_checkpoint(old.best), load_checkpoint(today.best)
    assert former.recipe == present.recipe == recipe.to_dict()
    assert former.trained_on.trained.tolist() == present.trained_on.trained.tolist() != []
    assert former.trained_on.chosen.tolist() == present.trained_on.chosen.tolist() != []


def test_a_run_of_version_1_is_resumed_to_the_same_bits(today, recipe, tmp_path):
    assert fit(recipe, tmp_path / "run", device="cpu", listener=StopAfter(3)).interrupted
    folder = age(RunFolder(tmp_path / "run"))
    assert not fit(recipe, folder.path, device="cpu", resume=True).interrupted
    states = [load_state(run)["model"] for run in (folder, today)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert folder.trained_on.read_text() == today.trained_on.read_text()
    assert not (folder.path / "learnt_from.csv").exists()


def test_a_run_of_version_1_is_evaluated_exported_and_a_start(old, recipe, tmp_path):
    def run(*words):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output

    run("evaluate", old.path, "--device", "cpu", "--bootstrap", 0)
    run("export", old.path, tmp_path / "old.onnx")
    for weights in (old.best, tmp_path / "old.onnx"):
        values = {**recipe.to_dict(), "transfer": {"checkpoint": str(weights)}}
        values["optimiser"]["epochs"] = 1
        fit(Recipe.from_dict(values), tmp_path / f"from-{weights.stem}", device="cpu")
        assert RunFolder(tmp_path / f"from-{weights.stem}").transfer.read_text().startswith("source: a checkpoint")


def test_a_newer_folder_is_refused_by_every_reader(today, recipe, tmp_path):
    shutil.copytree(today.path, tmp_path / "newer")
    newer = RunFolder(tmp_path / "newer")
    newer.environment.write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))
    for read in (newer.read_recipe, newer.manifest_sha256, lambda: fit(recipe, newer.path, device="cpu", resume=True)):
        with pytest.raises(CheckpointError, match="update hierattn"):
            read()


def test_a_former_key_is_understood_and_both_names_are_refused():
    former = {"name": "x", "optimiser": {"epochs": 3, "post_hoc_adjustment": 0.5}}
    present = {"name": "x", "optimiser": {"epochs": 3, "post_hoc_logit_adjustment": 0.5}}
    assert current_keys(former) == current_keys(present) == present
    assert Recipe.from_dict(former) == Recipe.from_dict(present)
    both = {"optimiser": former["optimiser"] | present["optimiser"]}
    with pytest.raises(RecipeError, match="one key"):
        current_keys(both)


def test_a_log_reads_back_and_starts_again_at_an_epoch(tmp_path):
    folder = RunFolder(tmp_path)
    folder.start_log(0)
    for epoch in range(3):
        folder.append_log({**dict.fromkeys(LOG_COLUMNS, 0.5), "epoch": epoch})
    folder.start_log(2)
    assert [row["epoch"] for row in folder.read_log()] == ["0", "1"]
    with pytest.raises(CheckpointError, match="lacks epochs"):
        folder.start_log(3)


def test_starts_are_read_back_without_a_line_that_a_kill_cut_short(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_starts() == []
    folder.record_start(0, 0, {"commit": "abc"})
    with folder.starts.open("a") as file:
        file.write('{"epoch": 1, "st')
    folder.record_start(2, 5, {"commit": "def"})
    start, later = folder.read_starts()
    assert (start["epoch"], start["process"], start["commit"]) == (0, os.getpid(), "abc")
    assert (later["epoch"], later["step"], later["commit"]) == (2, 5, "def")


def test_folds_are_found_by_number_and_one_process_holds_their_folder(tmp_path):
    folder = FoldsFolder(tmp_path / "cv")
    assert folder.runs() == {}
    for name in ("fold-10", "fold-2", "fold-x", "other"):
        (folder.path / name).mkdir(parents=True)
    (folder.path / "fold-3").write_text("a file")
    assert list(folder.runs()) == [2, 10]
    assert folder.runs()[10] == folder.run(10) == RunFolder(tmp_path / "cv" / "fold-10")
    with folder.lock(), pytest.raises(UsageError, match=f"cross-validated by process {os.getpid()}"), folder.lock():
        pass
    with folder.lock():
        pass


def test_what_is_missing_or_damaged_is_named_in_one_line(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(UsageError, match=r"holds no recipe\.toml"):
        folder.read_recipe()
    folder.recipe.write_bytes(b"\xff = [")
    with pytest.raises(UsageError, match="is damaged"):
        folder.read_recipe()
    with pytest.raises(CheckpointError, match=r"manifest\.sha256 is missing or empty"):
        folder.manifest_sha256()
    assert Path(folder.path) == tmp_path
