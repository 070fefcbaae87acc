"""``hierattn models``: the table for people, the JSON for programs."""

import json

import pytest
import typer
from typer.testing import CliRunner

from hierattn.cli import models
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import list_models


@pytest.fixture(scope="module")
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(models.run)
    return app


def test_the_command_prints_json_for_programs(command: typer.Typer) -> None:
    result = CliRunner().invoke(command, ["--json", "--size", "64", "--classes", "6"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == list_models()
    assert rows[0]["size"] == 64
    assert rows[0]["parameters"] == 1_079_928 - 2 * 769  # two classes fewer: 768 weights and a bias each


def test_the_table_for_people_fits_80_columns_and_cuts_nothing(
    command: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("hierattn.models.registry.list_models", lambda: ["hierattn_xs", "mobilenet_v3_large"])
    result = CliRunner().invoke(command, ["--size", "64"])
    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    xs, v3 = (line.split() for line in result.stdout.splitlines() if "_" in line)
    cost = measure_complexity("hierattn_xs", size=64)
    assert xs[:5] == ["hierattn_xs", "64", "1,079,928", "1.08", f"{cost.multiply_adds / 1e6:.0f}"]
    assert v3[:4] == ["mobilenet_v3_large", "64", "4,212,280", "4.21"]
