"""The summary of an ONNX file, read without the ``onnx`` package, is what that package says."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest
from small_bundles import write_small_bundle

from hierattn.bundle.onnx_file import summarise
from hierattn.errors import BundleError


def test_summary_agrees_with_the_onnx_package(tmp_path):
    path = write_small_bundle(tmp_path / "b.onnx")
    model, summary = onnx.load(path), summarise(path.read_bytes(), "b")
    assert summary.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert summary.operators == Counter(node.op_type for node in model.graph.node)
    assert summary.inputs == [value.name for value in model.graph.input]
    assert summary.outputs == [value.name for value in model.graph.output]
    assert summary.opsets == {"": 20}
    assert not summary.objections


def test_a_file_of_millions_of_parts_is_refused_quickly():
    with pytest.raises(BundleError, match="parts in one message"):
        summarise(b"\x08\x00" * 1_000_000, "bomb")
