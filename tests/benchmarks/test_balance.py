"""What balancing a whole set costs is measured on the real command, and the rendered sets are ISIC 2019's in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from hierattn.benchmarks.balance import balance_rendered, isic2019_shares, measure_balance
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import DataError


def test_a_whole_set_is_balanced_by_the_command_itself_and_its_cost_is_the_systems(tmp_path: Path) -> None:
    prepared = render_prepared(tmp_path / "set", {"MEL": 40, "NV": 60}, size=32, folds=3)
    options = ["--target", "30", "--protocol", "paper", "--hardness-folds", "3", "--jobs", "1", "--no-pictures"]
    cost = measure_balance(prepared, tmp_path / "out", 100, options)
    assert set(cost.steps) == {"features", "hardness", "images"}
    assert sum(cost.steps.values()) < cost.seconds
    assert cost.cpu_seconds > 0
    assert 50 < cost.peak_mb < 1500
    with pytest.raises(DataError, match="prepared set already"):
        measure_balance(prepared, tmp_path / "out", 100, [*options, "--seed", "1"])
    with pytest.raises(DataError, match="nothing to measure"):
        measure_balance(prepared, tmp_path / "out", 100, options)


def test_a_rendered_set_has_the_classes_of_isic_2019_and_none_is_left_out():
    counts = isic2019_shares(2000)
    assert sum(counts.values()) == 2000
    assert min(counts.values()) == 40
    assert max(counts, key=counts.get) == "NV"


def test_a_rendered_set_is_kept_and_what_balancing_made_is_removed(tmp_path: Path) -> None:
    heard = []
    counts = {"MEL": 300, "NV": 500}
    cost = balance_rendered(tmp_path, "small", counts, 32, 1, lambda step, done, total: heard.append(step))
    assert cost.images == 800
    assert [path.name for path in tmp_path.iterdir()] == ["rendered-small"]
    assert {"rendering", "balancing 800"} <= set(heard)
