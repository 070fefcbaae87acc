"""Models in turns: which ways take part, and that a device that is missing is refused."""

import pytest
import torch

from hierattn.benchmarks.models import RUNTIME, ModelsOptions, measure_models
from hierattn.errors import UsageError


def test_the_options_say_which_ways_are_timed_and_the_runtime_is_for_the_cpu_alone() -> None:
    assert ModelsOptions().kinds == {"inference": ["eager", "channels-last", RUNTIME]}
    assert ModelsOptions(onnx=False, train=True, plain=True, fast=True).kinds == {
        kind: ["eager", "channels-last", "plain", "compiled bf16"] for kind in ("inference", "training")
    }
    assert not ModelsOptions(device="cuda").uses_runtime


def test_the_images_are_the_same_each_time_and_a_device_that_is_missing_is_refused() -> None:
    options = ModelsOptions(size=32, batch=2)
    assert options.images().shape == (2, 3, 32, 32)
    assert torch.equal(options.images(), options.images())
    with pytest.raises(UsageError, match="wanted cpu, or cuda"):
        ModelsOptions(device="tpu").images()


def test_plain_is_of_hierattn_alone_and_progress_names_each_kind() -> None:
    heard = []
    options = ModelsOptions(size=32, rounds=1, onnx=False, plain=True)
    measured = measure_models(
        ["hierattn_xs", "mobilenet_v2"], options, lambda step, done, total: heard.append((step, done, total))
    )
    assert [timing.model for timing in measured.timings if timing.way == "plain"] == ["hierattn_xs"]
    assert heard[-2:] == [("inference: building", 5, 5), ("inference: timing", 1, 1)]
    assert measured.to_dict()["rounds"] == 1
