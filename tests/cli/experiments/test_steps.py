"""What ``compare`` and ``ablate`` share: names, folders, and evaluating what is not evaluated yet."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from noise_runs import make_run, make_set
from reports import evaluated_run
from rich.console import Console

from hierattn.cli.experiments.steps import ExperimentOptions, Page, named, publish, read, show
from hierattn.errors import UsageError
from hierattn.evaluation.comparison.page import JSON
from hierattn.evaluation.report import Report
from hierattn.run_folder import RunFolder

OPTIONS = ExperimentOptions(folds=None, jobs=1, threads=1, device="cpu", bootstrap=0, seed=0)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def test_a_path_has_the_name_that_it_is_given_or_its_last_part():
    assert named("a=b/c") == ("a", "b/c")
    assert named("runs/xs") == ("xs", "runs/xs")


def test_a_run_is_evaluated_once_when_it_is_first_read(console, tmp_path):
    run = RunFolder(make_run(tmp_path / "run", make_set(tmp_path / "set")))
    entrant = read("noise", run.path, OPTIONS, console)
    assert (entrant.name, entrant.folds, len(entrant.predictions)) == ("noise", (1,), 24)
    report = run.evaluation / "report.json"
    assert Report.load(report).images == 24
    before = report.stat().st_mtime_ns
    read("noise", run.path, OPTIONS, console)
    assert report.stat().st_mtime_ns == before


def test_of_several_folds_those_are_read_that_are_asked_for(console, tmp_path):
    for fold in (0, 1, 2):
        evaluated_run(tmp_path / "xs" / f"fold-{fold}", fold, 0.8)
    assert read("xs", tmp_path / "xs", OPTIONS, console).folds == (0, 1, 2)
    some = replace(OPTIONS, folds=(0, 2))
    assert read("xs", tmp_path / "xs", some, console).folds == (0, 2)
    with pytest.raises(UsageError, match=r"lacks some of the folds \(0, 4\)"):
        read("xs", tmp_path / "xs", replace(OPTIONS, folds=(0, 4)), console)
    with pytest.raises(UsageError, match="no run folder at"):
        read("s", tmp_path / "none", OPTIONS, console)


def test_runs_of_two_protocols_are_compared_only_side_by_side(console, tmp_path):
    for name, protocol in (("honest", "honest"), ("paper", "paper")):
        evaluated_run(tmp_path / name, 0, 0.8, protocol=protocol)
    honest, paper = (read(name, tmp_path / name, OPTIONS, console) for name in ("honest", "paper"))
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"^paper: not evaluated by the honest protocol"):
        publish(out, [honest, paper], OPTIONS, console, Page("Two"))
    with pytest.raises(UsageError, match="no run of the paper protocol"):
        publish(out, [honest], OPTIONS, console, Page("One"), protocol="paper")
    assert not out.exists()
    found = publish(out, [honest], OPTIONS, console, Page("One"))
    show(console, found, out)
    assert (out / JSON).is_file()
    value = found["comparisons"][0]["rows"][0]["balanced_accuracy"]["value"]
    shown = console.file.getvalue()
    assert f"{100 * value:.1f}" in shown
    assert str(out) in shown
