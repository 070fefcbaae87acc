"""MobileNetV2 with folded batch normalisations: the same features, and other networks are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import SHARED
from tiny_runs import folded
from torch.nn import functional as F

from hierattn.errors import CheckpointError
from hierattn.models.registry import create_model
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2

FOLDED = SHARED / "weights" / "mobilenet_v2_imagenet_folded_torchvision_names.npz"


def test_folded_weights_compute_the_same_features_whatever_the_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = create_model("mobilenet_v2", 8)
    original.train()(torch.rand(4, 3, 32, 32))
    original.eval()
    np.savez(tmp_path / "folded.npz", **folded(original))
    x = torch.rand(2, 3, 32, 32)
    for images in (None, torch.rand(4, 3, 32, 32)):
        model = load_folded_mobilenet_v2(tmp_path / "folded.npz", images, num_classes=3)
        assert not model.training
        with torch.no_grad():
            torch.testing.assert_close(model.features(x), original.features(x), atol=1e-4, rtol=1e-3)
            assert model(x).shape == (2, 3)


def test_another_network_in_the_npz_is_refused_by_name(tmp_path: Path) -> None:
    arrays = folded(create_model("mobilenet_v2"))
    np.savez(tmp_path / "short.npz", **{name: arrays[name] for name in list(arrays)[:4]})
    with pytest.raises(CheckpointError, match=r"holds no features\.1\.conv\.1\.weight"):
        load_folded_mobilenet_v2(tmp_path / "short.npz")
    arrays["features.0.0.weight"] = np.zeros((16, 3, 3, 3), np.float32)
    np.savez(tmp_path / "narrow.npz", **arrays)
    with pytest.raises(CheckpointError, match=r"features\.0\.0 has shape \(16, 3, 3, 3\)"):
        load_folded_mobilenet_v2(tmp_path / "narrow.npz")


@pytest.mark.skipif(not FOLDED.exists(), reason="the folded ImageNet weights are not beside this repository")
def test_the_real_file_loads_whole() -> None:
    model = load_folded_mobilenet_v2(FOLDED)
    with np.load(FOLDED, allow_pickle=False) as arrays:
        weight, bias = (torch.from_numpy(arrays[f"features.0.0.{leaf}"]) for leaf in ("weight", "bias"))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = F.conv2d(x, weight, bias, stride=2, padding=1).clamp(0, 6)
        torch.testing.assert_close(model.features[0](x), wanted, atol=1e-4, rtol=1e-4)
