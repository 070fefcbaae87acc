"""Predictions of rows: the network's softmax, told as it goes, and refused where it means nothing."""

import numpy as np
import pytest
import torch
from noise_runs import SPEC, TINY, make_set

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.predict import Network, choose_device, predict_rows, probabilities_of
from hierattn.models.registry import create_model
from hierattn.taxonomy.built_in import EIGHT


def test_rows_are_predicted_in_order_and_progress_is_told(tmp_path):
    packed = PackedSet.open(make_set(tmp_path / "prepared"))
    torch.manual_seed(0)
    network = Network(create_model("hierattn_xs", num_classes=8, **TINY), EIGHT, SPEC, batch_size=2)
    heard = []
    predictions = predict_rows(network, packed, [4, 0, 2], step="some", progress=lambda *told: heard.append(told))
    assert predictions.images == tuple(packed.records[row].image for row in (4, 0, 2))
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1)
    one_by_one = [network.probabilities(packed.images, [row])[0] for row in (4, 0, 2)]
    np.testing.assert_allclose(predictions.probabilities, one_by_one, atol=1e-6)
    assert heard == [("some", 2, 3), ("some", 3, 3)]
    assert network.probabilities(packed.images, []).shape == (0, 8)


def test_classes_that_the_network_does_not_know_are_refused(tmp_path):
    packed = PackedSet.open(make_set(tmp_path / "prepared"))
    network = Network(create_model("hierattn_xs", num_classes=2, **TINY), EIGHT.subset(("MEL", "NV")), SPEC)
    with pytest.raises(DataError, match="ACK"):
        predict_rows(network, packed, range(len(packed.records)))
    with pytest.raises(DataError, match="nan or infinite"):
        probabilities_of(np.array([[0.0, np.nan]]))
    with pytest.raises(UsageError, match="device 'tpu'"):
        choose_device("tpu")
