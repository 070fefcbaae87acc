"""create_model from the hub: the same bits, and hostile descriptions that cost nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_checkpoints import SIZE, asking_checkpoint, make_checkpoint
from tests.fake_hub import Hub, running_hub, use

import hierattn
from hierattn.errors import CheckpointError, HubError, UsageError
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with running_hub() as hub:
        use(hub, monkeypatch, tmp_path / "cache", token=None)
        yield hub


def put(hub: Hub, tmp_path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(tmp_path / "some.safetensors", checkpoint)
    hub.put("owner/name", {"model.safetensors": (tmp_path / "some.safetensors").read_bytes()})


def test_a_model_from_the_hub_answers_with_the_same_bits(hub: Hub, tmp_path) -> None:
    checkpoint = make_checkpoint()
    put(hub, tmp_path, checkpoint)
    model = hierattn.create_model("hf-hub:owner/name")
    images = torch.rand(2, 3, SIZE, SIZE)
    assert not model.training
    assert torch.equal(model(images), checkpoint.build()(images))
    assert hierattn.create_model("hf-hub:owner/name", num_classes=8).num_classes == 8
    with pytest.raises(UsageError, match="has 8 classes"):
        hierattn.create_model("hf-hub:owner/name", num_classes=5)
    with pytest.raises(UsageError, match="leave attention out"):
        hierattn.create_model("hf-hub:owner/name", attention="se")


def test_a_model_that_asks_comes_from_the_hub_too(hub: Hub, tmp_path) -> None:
    checkpoint = asking_checkpoint()
    put(hub, tmp_path, checkpoint)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(hierattn.create_model("hf-hub:owner/name")(images), checkpoint.build()(images))
    put(hub, tmp_path, replace(checkpoint, answers={**checkpoint.answers, "width": 10**9}))
    with pytest.raises(CheckpointError, match="hf-hub:owner/name describes"):
        hierattn.create_model("hf-hub:owner/name")


@pytest.mark.parametrize(
    "options",
    [
        {"stage_channels": [10**9, 10**9, 10**9]},
        {"transformer_layers": [1, 1, 10**7]},
        {"expansion": float("inf")},
        {"branch_pools": [[1, 1]]},
        {"stage_channels": [48, 64, 96]},
        {"unheard": 1},
        {"attention": "eval"},
        {"heads": 7},
    ],
    ids=str,
)
def test_a_description_that_its_tensors_belie_builds_nothing(hub: Hub, tmp_path, options) -> None:
    checkpoint = make_checkpoint()
    put(hub, tmp_path, replace(checkpoint, options={**checkpoint.options, **options}))
    with pytest.raises(CheckpointError, match="hf-hub:owner/name describes"):
        hierattn.create_model("hf-hub:owner/name")


def test_another_network_or_no_checkpoint_is_refused(hub: Hub, tmp_path) -> None:
    put(hub, tmp_path, replace(make_checkpoint(), model="hierattn_m"))
    with pytest.raises(CheckpointError, match="another network's"):
        hierattn.create_model("hf-hub:owner/name")
    hub.put("owner/name", {"model.safetensors": b"\x80\x04cos\nsystem\n(S'true'\ntR."})  # a pickle
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        hierattn.create_model("hf-hub:owner/name")
    hub.put("owner/empty", {})
    with pytest.raises(HubError, match="no such file"):
        hierattn.create_model("hf-hub:owner/empty")
