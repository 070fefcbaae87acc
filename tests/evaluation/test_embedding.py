"""The embedding of a checkpoint is what its last layer reads: multiplied by that layer's weights it is the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import UsageError
from hierattn.evaluation.embedding import embed
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT


def test_the_last_layer_makes_the_logits_of_it(tmp_path: Path) -> None:
    packed = PackedSet.open(render_prepared(tmp_path / "set", {"MEL": 12, "NV": 12}, size=32, folds=3))
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=2)
    spec = ImageSpec(size=32)
    path = tmp_path / "run" / "best.safetensors"
    path.parent.mkdir()
    checkpoint = Checkpoint(
        model="hierattn_xs",
        options={},
        taxonomy=EIGHT.subset(("MEL", "NV")),
        image_spec=spec,
        state_dict=model.state_dict(),
        recipe={},
        provenance={},
    )
    save_checkpoint(path, checkpoint)
    seen: list[tuple[str, int, int | None]] = []
    embedding = embed(path.parent, packed, batch_size=10, progress=lambda *done: seen.append(done))
    assert embedding.shape == (24, 768)
    logits = predict_logits(model, packed.images, np.arange(24), spec)
    made = embedding @ model.classifier.weight.detach().numpy().T + model.classifier.bias.detach().numpy()
    np.testing.assert_allclose(made, logits, rtol=1e-4, atol=1e-4)
    assert seen == [("embedding", done, 24) for done in (10, 20, 24)]
    with pytest.raises(UsageError, match="no checkpoint"):
        embed(tmp_path / "nothing", packed)
