"""``hierattn balance``: a variant by name, a report for programs, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.packed import PICTURES
from hierattn.data.rendered.prepared import render_prepared

COUNTS = {"NV": 90, "MEL": 40, "DF": 26}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_prepared(tmp_path_factory.mktemp("balance") / "set", COUNTS, size=32, folds=4)


def test_the_command_draws_pictures_and_speaks_json(source: Path, tmp_path: Path) -> None:
    arguments = ["balance", str(source), str(tmp_path / "out"), "--variant", "IHPAD", "--target", "30", "--fold", "1"]
    result = CliRunner().invoke(app, [*arguments, "--hardness-folds", "3", "--jobs", "1", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["under_sampling"], told["target"], told["protocol"], told["fold"]) == ("hardness", 30, "honest", 1)
    assert told["classes"]["NV"]["after"] == 30
    names = {path.name for path in (tmp_path / "out" / PICTURES).iterdir()}
    assert names == {"distribution.svg", "undersampling.png", "oversampling.png"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "no target"),
        (["--target", "many"], "wanted a number of images a class"),
        (["--variant", "IHISIC2020"], "wanted one of IHISIC, RandISIC, IHPAD, RandPAD"),
        (["--variant", "RandPAD", "--under-sampling", "hardness"], "under-sampled by random"),
        (["--target", "9", "--feature", "embedding"], "wanted --checkpoint"),
        (["--target", "9", "--feature", "missing.npy"], "no array"),
    ],
)
def test_the_command_says_what_is_wrong(source: Path, tmp_path: Path, options: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["balance", str(source), str(tmp_path / "out"), *options])
    assert result.exit_code != 0
    assert told in str(result.exception)
