"""Where HierAttn's time goes, block by block, each on the input that it really gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hierattn.benchmarks.timing import Step, take_turns
from hierattn.models.branch_attention import BranchAttention
from hierattn.models.conv import ConvNormAct
from hierattn.models.cth import CTH
from hierattn.models.scadw import SCADW
from hierattn.models.transformer import SelfAttention, SmallScaleTransformer

BLOCKS = (ConvNormAct, SCADW, CTH, SmallScaleTransformer, SelfAttention, BranchAttention)


@dataclass(frozen=True)
class BlockTime:
    """One block.

    Attributes
    ----------
    path, kind
        Its name in the network, and its class's.
    shape
        Of its input; of the first stage's map for branch attention.
    minimum_ms
        Milliseconds of its forward pass in evaluation, the least of the rounds. It holds the blocks inside it.
    share
        Of the outermost blocks' sum, which is the network but for its pooling and classifier.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    minimum_ms: float
    share: float


def profile_blocks(model: nn.Module, images: Tensor, *, rounds: int = 20) -> list[BlockTime]:
    """Time every block of ``model`` on the input that it gets for ``images``, the dearest first.

    The blocks take turns, so that the shares are of the same run; a busy machine hardly moves their least times.

    Parameters
    ----------
    model
        A HierAttn; it is put into evaluation mode.
    images
        (batch, channels, H, W), on the model's device.
    rounds
        How often each block is timed.
    """
    parts: dict[str, nn.Module] = {
        path: part for path, part in model.eval().named_modules() if isinstance(part, BLOCKS)
    }
    inputs = _inputs_of(model, parts, images)
    steps = {path: _bound(part, inputs[path]) for path, part in parts.items()}
    taken = take_turns(steps, rounds, device=images.device.type)
    outermost = [path for path in parts if not any(path.startswith(f"{other}.") for other in parts)]
    whole = sum(min(taken[path]) for path in outermost)
    times = [
        BlockTime(path, type(parts[path]).__name__, _shape(inputs[path]), min(of), min(of) / whole)
        for path, of in taken.items()
    ]
    return sorted(times, key=lambda time: -time.minimum_ms)


@torch.inference_mode()
def _inputs_of(model: nn.Module, parts: dict[str, nn.Module], images: Tensor) -> dict[str, Any]:
    """The one argument that each part is called with."""
    seen: dict[str, Any] = {}

    def keep(path: str, _part: nn.Module, given: tuple[Any, ...]) -> None:
        seen[path] = given[0]

    handles = [part.register_forward_pre_hook(partial(keep, path)) for path, part in parts.items()]
    model(images)
    for handle in handles:
        handle.remove()
    return seen


def _bound(part: nn.Module, given: Any) -> Step:
    @torch.inference_mode()
    def step() -> object:
        return part(given)

    return step


def _shape(given: Any) -> tuple[int, ...]:
    return tuple((given if isinstance(given, Tensor) else given[0]).shape)
