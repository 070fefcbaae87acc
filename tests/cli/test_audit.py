"""The command audit: what it prints, and where it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_sets import isic_set
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    source = isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 6, [f"L{number}" for number in range(12)])
    prepare(source, tmp_path / "set", PrepareOptions(size=32, folds=3, crop="none"))
    return tmp_path / "set"


def test_it_writes_beside_the_set_and_says_how_to_go_on(prepared):
    done = CliRunner().invoke(app, ["audit", str(prepared)])
    assert done.exit_code == 0, (done.output, done.exception)
    out = prepared.with_name("set-audit")
    assert (out / "audit.html").is_file()
    for said in (f"To look through: {out}/audit.html", f"--splits {prepared}/splits.csv", "no run was given"):
        assert said in done.output


def test_json_is_the_file_alone(prepared, tmp_path):
    done = CliRunner().invoke(app, ["audit", str(prepared), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "audit.json").read_text())


def test_a_folder_that_is_no_run_has_its_line(prepared, tmp_path):
    pytest.importorskip("cleanlab")
    done = CliRunner().invoke(app, ["audit", str(prepared), "--run", str(tmp_path)])
    assert done.exit_code != 0
    assert "wanted" in str(done.exception)
