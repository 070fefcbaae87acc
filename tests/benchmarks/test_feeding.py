import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hierattn.benchmarks.feeding import JpegFiles, benchmark_feeding
from hierattn.cli.main import app
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.training.recipe import Recipe


def test_the_plain_pipeline_shows_the_images_that_the_packed_set_holds(prepared):
    packed = PackedSet.open(prepared)
    rows = [i for i, record in enumerate(packed.records) if max(record.width, record.height) == 64][:12]
    paths = [packed.folder / packed.records[row].image for row in rows]
    images = JpegFiles(paths, np.arange(len(rows)), 64, rotation=0)
    differences = []
    for number, row in enumerate(rows):
        image, label = images[number]
        assert label == number
        ours = packed.images[row].astype(np.float32).transpose(2, 0, 1) / 255
        differences.append(min(np.abs(image.numpy() - other).mean() for other in (ours, ours[:, :, ::-1])))
    assert np.median(differences) < 0.01  # a few have a black surround, which only the packed set crops


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


def test_nothing_to_measure_is_refused(prepared):
    with pytest.raises(UsageError, match="rounds"):
        benchmark_feeding(Recipe.from_dict({"data": {"prepared": str(prepared)}}), device="cpu", rounds=0)
