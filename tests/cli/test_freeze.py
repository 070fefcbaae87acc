"""The command freeze: the plan by its digest, every look in its place, and what breaks either."""

import hashlib
import json
from dataclasses import replace

import pytest
from noise_runs import make_set
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.looker import looking_by
from hierattn.data.prepared_set.looks import LOOKS, Look, record_look
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError

LOOK = Look("1" * 64, "mine", 1, "", 24, {"balanced_accuracy": 0.1254, "macro_auc": 0.5})
PLAN = 'outer_fold = 1\nmetric = "macro_auc"\nchoice = "[the] best on the inner fold"\n'


@pytest.fixture
def packed(tmp_path):
    return PackedSet.open(make_set(tmp_path / "prepared"))


def judge(packed, **changes):
    own = packed.folder.parent / "own.json"
    with looking_by("shift"):
        record_look(packed.folder, packed.manifest_sha256, replace(LOOK, **changes), instead=own)


def said(*words):
    done = CliRunner().invoke(app, ["freeze", *map(str, words)], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_set_that_nobody_has_looked_at_says_so(packed):
    assert said(packed.folder) == "No plan is frozen.\nNobody has looked.\n"
    assert json.loads(said(packed.folder, "--json"))["last"] == packed.manifest_sha256


def test_the_plan_and_every_look_are_shown_with_what_breaks_it(packed):
    plan = packed.folder.parent / "plan.toml"
    plan.write_text(PLAN)
    judge(packed)
    assert "0.125" in said(packed.folder)
    shown = said(packed.folder, "--plan", plan)
    assert f"Plan {hashlib.sha256(plan.read_bytes()).hexdigest()}, frozen 2" in shown
    assert "outer_fold 1, inner_fold 2, metric macro_auc.\nChoice: [the] best on the inner fold\n" in shown
    judge(packed, fold=0)
    shown = said(packed.folder)
    for words in ("shift", "mine", "11111111", "fold 0", "fold 1", "0.500", "2 looks, each in its place."):
        assert words in shown
    assert "Look 3 breaks it. It allows looks at fold 1, and this one was at fold 0." in shown
    assert "Look 1 breaks" not in shown  # it came before the plan
    assert json.loads(said(packed.folder, "--json")) == json.loads((packed.folder / LOOKS).read_text())


def test_a_broken_chain_is_a_failure_for_programs_too(packed):
    judge(packed)
    path = packed.folder / LOOKS
    path.write_text(path.read_text().replace("mine", "yours"))
    for more in ((), ("--json",)):
        done = CliRunner().invoke(app, ["freeze", str(packed.folder), *more])
        assert isinstance(done.exception, DataError)
        assert "entry 1 was changed" in str(done.exception)
