from __future__ import annotations

import torch
from tools.gpu.probe import probe


def test_what_is_there_is_told(pack, tmp_path):
    found = probe("cpu", pack, tmp_path / "out", tmp_path / "work", [("hierattn_xs", 64, {})])
    assert found["fatal"] == []
    assert found["without"] == {}
    assert found["pack"]["sets"]["set"] > 50
    assert found["steps"]["hierattn_xs"].endswith(" s")
    assert torch.__version__.startswith(found["packages"]["torch"])


def test_everything_that_is_missing_is_named_at_once(tmp_path):
    (tmp_path / "file").touch()
    found = probe("cpu", tmp_path / "none", tmp_path / "file" / "out", tmp_path / "work", [])
    assert len(found["fatal"]) == 2
    assert "cannot be written" in found["fatal"][0]
    assert "no pack" in found["fatal"][1]


def test_a_network_that_fails_is_fatal(pack, tmp_path):
    found = probe("cpu", pack, tmp_path / "out", tmp_path / "work", [("hierattn_xs", 8, {})])
    assert "a step of hierattn_xs fails" in found["fatal"][0]
