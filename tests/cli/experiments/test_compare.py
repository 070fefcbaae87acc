"""The command compare: evaluated runs side by side, and words that it refuses."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from noise_runs import TINY, make_run, make_set
from reports import evaluated_run
from sklearn.metrics import balanced_accuracy_score
from tiny_sets import of_several
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import HierAttnError, UsageError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.predictions import read_predictions
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture
def runs(tmp_path):
    for name, skill in (("good", 0.8), ("poor", 0.4)):
        evaluated_run(tmp_path / name, 0, skill, seed=int(skill * 10))
    return [f"{name}={tmp_path / name}" for name in ("good", "poor")]


def test_two_evaluated_runs_are_compared_and_json_is_the_file_alone(runs, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["compare", *runs, "--out", str(out), "--bootstrap", "100", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout) == json.loads((out / "comparison.json").read_text())
    with (out / "comparison.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["good", "poor"]


def test_a_folder_of_somebody_elses_is_refused_before_any_work(runs, tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("keep")
    monkeypatch.setattr("hierattn.cli.experiments.steps.read", None)
    done = CliRunner().invoke(app, ["compare", *runs, "--out", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert (tmp_path / "thesis.txt").read_text() == "keep"


@pytest.mark.parametrize("words", [["--protocol", "best"], []])
def test_bad_words_are_refused(words, tmp_path):
    done = CliRunner().invoke(app, ["compare", *words, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UsageError)


@pytest.fixture(scope="module")
def left_out(tmp_path_factory):
    """Two folders, each with a run without source a and one without b; the second folder's weights are others."""
    base = tmp_path_factory.mktemp("left-out")
    prepared = of_several(make_set(base / "one"), base / "set", ["a", "b"])
    for seed, name in enumerate(("first", "second")):
        (base / name).mkdir()
        for source in "ab":
            run = make_run(base / name / f"without-{source}", prepared, left_out_source=source)
            torch.manual_seed(seed)
            network = create_model("hierattn_xs", num_classes=8, **TINY)
            best = run / "best.safetensors"
            save_checkpoint(best, replace(load_checkpoint(best), state_dict=network.state_dict()))
    return base


def test_two_recipes_that_left_sources_out_are_compared_on_each_source_by_itself(left_out, tmp_path):
    words = [f"{name}={left_out / name}" for name in ("first", "second")]
    out = tmp_path / "out"
    command = ["compare", *words, "--leave-one-source-out", "--out", str(out), "--bootstrap", "100", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.output, done.exception)
    comparisons = json.loads(done.stdout)["comparisons"]
    assert [each["left_out_source"] for each in comparisons] == ["a", "b"]
    for each in comparisons:
        source = each["left_out_source"]
        tables = [
            read_predictions(EvaluationFolder(left_out / name / f"without-{source}" / "evaluation").predictions, EIGHT)
            for name in ("first", "second")
        ]
        own, other = (balanced_accuracy_score(table.labels, table.predicted) for table in tables)
        (pair,) = each["pairs"]
        assert pair["balanced_accuracy"]["value"] == pytest.approx(other - own)
        assert each["images"] == len(tables[0])
        assert each["rows"][0]["fold_mean"] == pytest.approx(own)  # all of the source, whatever its folds
        assert (out / f"comparison-{source}.csv").is_file()
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert "<h2>a, never seen</h2>" in page
    assert "<h2>b, never seen</h2>" in page
    assert "Honest protocol" not in page


def test_sources_that_not_every_model_left_out_are_named(left_out, runs, tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "without-a").symlink_to(left_out / "first" / "without-a")
    for words, said in (
        ([f"x={left_out / 'first'}", f"y={tmp_path / 'part'}"], "source b was left out by x alone"),
        ([runs[0]], "no run without a source in"),
        ([f"x={left_out / 'first'}", "-r", "y=quicktest"], "wanted NAME=FOLDER alone"),
        ([f"x={left_out / 'first'}", f"x={left_out / 'second'}"], "each name once"),
    ):
        command = ["compare", *words, "--leave-one-source-out", "--out", str(tmp_path / "out"), "--bootstrap", "100"]
        done = CliRunner().invoke(app, command)
        assert isinstance(done.exception, UsageError)
        assert said in str(done.exception)


SMALL = [
    *(f"--set=model.options.{key}={json.dumps(value)}" for key, value in {**TINY, "branch_attention": True}.items()),
    *(f"--set={change}" for change in ("optimiser.epochs=1", "optimiser.batch_size=8", "data.epoch_images=8")),
]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-r", "xs=quicktest", "-r", "xs=quicktest"], "two entrants are called xs"),
        (["-r", "xs=quicktest", "-r", "s=quick"], "no recipe 'quick'"),
        (["-r", "xs=quicktest", "-r", "s=quicktest", "--set", "transfer.checkpoint=start-{name}.pth"], "start-xs.pth"),
        (["-r", "xs=quicktest", "--protocol", "paper", "--paper-data", "{set}"], "no run of the paper protocol"),
        (["-r", "xs=quicktest", "--folds", "1,5"], "fold 5"),
        (["-r", "xs=quicktest", "--device", "tpu"], "tpu"),
        (["-r", "xs=quicktest", "--bootstrap", "50"], "50 bootstrap resamples"),
        (["good={run}", "-r", "good=quicktest"], "are called good"),
        (["good={run}", "-r", "xs=quicktest", "--folds", "1"], "wanted the same --folds"),
        (["good={run}", "-r", "xs=quicktest", "--protocol", "both", "--paper-data", "{set}"], "paper protocol"),
    ],
)
def test_what_would_fail_after_a_training_fails_before_the_first(tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    evaluated_run(tmp_path / "good", 0, 0.8)
    places = {"run": tmp_path / "good", "set": make_set(tmp_path / "prepared")}
    words = [word.format(**places) if word.startswith(("good=", "{set}")) else word for word in more]
    words += ["--data", "prepared", *SMALL, "--out", "out"]
    done = CliRunner().invoke(app, ["compare", *(["--folds", "0"] if "--folds" not in more else []), *words])
    assert isinstance(done.exception, HierAttnError), (done.output, done.exception)
    assert said in str(done.exception)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "out").exists()
