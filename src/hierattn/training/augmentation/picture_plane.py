"""Where the pixels of a picture lie: the coordinates in which things on the skin are drawn."""

import torch
from torch import Tensor


def pixel_coordinates(images: Tensor) -> tuple[Tensor, Tensor]:
    """x, (1, 1, w), and y, (1, h, 1), of the pixels of ``images`` (batch, 3, h, w), in half sides from the middle.

    The outermost pixels lie at -1 and 1; x points right, y down.
    """
    y, x = (torch.linspace(-1, 1, side, device=images.device, dtype=images.dtype) for side in images.shape[-2:])
    return x[None, None, :], y[None, :, None]
