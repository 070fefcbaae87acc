"""Models in ONNX Runtime: the exported graph is run, timed and taken apart by operator."""

import numpy as np
import pytest
import torch

from hierattn.benchmarks.onnx_runtime import profile_operators, runtime_limit, runtime_step


def test_the_operators_of_the_exported_graph_are_counted_and_timed() -> None:
    operators = profile_operators("mobilenet_v2", torch.rand(1, 3, 32, 32), rounds=2, threads=1)
    nodes, milliseconds = operators["Conv"]
    assert nodes == 52  # a stem, 17 blocks of three but for the first of two, and the last
    assert milliseconds > 0


def test_a_step_gives_the_probabilities_of_every_image_and_the_limit_is_a_rate() -> None:
    probabilities = runtime_step("mobilenet_v2", torch.rand(2, 3, 32, 32), threads=1)()[0]
    assert np.asarray(probabilities).sum(axis=1) == pytest.approx([1, 1], abs=1e-4)
    assert runtime_limit(1, side=64, rounds=3) > 1e6
