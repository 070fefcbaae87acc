"""The inference benchmark: every row in one run, ratios to MobileNetV2's plain export, and bad use said at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_bundles import small_graph
from typer.testing import CliRunner

from hierattn.benchmarks.runtimes import Contender, peak_memory
from hierattn.cli.benchmark.command import app
from hierattn.errors import UsageError

SMALL = ["inference", "--size", "64", "--rounds", "2", "--threads", "1", "--batch", "1,2"]


def test_rows_hold_every_contender_and_setting():
    result = CliRunner().invoke(app, [*SMALL, "hierattn_xs", "mobilenet_v2", "--ways", "pytorch", "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    seen = {(row["model"], row["way"], row["threads"], row["batch"]) for row in facts["rows"]}
    assert seen == {(name, "pytorch", 1, batch) for name in ("hierattn_xs", "mobilenet_v2") for batch in (1, 2)}
    assert all(0 < row["median_ms"] <= row["p95_ms"] * 1.0001 for row in facts["rows"])
    assert {row["ratio"] for row in facts["rows"]} == {None}  # the reference was not among them
    assert {round(row["bytes"] / 1e6, 1) for row in facts["rows"]} == {4.3, 9.1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--ways", "abacus"], "pytorch"), (["--threads", "0"], "whole numbers"), (["--batch", "x"], "whole numbers")],
)
def test_bad_use_is_said(arguments, said):
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(app, [*SMALL, "hierattn_xs", "--ways", "pytorch", *arguments], catch_exceptions=False)


def test_memory_is_the_graphs_own_however_much_the_measuring_process_holds():
    held = np.ones(60_000_000)  # 480 MB, which the system would count as the child's peak
    content = small_graph().SerializeToString()
    found = peak_memory(Contender("small", "bundle", len(content), content, make=None), 64)
    assert found is not None
    assert 0 < found < 200e6
    assert held.nbytes > 2 * found
