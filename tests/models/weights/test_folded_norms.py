"""Folded normalisations get statistics from images, and training can continue from them."""

from pathlib import Path

import numpy as np
import torch
from tiny_runs import folded

from hierattn.models.registry import create_model
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2


def test_statistics_follow_the_images_so_that_training_may_go_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.savez(tmp_path / "folded.npz", **folded(create_model("mobilenet_v2").eval()))
    images = torch.rand(8, 3, 32, 32)
    model = load_folded_mobilenet_v2(tmp_path / "folded.npz", images)
    with torch.no_grad():
        still = model.features(images)
        batch = model.train().features(images)  # the batch's own statistics are the stored ones
    torch.testing.assert_close(batch, still, atol=1e-3, rtol=1e-3)
