"""How long a model takes: training step and inference, every model in turn on the same input (Table 1's milliseconds).

A shared machine is never quiet. So nothing is timed alone: the steps take turns, round by round, and what is compared
is the time of one over the time of the other in the same round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.errors import UsageError
from hierattn.models.branch_attention import BranchAttention
from hierattn.models.registry import create_model
from hierattn.models.transformer import SelfAttention
from hierattn.progress import Progress

Step = Callable[[], object]
WAYS = ("eager", "channels-last", "plain", "compiled bf16")
"""How :func:`build_step` runs a model; ``plain`` is eager with :func:`made_plain`."""
TRAINING_COST = 3
"""Multiply-adds of a training step over those of inference: the backward pass has twice the forward pass's."""


@dataclass(frozen=True)
class Timing:
    """What one model took in one way.

    Attributes
    ----------
    model
        A registered model's name.
    kind
        ``"inference"`` or ``"training"``.
    way
        How it ran: ``"eager"``, ``"channels-last"``, ``"onnxruntime"``, ...
    median_ms, minimum_ms
        Milliseconds of a step; under load from others the minimum tells more.
    multiply_adds
        Of a step, for the whole batch.
    rate
        Multiply-adds a second in the fastest round.
    of_limit
        ``rate`` over what one large matrix product reaches in the same runtime and run.
    ratio
        Median over the rounds of this time over the baseline's in the same round and way; None without a baseline.
    """

    model: str
    kind: str
    way: str
    median_ms: float
    minimum_ms: float
    multiply_adds: int
    rate: float
    of_limit: float
    ratio: float | None


@dataclass(frozen=True)
class Limits:
    """What a device reaches at best.

    Attributes
    ----------
    multiply_adds
        A second, in one large float32 matrix product.
    bytes
        Read and written a second, in one large copy.
    """

    multiply_adds: float
    bytes: float


def take_turns(
    steps: Mapping[str, Step],
    rounds: int,
    *,
    device: str = "cpu",
    label: str = "timing",
    progress: Progress | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Milliseconds of every step in every round; before that each runs twice untimed.

    Parameters
    ----------
    steps
        What to time, by name.
    rounds
        How often each is timed. In a round every step runs once.
    device
        ``"cuda"`` waits for the device before and after each step.
    label, progress
        ``progress`` is called after each round, with ``label`` as its step.
    clock
        Seconds; ``time.process_time`` counts this process's processor time, which others on the machine hardly move.
    """
    for step in steps.values():
        step()
        step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name, step in steps.items():
            _wait_for(device)
            start = clock()
            step()
            _wait_for(device)
            taken[name].append(1000 * (clock() - start))
        if progress is not None:
            progress(label, number + 1, rounds)
    return taken


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def measure_limits(device: str = "cpu", *, rounds: int = 50) -> Limits:
    """What ``device`` reaches in one large matrix product and one large copy, the best of some rounds."""
    # On a CPU large enough for full speed, and short enough to be left alone in some round on a busy machine.
    side = 8192 if device.startswith("cuda") else 512
    left, right = torch.rand(side, side, device=device), torch.rand(side, side, device=device)
    source = torch.rand(16 * 1024**2, device=device)
    target = torch.empty_like(source)
    steps: dict[str, Step] = {"product": lambda: left @ right, "copy": lambda: target.copy_(source)}
    taken = take_turns(steps, rounds, device=device)
    return Limits(
        multiply_adds=1000 * side**3 / min(taken["product"]),
        bytes=1000 * 2 * source.numel() * source.element_size() / min(taken["copy"]),
    )


def inference_step(model: nn.Module, images: Tensor, *, mixed: bool = False) -> Step:
    """One forward pass in evaluation mode; ``mixed`` is bfloat16 where torch allows it."""
    model.eval()

    def step() -> object:
        with torch.inference_mode(), torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            return model(images)

    return step


def training_step(model: nn.Module, images: Tensor, *, mixed: bool = False) -> Step:
    """Forward, cross-entropy, backward and AdamW, as training does; ``mixed`` is bfloat16 where torch allows it."""
    model.train()
    on_gpu = images.device.type == "cuda"
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=on_gpu)
    labels = torch.arange(len(images), device=images.device) % 8

    def step() -> object:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss

    return step


class _UnfusedAttention(SelfAttention):
    """Attention as its formula says, queries, keys, values and scores copied into memory."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> the same shape."""
        sequences, count, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(sequences, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).contiguous()
        weights = (query @ key.transpose(-2, -1) / (dim // self.heads) ** 0.5).softmax(-1)
        out: Tensor = self.out((weights @ value).transpose(1, 2).reshape(sequences, count, dim))
        return out


class _PlainBranch(BranchAttention):
    """Branch attention with torch's own adaptive pooling, size by size."""

    def assemble(self, stages: Sequence[Tensor]) -> Tensor:
        """[(batch, C_i, H_i, W_i), ...] -> (batch, channels, pixels)."""
        sizes = [torch.cat([F.adaptive_avg_pool2d(stage, k) for stage in stages], 1).flatten(2) for k in self.pools]
        return torch.cat(sizes, 2)


def build_step(name: str, kind: str, way: str, images: Tensor) -> Step:
    """A step of a model with fresh weights, on the images' device.

    Parameters
    ----------
    name
        A registered model.
    kind
        ``"inference"`` or ``"training"``.
    way
        One of :data:`WAYS`.
    images
        (batch, 3, H, W).

    Raises
    ------
    UsageError
        For another kind or way.
    """
    if kind not in ("inference", "training") or way not in WAYS:
        raise UsageError(f"{kind} {way}: wanted inference or training, and one of {', '.join(WAYS)}")
    model = create_model(name).to(images.device)
    if way == "plain":
        made_plain(model)
    if way in ("channels-last", "compiled bf16"):
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    mixed = way == "compiled bf16"
    if mixed:
        model.compile(fullgraph=True)
    if kind == "training":
        return training_step(model, images, mixed=mixed)
    return inference_step(model, images, mixed=mixed)


def made_plain(model: nn.Module) -> nn.Module:
    """``model`` itself, its attention and pooling swapped for the plain implementations that ours have to beat.

    They compute the same.
    """
    for part in model.modules():
        if type(part) is SelfAttention:
            part.__class__ = _UnfusedAttention
        if type(part) is BranchAttention:
            part.__class__ = _PlainBranch
    return model


def summarise(
    taken: Mapping[str, Sequence[float]],
    multiply_adds: Mapping[str, int],
    limits: Limits,
    *,
    kind: str,
    way: str,
    baseline: str = "mobilenet_v2",
) -> list[Timing]:
    """From the rounds of one kind and way to a record a model, the fastest first.

    Parameters
    ----------
    taken
        Model -> milliseconds a round, of :func:`take_turns`.
    multiply_adds
        Model -> multiply-adds of one step.
    limits
        Of the same device in the same run.
    kind, way
        Copied into the records.
    baseline
        The model that the others are compared with.
    """
    timings = []
    for model, times in taken.items():
        rate = 1000 * multiply_adds[model] / min(times)
        base = taken.get(baseline)
        timings.append(
            Timing(
                model=model,
                kind=kind,
                way=way,
                median_ms=statistics.median(times),
                minimum_ms=min(times),
                multiply_adds=multiply_adds[model],
                rate=rate,
                of_limit=rate / limits.multiply_adds,
                ratio=None if base is None else statistics.median(a / b for a, b in zip(times, base, strict=True)),
            )
        )
    return sorted(timings, key=lambda timing: timing.minimum_ms)
