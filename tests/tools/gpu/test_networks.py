from __future__ import annotations

import pytest
import torch
from tools.gpu.networks import create, foreign_as, halved

from hierattn.errors import CheckpointError


def test_foreign_weights_are_taken_in_order_without_their_classifier(start):
    taken = foreign_as("shufflenet_v2_1x", start)
    given = list(torch.load(start, weights_only=True).values())
    assert not any(name.startswith("fc.") for name in taken)
    assert len(taken) == len(given) - 2
    assert all(torch.equal(value, other) for value, other in zip(taken.values(), given, strict=False))
    network = create("shufflenet_v2_1x", 5)
    missing, unexpected = network.load_state_dict(taken, strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"fc"}


def test_weights_of_another_network_are_refused(start):
    with pytest.raises(CheckpointError, match="mobilenet_v2"):
        foreign_as("mobilenet_v2", start)


def test_half_precision_is_for_kernels_alone():
    network = create("tf_efficientnet_lite0", 8)  # timm's, not the registry's
    state = halved(network.state_dict())
    assert state["conv_stem.weight"].dtype == torch.float16
    assert state["bn1.running_var"].dtype == torch.float32
    assert state["bn1.num_batches_tracked"].dtype == torch.int64
