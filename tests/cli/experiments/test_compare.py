"""The command compare: evaluated runs side by side, and words that it refuses."""

import csv
import json

import pytest
from noise_runs import TINY, make_set
from reports import evaluated_run
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import HierAttnError, UsageError


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
