"""A run that could not stand up to its card is no candidate."""

from __future__ import annotations

import json
import shutil

import pytest
from tools.release.candidate import examine

from hierattn.errors import UsageError


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": {"name": "paper"}}, "honest"),
        ({"triage": {"risk_threshold": None}}, "threshold"),
    ],
)
def test_a_run_that_was_not_judged_honestly_or_has_no_threshold_is_refused(run, tmp_path, change, said):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.ckpt", "events"))
    path = copy / "evaluation" / "report.json"
    report = json.loads(path.read_text())
    changed = {name: {**report[name], **values} for name, values in change.items()}
    path.write_text(json.dumps({**report, **changed}))
    with pytest.raises(UsageError, match=said):
        examine("phone", copy)


def test_a_run_that_was_never_judged_is_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt", "events", "evaluation"))
    with pytest.raises(UsageError, match="hierattn evaluate"):
        examine("phone", tmp_path / "run")
