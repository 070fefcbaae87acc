from __future__ import annotations

import pytest
from tools.gpu.adopt import adopt

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.taxonomy.built_in import EIGHT


def test_what_came_back_becomes_a_run_that_later_stages_open(prepared, tmp_path):
    packed = PackedSet.open(prepared)
    classes = tuple(sorted({record.label for record in packed.records}))
    network = create_model("hierattn_xs", num_classes=len(classes), permute_pixels=False)
    weights = tmp_path / "student.safetensors"
    given = Checkpoint(
        "hierattn_xs", EIGHT.subset(classes), packed.image_spec, network.state_dict(), {"permute_pixels": False},
        {"name": "student", "data": {"prepared": "set", "fold": 0}}, {"manifest_sha256": packed.manifest_sha256},
        TrainedOn(),
    )  # fmt: skip
    save_checkpoint(weights, given)
    adopt(weights, tmp_path / "run", prepared)
    run = TrainedRun.open(tmp_path / "run")
    assert run.prepared == prepared
    assert run.fold == 0
    assert run.manifest_sha256 == packed.manifest_sha256
    run.checkpoint.build()
    with pytest.raises(UsageError, match="already holds a run"):
        adopt(weights, tmp_path / "run", prepared)


def test_weights_of_another_set_are_refused(prepared, tmp_path):
    network = create_model("hierattn_xs", num_classes=2)
    weights = tmp_path / "student.safetensors"
    spec = PackedSet.open(prepared).image_spec
    save_checkpoint(weights, Checkpoint("hierattn_xs", EIGHT.subset(("NV", "MEL")), spec, network.state_dict()))
    with pytest.raises(UsageError, match="another set"):
        adopt(weights, tmp_path / "run", prepared)
    assert not (tmp_path / "run").exists()
