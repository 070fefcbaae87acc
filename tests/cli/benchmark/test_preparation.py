"""``hierattn benchmark preparation``: every step is timed and its figures hang together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app


def test_every_step_is_timed_on_one_core_and_on_two(tmp_path: Path) -> None:
    arguments = ["benchmark", "preparation", "--photograph", "64", "--size", "32", "--images", "64", "--rounds", "1"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    names = {step["name"] for step in told["steps"]}
    assert {"decode", "crop", "resize", "pack", "near-duplicates", "over-sampling", "hardness, forest"} <= names
    for step in told["steps"]:
        assert step["cpu_ms"] > 0
        one, two = step["per_second"]["1"], step["per_second"]["2"]
        assert two / one == pytest.approx(step["speed_up"])  # with one round the medians are that round
    assert told["setting"]["photograph"] == 64
    assert told["balance"] == []


def test_a_scale_is_of_numbers(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["benchmark", "preparation", "--scale", "10,many"])
    assert result.exit_code != 0
    assert "wanted whole numbers" in str(result.exception)
