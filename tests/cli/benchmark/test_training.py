"""``hierattn benchmark training``: the network alone, the packed set and JPEG files are measured in one run."""

import json

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.training.recipe import Recipe


def test_the_command_measures_all_three_ways(prepared, tmp_path):
    Recipe.from_dict({"optimiser": {"batch_size": 8}}).save(tmp_path / "tiny.toml")
    words = ["benchmark", "training", str(tmp_path / "tiny.toml"), "--data", str(prepared), "--device", "cpu"]
    result = CliRunner().invoke(app, [*words, "--rounds", "1", "--steps", "2", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    middle, least, most = found["ratio"]
    assert least <= middle <= most
    assert middle == pytest.approx(found["packed_images_per_second"] / found["plain_images_per_second"])
    assert 0 <= found["packed_waiting"] < 1
    assert 0 < found["plain_waiting"] < 1
    # 64 x 64 is a sixteenth of 256 x 256, where HierAttn_xs takes 412 million multiply-adds (docs/models-benchmark.md).
    expected = found["packed_images_per_second"] * 412e6 / 16 * 6 / 1e12
    assert found["teraflops"] == pytest.approx(expected, rel=0.1)
