"""Ablations and comparisons by their commands, on a set and a network so small that they train in seconds."""

import json

import pytest
import typer
from noise_runs import TINY, make_set
from typer.testing import CliRunner

from hierattn.cli import ablate, compare
from hierattn.cli.ablate import ABLATIONS, _recipe
from hierattn.errors import UsageError
from hierattn.evaluation.comparison.paper_numbers import ABLATIONS as PAPER
from hierattn.training.fit import fit

OPTIONS = {**TINY, "branch_attention": True}
SMALL = [
    *(f"model.options.{key}={json.dumps(value)}" for key, value in OPTIONS.items()),
    "model.name=hierattn_xs", "optimiser.epochs=1", "optimiser.batch_size=8", "data.epoch_images=8",
    "optimiser.warmup_epochs=0",
]  # fmt: skip


def command(run, *arguments):
    app = typer.Typer()
    app.command()(run)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def test_every_variant_is_one_change_of_the_base_and_the_papers_names_are_known():
    for what, ablation in ABLATIONS.items():
        assert set(PAPER.get(what, {})) <= set(ablation.variants)
        base = _recipe("isic2019/hierattn_s", "", [])
        for variant in filter(None, ablation.variants.values()):
            changed = _recipe("isic2019/hierattn_s", variant, [])
            assert changed != base
            keys = {key for key, value in changed.to_dict().items() if value != base.to_dict()[key]}
            assert len(keys) == 1, (variant, keys)


def test_a_base_that_has_nothing_to_leave_out_is_refused():
    with pytest.raises(UsageError, match="nothing to leave out"):
        _recipe("quicktest", "ablations/table4_no_warmup", [])


def test_bad_words():
    assert isinstance(command(ablate.run, "colour").exception, UsageError)
    assert isinstance(command(compare.run, "--protocol", "best").exception, UsageError)
    assert isinstance(command(compare.run).exception, UsageError)


def test_an_ablation_keeps_what_is_finished_judges_it_and_compares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepared = make_set(tmp_path / "prepared")
    for name, variant in ABLATIONS["skip"].variants.items():
        # Here, and not in a process of its own as the command does it: the folds are then finished and must be kept.
        recipe = _recipe("quicktest", variant, [*SMALL, f"data.prepared={prepared}"]).with_fold(1)
        fit(recipe, tmp_path / "runs" / name / "fold-1", device="cpu")
    words = ["skip", *SMALL, "--recipe", "quicktest", "--data", "prepared", "--folds", "1", "--bootstrap", "0"]
    done = command(ablate.run, *words, "--threads", "1", "--device", "cpu", "--out", "first", "--runs", "runs")
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads((tmp_path / "first" / "comparison.json").read_text())["comparisons"][0]
    assert [row["name"] for row in found["rows"]] == ["on", "off"]
    assert [row["paper"]["accuracy"] for row in found["rows"]] == [0.967, 0.9647]
    assert found["images"] == 24
    weights = (tmp_path / "runs" / "on" / "fold-1" / "best.safetensors").stat().st_mtime_ns
    again = command(
        compare.run, "on=runs/on", "off=runs/off", "--bootstrap", "0", "--out", "second", "--json", "--device", "cpu"
    )
    assert again.exit_code == 0, (again.output, again.exception)
    assert json.loads(again.stdout)["comparisons"][0]["rows"][0]["of_folds"] == found["rows"][0]["of_folds"]
    assert (tmp_path / "runs" / "on" / "fold-1" / "best.safetensors").stat().st_mtime_ns == weights
