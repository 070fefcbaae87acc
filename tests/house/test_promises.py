"""The page of promises names what is there: each owner can be imported, each test file exists and tests something."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "`hierattn." in line]


def imported(name: str) -> object:
    """The function or class of that full name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("| ") for row in ROWS])
def test_each_promise_has_its_owner_and_its_tests(row):
    _, rule, owners, tests = row
    assert rule.strip().endswith((".", "(photographs.md)."))
    for name in re.findall(r"`(hierattn\.[\w.]+)`", owners):
        assert callable(imported(name)), name
    files = re.findall(r"`(tests/[\w/]+\.py)`", tests)
    assert files
    for file in files:
        assert "\ndef test_" in (ROOT / file).read_text(encoding="utf-8"), file


def test_every_kind_of_fault_has_a_row():
    assert len(ROWS) >= 25
    assert [line for line in PAGE.splitlines() if line.startswith("## ")] == [
        "## Your files",
        "## Your photographs",
        "## Your folds and labels",
        "## What is said",
    ]
