"""Folded normalisations get statistics from images, and training can continue from them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from hierattn.models.registry import create_model
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2


def _folded(model: nn.Module) -> dict[str, np.ndarray]:
    """Fold each batch normalisation of ``model`` into its convolution, as the file's makers did."""
    arrays = {}
    pairs = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for (name, convolution), norm in zip(pairs, norms, strict=True):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        arrays[f"{name}.weight"] = (convolution.weight * scale[:, None, None, None]).detach().numpy()
        arrays[f"{name}.bias"] = (norm.bias - norm.running_mean * scale).detach().numpy()
    return arrays


def test_statistics_follow_the_images_so_that_training_may_go_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.savez(tmp_path / "folded.npz", **_folded(create_model("mobilenet_v2").eval()))
    images = torch.rand(8, 3, 32, 32)
    model = load_folded_mobilenet_v2(tmp_path / "folded.npz", images)
    with torch.no_grad():
        still = model.features(images)
        batch = model.train().features(images)  # the batch's own statistics are the stored ones
    torch.testing.assert_close(batch, still, atol=1e-3, rtol=1e-3)
