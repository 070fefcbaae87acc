"""Gradients of depth-wise convolutions in bfloat16 on a CPU, from the kernels that are quick there.

oneDNN has no quick kernel for two of them: the gradient of the input at stride 2, and that of a 5x5 kernel's weights.
In EfficientNet-Lite0 these two took over half of a training step (docs/lab-notes.md). Quick kernels can make both: the
first is a forward convolution for each place in a stride, the second the weights' gradients of four 3x3 kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]


def quick_depthwise(device: torch.device, *, compiled: bool = False) -> AbstractContextManager[Any]:
    """Within it, depth-wise convolutions that autocast computes in bfloat16 get their gradients as said above.

    Elsewhere than on a CPU, and for a compiled network, it does nothing.

    Examples
    --------
    >>> conv = torch.nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8)
    >>> with quick_depthwise(torch.device("cpu")), torch.autocast("cpu", torch.bfloat16):
    ...     conv(torch.rand(1, 8, 16, 16)).float().sum().backward()
    >>> conv.weight.grad.shape
    torch.Size([8, 1, 5, 5])
    """
    return nullcontext() if compiled or device.type != "cpu" else _DepthwiseCalls()


class _DepthwiseCalls(TorchFunctionMode):
    """Replaces the calls of ``conv2d`` that it is made for: whatever layer makes them, of torch or of timm."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and _is_slow(*args):
            x, weight, bias, stride, padding = args[:5]
            half = x.to(torch.bfloat16), weight.to(torch.bfloat16)
            out: Any = _Depthwise.apply(*half, stride, padding)
            return out if bias is None else out + bias.to(torch.bfloat16)[:, None, None]
        return func(*args, **(kwargs or {}))


def _is_slow(x: Tensor, weight: Tensor, *more: Any) -> bool:
    if len(more) < 5 or not torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
        return False
    _, stride, padding, dilation, groups = more
    in_bfloat16 = torch.get_autocast_dtype("cpu") == torch.bfloat16
    depthwise = groups == x.shape[1] == weight.shape[0] > 1 and tuple(dilation) == (1, 1)
    kernel = (weight.shape[2], weight.shape[3])
    strides = {(3, 3): ((2, 2),), (5, 5): ((1, 1), (2, 2))}.get(kernel, ())
    return in_bfloat16 and depthwise and tuple(stride) in strides and not isinstance(padding, str)


class _Depthwise(torch.autograd.Function):
    """(batch, C, H, W) and (C, 1, k, k), both bfloat16 -> (batch, C, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.where = (stride, padding)
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        given = (gradient.contiguous(memory_format=torch.channels_last), *ctx.saved_tensors, *ctx.where)
        of_input, of_weight, *_ = ctx.needs_input_grad  # frozen weights, or images themselves, need none
        return input_gradient(*given) if of_input else None, weight_gradient(*given) if of_weight else None, None, None


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of ``x``, (batch, C, H, W), from that of the output, (batch, C, h, w).

    Pixel stride * u + r of a row met only the taps t = r + padding (mod stride), so that for each r it is a forward
    convolution of ``gradient`` with every stride-th tap, reversed.
    """
    found = torch.empty_like(x, memory_format=torch.channels_last)
    kernel, sizes, outputs = weight.shape[2], x.shape[2:], gradient.shape[2:]
    for r in range(stride[0]):
        rows, above_below = _met(r, stride[0], padding[0], kernel, sizes[0], outputs[0])
        for c in range(stride[1]):
            columns, beside = _met(c, stride[1], padding[1], kernel, sizes[1], outputs[1])
            taps = weight[:, :, rows, columns].flip(2, 3)
            part = F.conv2d(F.pad(gradient, beside + above_below), taps, groups=len(weight))
            found[:, :, r :: stride[0], c :: stride[1]] = part
    return found


def _met(place: int, stride: int, padding: int, kernel: int, size: int, outputs: int) -> tuple[slice, Pair]:
    """The taps that pixels ``place``, ``place + stride``, ... met, and how the gradient is padded (or cut) for them."""
    first = (place + padding) % stride
    taps, pixels = len(range(first, kernel, stride)), len(range(place, size, stride))
    before = taps - 1 - (place + padding - first) // stride
    return slice(first, None, stride), (before, pixels + taps - 1 - before - outputs)


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of ``weight``, (C, 1, k, k), from that of the output, (batch, C, h, w).

    A 5x5 kernel's is that of four 3x3 kernels, at its corners: where they overlap they agree.
    """
    corners = (0, 2) if weight.shape[2] == 5 else (0,)
    height, width = ((out - 1) * step + 3 for out, step in zip(gradient.shape[2:], stride, strict=True))
    x = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    found = torch.empty_like(weight)
    for row in corners:
        for column in corners:
            seen = x[:, :, row : row + height, column : column + width].contiguous(memory_format=torch.channels_last)
            part = found[:, :, row : row + 3, column : column + 3]
            part.copy_(_of_3x3(gradient, seen, torch.empty_like(part), stride))
    return found


def _of_3x3(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
    asked = (False, True, False)  # of the weight alone
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, (0, 0), (1, 1), False, (0, 0), len(weight), asked
    )[1]
    return found
