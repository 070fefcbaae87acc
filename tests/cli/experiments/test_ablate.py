"""Ablations and comparisons by their commands, on a set and a network so small that they train in seconds."""

import json

import pytest
import typer
from noise_runs import TINY, make_set
from typer.testing import CliRunner

from hierattn.cli.experiments import ablate, compare
from hierattn.cli.experiments.ablate import ABLATIONS, _recipe
from hierattn.data.balance.balance import balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.errors import HierAttnError, UsageError
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


def balance_words(prepared, *more):
    small = [*SMALL, "--recipe", "quicktest", "--data", prepared, "--device", "cpu", "--threads", "1"]
    return ["balance", *small, "--bootstrap", "0", "--out", "out", "--runs", "runs", *more]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--folds", "0,7"], "fold 7"),
        (["--folds", "0,1", "--target", "none"], "target 'none'"),
        (["--folds", "1", "--target", "4", "transfer.checkpoint=start-{fold}.safetensors"], "start-1.safetensors"),
        (["--folds", "1", "--target", "4", "optimiser.batch_size=400"], "batch_size"),
        (["--folds", "1", "--target", "4", "--variants", "none,none-at-all"], "none-at-all"),
        (["--folds", "1", "--target", "4", "model.options.heads=3"], "heads"),
    ],
)
def test_all_variants_of_balance_are_checked_before_a_set_is_made_or_one_is_trained(tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    done = command(ablate.run, *balance_words(make_set(tmp_path / "prepared"), *more))
    assert isinstance(done.exception, HierAttnError), (done.output, done.exception)
    assert said in str(done.exception)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "out").exists()


def test_a_set_that_was_balanced_otherwise_is_not_taken_for_the_one_that_is_asked_for(
    prepared, rendered, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    balance(prepared, tmp_path / "runs" / "sets" / "random-fold1", BalanceOptions(8, fold=1, under_sampling="random"))
    words = ["--folds", "1", "--variants", "random,none", "--target"]
    done = command(ablate.run, *balance_words(prepared, *words, "9"))
    assert isinstance(done.exception, UsageError)
    assert "balanced to 8 images a class" in str(done.exception)
    prepare(rendered, tmp_path / "other", PrepareOptions(size=32, folds=3, seed=1))
    done = command(ablate.run, *balance_words(tmp_path / "other", *words, "8"))
    assert "choose another --runs" in str(done.exception)
    assert not (tmp_path / "runs" / "none").exists()


def test_a_later_variant_that_cannot_begin_stops_the_ablation_before_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepared = make_set(tmp_path / "prepared")
    other = _recipe("quicktest", "", [*SMALL, f"data.prepared={prepared}", "seed=9"]).with_fold(1)
    fit(other, tmp_path / "runs" / "off" / "fold-1", device="cpu")  # what is there is of another seed
    words = ["skip", *SMALL, "--recipe", "quicktest", "--data", prepared, "--folds", "1", "--device", "cpu"]
    done = command(ablate.run, *words, "--runs", "runs", "--out", "out")
    assert str(done.exception).startswith("off: cannot resume")
    assert "nothing was trained" in str(done.exception)
    assert not (tmp_path / "runs" / "on").exists()
