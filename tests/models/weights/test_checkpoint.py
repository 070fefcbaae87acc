import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hierattn.errors import CheckpointError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.taxonomy.built_in import EIGHT

CLASSES = ("BCC", "MEL", "NV")


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=3, attention="se")
    return Checkpoint(
        model="hierattn_xs",
        options={"attention": "se"},
        taxonomy=EIGHT.subset(CLASSES),
        image_spec=ImageSpec(size=64),
        state_dict=model.state_dict(),
        recipe={"seed": 4, "data": {"fold": 2}},
        provenance={"commit": "abc"},
        trained_on=TrainedOn(digests_of(["ab" * 32, "cd" * 32]), digests_of(["01" * 32]), whole=False),
    )


def test_a_checkpoint_reads_back_bit_equal_with_all_it_carries(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    back = load_checkpoint(tmp_path / "a.safetensors")
    assert (back.model, back.classes, back.image_spec) == ("hierattn_xs", CLASSES, ImageSpec(size=64))
    assert (back.options, back.recipe, back.provenance) == (
        checkpoint.options,
        checkpoint.recipe,
        checkpoint.provenance,
    )
    assert back.trained_on.trained.tolist() == [0xABABABABABABABAB, 0xCDCDCDCDCDCDCDCD]
    assert (back.trained_on.chosen.tolist(), back.trained_on.whole) == ([0x0101010101010101], False)
    assert all(torch.equal(value, back.state_dict[name]) for name, value in checkpoint.state_dict.items())
    model = back.build()
    assert not model.training
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_missing_cut_and_foreign_files_are_named_in_one_line(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    whole = (tmp_path / "a.safetensors").read_bytes()
    for name, content in {"cut": whole[:-100], "empty": b"", "text": b"not weights"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="not a whole safetensors file") as caught:
            load_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="without our description"):
        load_checkpoint(tmp_path / "foreign")


@pytest.mark.parametrize("described", ["{", "{}", json.dumps({"format_version": 99})])
def test_a_damaged_or_newer_description_is_refused(described, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a", metadata={"hierattn": described})
    with pytest.raises(CheckpointError, match=r"damaged description|update hierattn"):
        load_checkpoint(tmp_path / "a")


def test_weights_of_another_network_are_refused(checkpoint, tmp_path):
    from dataclasses import replace

    with pytest.raises(CheckpointError, match="do not fit hierattn_s"):
        replace(checkpoint, model="hierattn_s").build()


def test_a_checkpoint_of_version_1_is_read_under_todays_names(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        metadata = file.metadata()
    described = json.loads(metadata["hierattn"]) | {"format_version": 1, "classes": ["BCC", "MEL", "NV"]}
    del described["taxonomy"]
    described["recipe"]["optimiser"] = {"post_hoc_adjustment": 0.25}
    former = {"hierattn": json.dumps(described), "hierattn.learnt_from": metadata["hierattn.trained_on"]}
    save_file(dict(checkpoint.state_dict), tmp_path / "old.safetensors", metadata=former)
    old = load_checkpoint(tmp_path / "old.safetensors")
    assert old.recipe == {**checkpoint.recipe, "optimiser": {"post_hoc_logit_adjustment": 0.25}}
    assert old.trained_on.to_text() == checkpoint.trained_on.to_text()
    assert old.taxonomy == EIGHT.subset(("BCC", "MEL", "NV"))
