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
import json, sys
words = sys.argv[1:]
way = next(word for word in words if word.startswith("compile=")).split("=")[1]
precision = next(word for word in words if word.startswith("precision=")).split("=")[1]
print(way, precision, words[words.index("--rounds") + 1], file=open(sys.argv[0] + ".log", "a"))
if way in ("cuda-graphs", "default"):
    sys.exit("no such way here")
print(json.dumps({
    "model": "hierattn_xs", "compile": way, "precision": precision, "packed_images_per_second": 9000.0,
    "ratio": [11, 10, 12], "network_images_per_second": 9500.0, "plain_images_per_second": 800.0,
    "teraflops": 20.0, "matmul_teraflops": 700.0,
}))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    path = tmp_path / "fake.py"
    path.write_text(FAKE)
    monkeypatch.setattr(bench, "python", lambda *words: [sys.executable, str(path), *words])
    return tmp_path / "fake.py.log"


def test_each_network_goes_down_the_ways_until_one_works(settings, tmp_path, fake):
    heard: list[dict] = []
    rules = settings["bench"]
    measured = Bench(tmp_path, tmp_path, rules, "cuda", ["graphs", "default", "eager"], {}, heard.append)
    results = measured.run(time.time() + 60, lambda until: None)
    tried = [line.split() for line in fake.read_text().splitlines()]
    assert [(way, precision) for way, precision, _ in tried] == [
        ("cuda-graphs", "bf16-mixed"), ("default", "bf16-mixed"), ("no", "bf16-mixed"), ("no", "bf16-mixed"),
    ]  # fmt: skip
    found = results["hierattn_xs"]
    assert found["reaches_speed"]
    assert found["reaches_ratio"]
    assert not found["rough"]
    assert found["share_of_limit"] == pytest.approx(20 / 700)
    assert sum("no such way" in line.get("text", "") for line in heard) == 2
    json.dumps(results)


def test_a_rough_figure_stands_where_no_time_is_left(settings, tmp_path, fake):
    measured = Bench(tmp_path, tmp_path, settings["bench"], "cuda", ["graphs", "eager"], {}, lambda event: None)
    results = measured.run(time.time() + 4.5, lambda until: None)
    assert results["hierattn_xs"]["rough"]
