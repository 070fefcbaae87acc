"""The inference benchmark: every row in one run, ratios to MobileNetV2's plain export, and bad use said at once."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hierattn.cli.benchmark.command import app
from hierattn.errors import UsageError

SMALL = ["inference", "--size", "64", "--rounds", "2", "--threads", "1", "--batch", "1,2"]


def test_rows_hold_every_model_runtime_and_setting():
    words = ["hierattn_xs", "mobilenet_v2", "--runtimes", "pytorch", "--processor-time", "--json"]
    result = CliRunner().invoke(app, [*SMALL, *words])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    seen = {(row["model"], row["runtime"], row["threads"], row["batch"]) for row in facts["rows"]}
    assert seen == {(name, "pytorch", 1, batch) for name in ("hierattn_xs", "mobilenet_v2") for batch in (1, 2)}
    assert all(0 < row["median_ms"] <= row["p95_ms"] * 1.0001 for row in facts["rows"])
    assert facts["time"] == "processor"
    for row in facts["rows"]:
        assert row["images_per_second"] * row["median_ms"] == pytest.approx(1000)
    assert {row["ratio"] for row in facts["rows"]} == {None}  # the reference was not among them
    assert {round(row["bytes"] / 1e6, 1) for row in facts["rows"]} == {4.3, 9.1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--runtimes", "abacus"], "pytorch"), (["--threads", "0"], "whole numbers"), (["--batch", "x"], "whole numbers")],
)
def test_bad_use_is_said(arguments, said):
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(app, [*SMALL, "hierattn_xs", "--runtimes", "pytorch", *arguments], catch_exceptions=False)
