from __future__ import annotations

import json
import sys
import time

import pytest
from tools.gpu.bench import Bench, write_set
from tools.gpu.pack import decode

from hierattn.data.prepared_set.packed import PackedSet
from tools.gpu import bench


def test_the_set_for_it_is_whole_and_small_and_has_its_files(pack, tmp_path):
    photographs = decode(pack, "set", tmp_path)
    write_set(photographs, tmp_path / "bench", 48, 60)
    packed = PackedSet.open(tmp_path / "bench")
    packed.verify()
    assert packed.images.shape == (60, 48, 48, 3)
    assert all((packed.folder / record.image).is_file() for record in packed.records)
    assert {record.label for record in packed.records} == {record.label for record in photographs.records}
    assert {record.fold for record in packed.records} == {1, 2}


FAKE = """
import json, os, sys
words = sys.argv[1:]
way = next(word for word in words if word.startswith("compile=")).split("=")[1]
precision = next(word for word in words if word.startswith("precision=")).split("=")[1]
print(way, precision, file=open(sys.argv[0] + ".log", "a"))
if way == "cuda-graphs" or os.environ.get("FAILS") == precision:
    sys.exit("no such way here")
print(json.dumps({
    "model": "hierattn_xs", "compile": way, "precision": precision, "ratio": [11, 10, 12],
    "packed_images_per_second": 12000.0 if way == "default" else 9000.0,
    "network_images_per_second": 9500.0, "plain_images_per_second": 800.0, "teraflops": 20.0, "matmul_teraflops": 700.0,
}))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    path = tmp_path / "fake.py"
    path.write_text(FAKE)
    monkeypatch.setattr(bench, "python", lambda *words: [sys.executable, str(path), *words])
    return tmp_path / "fake.py.log"


def test_each_network_has_an_eager_figure_before_a_faster_way_is_tried(settings, tmp_path, fake):
    heard: list[dict] = []
    measured = Bench(tmp_path, tmp_path, settings["bench"], "cuda", ["graphs", "default", "eager"], {}, heard.append)
    results = measured.run(time.time() + 60)
    assert fake.read_text().splitlines() == ["no bf16-mixed", "cuda-graphs bf16-mixed", "default bf16-mixed"]
    found = results["hierattn_xs"]
    assert found["reaches_speed"]
    assert found["reaches_ratio"]
    assert found["share_of_limit"] == pytest.approx(20 / 700)
    assert sum("no such way" in line.get("text", "") for line in heard) == 1
    json.dumps(results)


def test_the_faster_figure_stands_and_bfloat16_falls_back_to_float32(settings, tmp_path, fake, monkeypatch):
    monkeypatch.setenv("FAILS", "bf16-mixed")
    heard: list[dict] = []
    measured = Bench(tmp_path, tmp_path, settings["bench"], "cuda", ["default", "eager"], {}, heard.append)
    assert measured.run(time.time() + 60)["hierattn_xs"]["precision"] == "32-true"
    monkeypatch.setenv("FAILS", "cuda-graphs")
    assert measured.run(time.time() + 60)["hierattn_xs"]["compile"] == "default"
    assert measured.results["hierattn_xs"]["packed_images_per_second"] == 12000


def test_no_measurement_is_begun_without_time_for_it(settings, tmp_path, fake):
    measured = Bench(tmp_path, tmp_path, settings["bench"], "cuda", ["graphs", "eager"], {}, lambda event: None)
    assert measured.run(time.time() + 1) == {}
    assert not fake.exists()
