"""The command recalibrate: certainty first, a new bundle only on request, one line for what is wrong."""

import json

from tests.deploy.test_recalibrate import a_clinic
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import UsageError


def ask(*words):
    return CliRunner().invoke(app, ["recalibrate", *map(str, words)])


def test_it_says_what_is_certain_first_and_writes_only_what_was_asked_for(tmp_path):
    parent, _ = a_clinic(tmp_path)
    there = sorted(tmp_path.iterdir())
    done = ask(parent, tmp_path / "cases.csv")
    assert done.exit_code == 0
    assert "160 photographs of 160 lesions or patients" in done.stdout
    assert "The present advice on them: sensitivity" in done.stdout
    assert sorted(tmp_path.iterdir()) == there
    done = ask(parent, tmp_path / "cases.csv", "--out", tmp_path / "ours.onnx")
    assert done.exit_code == 0
    assert done.stdout.index("Enough to set a threshold") < done.stdout.index("Threshold:")
    assert "names its parent" in done.stdout


def test_json_holds_what_was_printed_and_a_bundle_that_exists_is_refused_before_anything_is_read(tmp_path):
    parent, _ = a_clinic(tmp_path)
    done = ask(parent, tmp_path / "cases.csv", "--out", tmp_path / "ours.onnx", "--json")
    told = json.loads(done.stdout)
    assert told["cases"]["images"] == 160
    assert told["recalibration"]["rule"] == "proven"
    refused = ask(parent, tmp_path / "missing.csv", "--out", parent)
    assert isinstance(refused.exception, UsageError)
    assert "replaces nothing" in str(refused.exception)
