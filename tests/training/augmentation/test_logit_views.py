"""A fixed network's stored logits are what it says, of the training images alone, and the head on them learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from tiny_runs import assert_same_bits, tiny_recipe
from tiny_sets import with_answers

from hierattn.data.prepared_set.asked import codes_of
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.training.augmentation.logit_views import VIEWS, logit_views, pick_view
from hierattn.training.augmentation.ranges import AugmentationRanges
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe
from hierattn.training.validation import validate

STILL = AugmentationRanges(rotation=0.0, horizontal_flip=0.0)


def test_without_augmentation_every_view_is_what_the_network_says() -> None:
    torch.manual_seed(0)
    network, spec = create_model("hierattn_xs", num_classes=3).eval(), ImageSpec(size=64)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    rows = np.array([0, 2, 4])
    views = logit_views(network, images, rows, spec, STILL, seed=1, device=torch.device("cpu"))
    assert views.shape == (5, VIEWS, 3)
    wanted = predict_logits(network, images, rows, spec)
    for view in range(VIEWS):
        np.testing.assert_allclose(views[rows, view], wanted, atol=1e-5)
    assert not views[[1, 3]].any()
    picked = pick_view(torch.from_numpy(views), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(picked[rows], wanted, atol=1e-5)


def validated_by(checkpoint, packed, fold):
    """The figures of the inner fold, by the whole network over its photographs and answers."""
    rows = split(packed.records, fold).validation
    labels = np.array([checkpoint.classes.index(packed.records[row].label) for row in rows])
    answers = codes_of(packed.records, checkpoint.taxonomy.questions)
    fabric = Fabric(accelerator="cpu")
    return validate(fabric, checkpoint.build(), packed.images, rows, labels, checkpoint.image_spec, answers)


def test_a_head_is_trained_on_a_network_that_keeps_every_bit(prepared, tmp_path) -> None:
    fit(tiny_recipe(prepared), tmp_path / "photo", device="cpu")
    values = tiny_recipe(with_answers(prepared, tmp_path / "asked")).to_dict()
    values["transfer"] |= {"checkpoint": str(tmp_path / "photo" / "best.safetensors"), "classifier": True}
    values["questions"] |= {"ask": ["age", "grew"], "network": "fixed"}
    fit(Recipe.from_dict(values), tmp_path / "asking", device="cpu")
    photo, asking = (load_checkpoint(tmp_path / run / "best.safetensors") for run in ("photo", "asking"))
    assert_same_bits(photo.state_dict, asking.network_weights)
    assert [question.name for question in asking.taxonomy.questions] == ["age", "grew"]
    assert asking.build().head.classifier.weight.abs().sum() > 0
    told = validated_by(asking, PackedSet.open(Path(values["data"]["prepared"])), Recipe.from_dict(values).data.fold)
    stored = dict(asking.provenance["validation"])
    # Batches of another size are rounded otherwise, which may swap the ranks of two photographs that are almost equal.
    assert stored.pop("validation_macro_auc") == pytest.approx(told.pop("validation_macro_auc"), abs=1e-3)
    assert stored == pytest.approx(told)
    fit(Recipe.from_dict(values), tmp_path / "again", device="cpu")
    assert_same_bits(asking.state_dict, load_checkpoint(tmp_path / "again" / "best.safetensors").state_dict)
