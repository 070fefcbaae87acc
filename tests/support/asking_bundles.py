"""A bundle that asks, of a tiny network that was never trained, but whose answers count."""

from __future__ import annotations

from pathlib import Path

import torch

from hierattn.deploy.export.onnx import export_onnx
from hierattn.deploy.export.wrapped import wrap
from hierattn.image_spec import ImageSpec
from hierattn.models.asking import AskingNetwork, asking
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy.built_in import PAD
from hierattn.taxonomy.questions import AGE, GREW, SITE

ASKED = (AGE, SITE, GREW)
TINY = {
    "early_channels": [4, 4, 8], "stage_channels": [8, 8, 8], "transformer_dims": [8, 8, 8],
    "transformer_layers": [1, 1, 1], "heads": 2,
}  # fmt: skip


def write_asking_bundle(path: Path) -> AskingNetwork:
    """Export it; returns the network."""
    torch.manual_seed(0)
    model = asking(create_model("hierattn_xs", num_classes=6, **TINY), ASKED, 6).eval()
    torch.nn.init.normal_(model.head.classifier.weight)  # as if it were trained
    options = {"kind": "concatenation", "width": 32, "dropout": 0.2}
    checkpoint = Checkpoint(
        "hierattn_xs", PAD.asking(ASKED), ImageSpec(size=64), model.state_dict(), options=TINY, answers=options
    )
    export_onnx(wrap(checkpoint), path)
    return model
