"""Inference in every runtime: a row a model, runtime and setting, and ratios to MobileNetV2's plain export."""

import pytest

from hierattn.benchmarks.inference import REFERENCE, InferenceOptions, measure_inference, to_dict
from hierattn.errors import UsageError


def test_the_ratio_of_the_reference_to_itself_is_one_and_each_setting_has_its_rows():
    heard = []
    options = InferenceOptions(runtimes=("pytorch", "onnx"), size=32, threads=(1,), batch=(1, 2), rounds=2, memory=True)
    rows = measure_inference([REFERENCE[0]], options, lambda step, done, total: heard.append(step))
    assert [(row.runtime, row.batch) for row in rows] == [(r, b) for b in (1, 2) for r in ("pytorch", "onnx")]
    assert {row.ratio for row in rows if row.runtime == REFERENCE[1]} == {1.0}
    assert [row.peak_bytes is None for row in rows] == [True, False, True, False]
    assert set(heard) == {"building", "measuring memory", "1 threads, batch 1", "1 threads, batch 2"}
    assert to_dict(rows, options)["rows"][0]["model"] == "mobilenet_v2"


def test_an_unknown_runtime_is_refused_before_any_work():
    with pytest.raises(UsageError, match="wanted some of pytorch,onnx"):
        InferenceOptions(runtimes=("abacus",))
    with pytest.raises(UsageError, match="wanted some of pytorch,onnx"):
        InferenceOptions(runtimes=())
