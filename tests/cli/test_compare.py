"""The command compare: evaluated runs side by side, and words that it refuses."""

import csv
import json

import pytest
from reports import evaluated_run
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import UsageError


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
    monkeypatch.setattr("hierattn.cli.experiments.read", None)
    done = CliRunner().invoke(app, ["compare", *runs, "--out", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert (tmp_path / "thesis.txt").read_text() == "keep"


@pytest.mark.parametrize("words", [["--protocol", "best"], []])
def test_bad_words_are_refused(words, tmp_path):
    done = CliRunner().invoke(app, ["compare", *words, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UsageError)
