"""What a model costs: parameters, multiply-adds, memory of its weights and of its largest activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import count_parameters


@dataclass(frozen=True)
class Complexity:
    """The cost of one image.

    Attributes
    ----------
    size
        Side of the image in pixels.
    parameters
        Learnable values.
    multiply_adds
        Of convolutions and matrix products, attention's included. As usual, normalisations, activations, pooling by
        means and sums are not counted.
    weight_bytes
        Parameters and running statistics, in float32.
    largest_activation_bytes
        The largest tensor that any single operation makes, in float32. Fused attention never makes its scores.
    """

    size: int
    parameters: int
    multiply_adds: int
    weight_bytes: int
    largest_activation_bytes: int


class _Count(TorchDispatchMode):
    """Watch every operation of a forward pass: its multiply-adds, and the size of what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.multiply_adds += _multiply_adds(func.overloadpacket, args, out)
        for value in out if isinstance(out, tuple | list) else (out,):
            if isinstance(value, Tensor):
                self.largest = max(self.largest, value.numel() * value.element_size())
        return out


def _multiply_adds(operation: Any, args: Any, out: Any) -> int:
    aten = torch.ops.aten
    if operation is aten.convolution:  # each output value reads one kernel
        return int(out.numel() * args[1][0].numel())
    if operation in (aten.mm, aten.bmm):
        return int(out.numel() * args[0].shape[-1])
    if operation in (aten.addmm, aten.baddbmm):  # the first argument is what is added
        return int(out.numel() * args[1].shape[-1])
    if "scaled_dot_product" in operation.__name__:  # queries by keys, then scores by values
        query, key = args[0], args[1]
        return int(2 * query.numel() * key.shape[-2])
    return 0


def measure_complexity(name: str, *, num_classes: int = 8, size: int = 256, **options: Any) -> Complexity:
    """Run one blank image through the model and count. The caller's random numbers are left as they were.

    Parameters
    ----------
    name, num_classes, **options
        As in :func:`~hierattn.models.registry.create_model`.
    size
        Side of the square image in pixels.

    Examples
    --------
    >>> cost = measure_complexity("hierattn_xs")
    >>> cost.parameters
    1079928
    """
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = create_model(name, num_classes, **options).eval()
    image = torch.zeros(1, int(options.get("in_channels", 3)), size, size)
    with torch.no_grad(), _Count() as count:
        model(image)
    tensors = (*model.parameters(), *model.buffers())
    return Complexity(
        size=size,
        parameters=count_parameters(model),
        multiply_adds=count.multiply_adds,
        weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        largest_activation_bytes=count.largest,
    )
