"""What a model costs: parameters, multiply-adds, memory of its weights and of its largest activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from hierattn.models.checkpoint import count_parameters
from hierattn.models.registry import create_model


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
        The largest tensor that any single operation makes, in float32.
    """

    size: int
    parameters: int
    multiply_adds: int
    weight_bytes: int
    largest_activation_bytes: int


class _LargestOutput(TorchDispatchMode):
    """Watch every operation's outputs and keep the size of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else (out,):
            if isinstance(value, Tensor):
                self.largest = max(self.largest, value.numel() * value.element_size())
        return out


def measure_complexity(name: str, *, num_classes: int = 8, size: int = 256, **options: Any) -> Complexity:
    """Count without computing: the model and its input hold shapes only.

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
    channels = int(options.get("in_channels", 3))
    with torch.device("meta"):  # here attention is spelt out as matrix products, which the counter knows
        model: nn.Module = create_model(name, num_classes, **options).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.empty(1, channels, size, size))
    with FakeTensorMode():  # here it is the fused kernel that a CPU runs, which never holds the scores
        with torch.no_grad(), _LargestOutput() as watch:
            create_model(name, num_classes, **options).eval()(torch.empty(1, channels, size, size))
    tensors = (*model.parameters(), *model.buffers())
    return Complexity(
        size=size,
        parameters=count_parameters(model),
        multiply_adds=counter.get_total_flops() // 2,
        weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        largest_activation_bytes=watch.largest,
    )
