"""ImageNet's MobileNetV2 from a file whose batch normalisations were folded into the convolutions.

The file holds a weight and a bias for every convolution, under torchvision's names, and no classifier.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError
from hierattn.models.registry import create_model
from hierattn.models.weights.folded_norms import follow_inputs, set_folded

LARGEST_CONTENT = 256 * 1024**2


def load_folded_mobilenet_v2(path: Path, images: Tensor | None = None, num_classes: int = 8) -> nn.Module:
    """MobileNetV2 with the file's features and a fresh classifier, in evaluation mode.

    Each batch normalisation gets the mean and variance of its own input as running statistics, and what it adds is the
    folded bias (folded_norms.py).

    Parameters
    ----------
    path
        The ``.npz`` file. It is read without pickle.
    images
        Float, (batch, 3, H, W), scaled as the network will see them. None: mean 0 and variance 1, which is exact in
        evaluation and a poor start for training.
    num_classes
        Width of the fresh classifier, drawn from torch's global generator.

    Raises
    ------
    CheckpointError
        Where the file is missing, damaged, too large, or not this network.
    """
    arrays = _read(path)
    model = create_model("mobilenet_v2", num_classes=num_classes).eval()
    convolutions = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for (name, convolution), norm in zip(convolutions, norms, strict=True):
        weight, bias = (_tensor(arrays, f"{name}.{leaf}", path) for leaf in ("weight", "bias"))
        if weight.shape != convolution.weight.shape or bias.shape != norm.bias.shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(weight.shape)}, wanted {tuple(convolution.weight.shape)} "
                "with a bias; wanted MobileNetV2 of width 1"
            )
        with torch.no_grad():
            convolution.weight.copy_(weight)
            set_folded(norm, bias, torch.zeros_like(bias), torch.ones_like(bias))
    if images is not None:
        follow_inputs(model, images)
    return model


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}: wanted an .npz file of MobileNetV2 with folded batch norms")
    try:
        with zipfile.ZipFile(path) as archive:
            content = sum(entry.file_size for entry in archive.infolist())
        if content > LARGEST_CONTENT:
            raise CheckpointError(f"{path} unpacks to {content} bytes: wanted at most 256 MiB; name another file")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError) as error:
        raise CheckpointError(f"{path} is not a whole .npz file ({error}); copy it again") from None


def _tensor(arrays: dict[str, np.ndarray], name: str, path: Path) -> Tensor:
    if name not in arrays:
        raise CheckpointError(f"{path} holds no {name}: wanted MobileNetV2 under torchvision's names")
    values = arrays[name]
    if not np.isfinite(values).all():
        raise CheckpointError(f"{path}: {name} holds values that are not finite; copy it again")
    return torch.from_numpy(np.array(values, np.float32))
