"""Fewer bits: what is rounded, by how much at most, and that the graph still answers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bundles import answer_of, two_layers

from hierattn.deploy.export import int8
from hierattn.deploy.export.int8 import large_weights, store_as_float16, store_as_int8, store_mixed, to_int8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.floats(1e-6, 1e6))
def test_rounding_moves_no_weight_by_more_than_half_a_step(seed, axis, size):
    values = (np.random.default_rng(seed).normal(size=(3, 4, 5)) * size).astype(np.float32)
    whole, scale = to_int8(values, axis)
    assert whole.dtype == np.int8
    assert whole.min() >= -127
    assert (np.abs(whole * scale - values) <= scale * 0.501).all()


def test_a_channel_of_zeros_stays_zero():
    whole, scale = to_int8(np.zeros((2, 3), np.float32), 0)
    assert not whole.any()
    assert np.isfinite(scale).all()


def test_only_the_large_weights_of_convolutions_and_products_are_rounded():
    assert large_weights(two_layers()) == {"kernel": 0, "wide": 1}


def test_mixed_rounds_the_largest_layers_to_int8_and_the_others_to_half(images, monkeypatch):
    monkeypatch.setattr(int8, "LARGEST", 3000)  # the kernel has 1,296 values, the product 3,072
    model = two_layers()
    wanted = answer_of(model, images)
    assert store_mixed(model) == 2
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds["kernel_half"] == onnx.TensorProto.FLOAT16
    assert kinds["wide_int8"] == onnx.TensorProto.INT8
    assert np.abs(answer_of(model, images) - wanted).max() < 0.05


@pytest.mark.parametrize(("store", "bound"), [(store_as_float16, 2e-3), (store_as_int8, 0.05)])
def test_stored_small_it_answers_nearly_the_same(images, store, bound):
    model = two_layers()
    wanted, size = answer_of(model, images), len(model.SerializeToString())
    assert store(model) == 2
    assert len(model.SerializeToString()) < 0.75 * size
    found = answer_of(model, images)
    assert 0 < np.abs(found - wanted).max() < bound
