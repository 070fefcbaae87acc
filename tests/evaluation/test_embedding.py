"""The embedding of a checkpoint is what its last layer reads: multiplied by that layer's weights it is the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.prepared import render_prepared
from hierattn.deploy.predict.released import is_released, released_bundle
from hierattn.errors import UsageError
from hierattn.evaluation.embedding import Embedder, embed, open_weights
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


@pytest.mark.skipif(not is_released("dermoscopy"), reason="no bundle is released")
def test_a_bundle_is_seen_through_by_the_weights_that_it_holds() -> None:
    checkpoint = open_weights(released_bundle("dermoscopy"))
    embedder = Embedder.of(checkpoint)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    seen = embedder(images, [2, 0])
    classifier = embedder.model.classifier
    made = seen @ classifier.weight.detach().numpy().T + classifier.bias.detach().numpy()  # type: ignore[union-attr, operator]
    wanted = predict_logits(checkpoint.build(), images, [2, 0], checkpoint.image_spec)
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)
