"""The benchmark of the start: what it measures of a real command, and what it makes of that."""

from __future__ import annotations

import pytest

pytest.importorskip("psutil")
pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from benchmarks.cold_start import SOURCES, _surroundings, as_page, by_package, imported_ms, once


def test_a_command_takes_time_and_memory_and_its_imports_are_counted(tmp_path):
    surroundings = _surroundings(SOURCES, str(tmp_path))
    seconds, memory = once(["--version"], surroundings)
    assert 0.01 < seconds < 60
    assert 5 < memory < 1000
    imported = by_package(imported_ms(["--version"], surroundings))
    assert {"hierattn", "typer", "Python's own"} <= set(imported)
    assert "torch" not in imported


def test_a_ratio_is_that_of_rounds_and_a_missed_goal_says_so():
    both = {"before": [[1.0, 100.0], [4.0, 100.0]], "now": [[0.5, 130.0], [1.0, 130.0]]}
    page = as_page({"rounds": 2, "cores": 2, "load_average": 0.1, "commands": {"predict": both},
                    "imports_ms": {"now": {"numpy": 80.0}, "before": {"numpy": 90.0, "typer": 10.0}}})  # fmt: skip
    assert "| `predict` | 2.50 | 0.75 | 0.38 | 100 | 130 | under 0.5 s and 120 MB: **missed** |" in page
    assert "| **all** | 80 | 100 |" in page
