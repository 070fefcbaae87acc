"""Small tensors, drawn on the CPU, to where the images are."""

from __future__ import annotations

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to ``device``; a GPU is not waited for, because the copy starts from pinned memory."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
