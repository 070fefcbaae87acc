"""A small HierAttn's checkpoint, as if it had been trained on rendered lesions."""

from __future__ import annotations

import torch

from hierattn import create_model
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy

SIZE = 64
OPTIONS = {"transformer_layers": [1, 1, 1]}


def make_checkpoint(seed: int = 0, taxonomy: Taxonomy = EIGHT) -> Checkpoint:
    """A small HierAttn with random weights and statistics, as if it had been trained on rendered lesions."""
    torch.manual_seed(seed)
    model = create_model("hierattn_xs", num_classes=len(taxonomy.codes), **OPTIONS)
    model.train()
    with torch.no_grad():
        for _ in range(4):  # fill the batch normalisations' running statistics with something other than 0 and 1
            model(torch.rand(4, 3, SIZE, SIZE))
        model.classifier.weight.mul_(4)
    return Checkpoint(
        model="hierattn_xs",
        taxonomy=taxonomy,
        image_spec=ImageSpec(size=SIZE),
        state_dict=model.state_dict(),
        options=OPTIONS,
        recipe={"name": "small", "optimiser": {"epochs": 1}},
        provenance={
            "hierattn": "0.1.0",
            "commit": "abc",
            "source": "synthetic",
            "licence": "CC0-1.0",
            "training_images": 40,
            "validation": {"validation_top1": float("nan")},
        },
    )
