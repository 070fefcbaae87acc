"""How ``hierattn crossval`` reads its folds; what it trains is in tests/training/cross_validation."""

import json

import pytest
from killed_folds import short_recipe
from tiny_sets import of_several
from typer.testing import CliRunner

from hierattn.cli.crossval import parse_folds
from hierattn.cli.main import app
from hierattn.errors import UsageError


@pytest.mark.parametrize(("text", "folds"), [("all", None), ("0-3", [0, 1, 2, 3]), ("0,2, 5-6", [0, 2, 5, 6])])
def test_folds_are_parsed(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "0;1", "1--2"])
def test_a_wrong_list_of_folds_is_an_error(text):
    with pytest.raises(UsageError, match="--folds"):
        parse_folds(text)


def test_each_source_is_left_out_judged_and_shown_on_a_page(prepared, tmp_path):
    folder, recipe, out = of_several(prepared, tmp_path / "set", ["a", "b"]), tmp_path / "tiny.toml", tmp_path / "cv"
    short_recipe(folder, epochs=1).save(recipe)
    words = ["crossval", str(recipe), "-o", str(out), "--leave-one-source-out", "--device", "cpu", "--bootstrap", "100"]
    done = CliRunner().invoke(app, [*words, "--jobs", "2", "--threads", "1"])
    assert done.exit_code == 0, done.output
    for text in ("On a, never seen, ", "On b, never seen, ", "on its own sources it is", "left_out_sources.html"):
        assert text in done.output
    before = {path: path.stat().st_mtime_ns for path in out.glob("without-*/*.ckpt")}
    assert len(before) >= 2
    again = CliRunner().invoke(app, [*words, "--json"])
    values = json.loads(again.stdout)
    assert [source["source"] for source in values["sources"]] == ["a", "b"]
    assert {path: path.stat().st_mtime_ns for path in out.glob("without-*/*.ckpt")} == before
    (out / "sources" / "note.txt").write_text("mine")
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, UsageError)
    assert (out / "sources" / "note.txt").read_text() == "mine"
