"""What ``hierattn benchmark models`` measures: every model on the same images, in PyTorch and as exported graph.

Within one kind (inference, training) all models and ways take turns with one another, round by round.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import onnxruntime
import torch
from torch import Tensor

from hierattn.benchmarks.onnx_runtime import runtime_limit, runtime_step
from hierattn.benchmarks.timing import (
    TRAINING_COST,
    Limits,
    Step,
    Timing,
    build_step,
    measure_limits,
    summarise,
    take_turns,
)
from hierattn.errors import UsageError
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import VARIANTS
from hierattn.progress import Progress

RUNTIME = "ONNX Runtime"


@dataclass(frozen=True)
class ModelsOptions:
    """What is timed, and how.

    Attributes
    ----------
    size, batch
        Pixels a side, and images at a time.
    rounds
        How often each is timed.
    threads
        Of the CPU.
    device
        ``cpu`` or ``cuda``.
    train
        A training step as well.
    onnx
        The exported graph in ONNX Runtime as well; on the CPU alone.
    plain
        HierAttn with plain attention and pooling as well.
    fast
        bfloat16, channels-last and torch.compile as well.
    """

    size: int = 256
    batch: int = 1
    rounds: int = 30
    threads: int = 1
    device: str = "cpu"
    train: bool = False
    onnx: bool = True
    plain: bool = False
    fast: bool = False

    @property
    def uses_runtime(self) -> bool:
        """Whether ONNX Runtime takes part."""
        return self.onnx and self.device == "cpu"

    @property
    def kinds(self) -> dict[str, list[str]]:
        """Kind -> the ways that are timed of it."""
        ways = [
            "eager",
            "channels-last",
            *(["plain"] if self.plain else []),
            *(["compiled bf16"] if self.fast else []),
        ]
        inference = [*ways, RUNTIME] if self.uses_runtime else ways
        return {"inference": inference, **({"training": ways} if self.train else {})}

    def images(self) -> Tensor:
        """Random images, float32 (batch, 3, size, size), once torch has its threads and its seed.

        Raises
        ------
        UsageError
            For a device that is not there.
        """
        if self.device != "cpu" and not (self.device.startswith("cuda") and torch.cuda.is_available()):
            raise UsageError(
                f"device {self.device}: wanted cpu, or cuda where torch sees a GPU, which it does not here"
            )
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
        return torch.rand(self.batch, 3, self.size, self.size, device=self.device)


@dataclass(frozen=True)
class ModelTimings:
    """What was measured.

    Attributes
    ----------
    options
        How.
    limits
        What one large product reaches, by runtime.
    timings
        One record a model, kind and way; within a kind and way the fastest first.
    """

    options: ModelsOptions
    limits: dict[str, Limits]
    timings: list[Timing]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **{name: getattr(self.options, name) for name in ("size", "batch", "rounds", "threads", "device")},
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
            "machine": platform.machine(),
            "limits": {where: asdict(limit) for where, limit in self.limits.items()},
            "timings": [asdict(timing) for timing in self.timings],
        }


def measure_models(names: Sequence[str], options: ModelsOptions, progress: Progress | None = None) -> ModelTimings:
    """Time registered models by name, all on the same images.

    Raises
    ------
    UsageError
        For a device that is not there.
    """
    images = options.images()
    limits = {"PyTorch": measure_limits(options.device)}
    if options.uses_runtime:
        limits[RUNTIME] = replace(limits["PyTorch"], multiply_adds=runtime_limit(options.threads))
    costs = {name: measure_complexity(name, size=options.size).multiply_adds * options.batch for name in names}
    timings = []
    for kind, ways in options.kinds.items():
        steps = _build_steps(names, kind, ways, images, options.threads, progress)
        taken = take_turns(steps, options.rounds, device=options.device, label=f"{kind}: timing", progress=progress)
        work = {name: cost * (TRAINING_COST if kind == "training" else 1) for name, cost in costs.items()}
        for way in ways:
            of_way = {name: taken[f"{way}|{name}"] for name in names if f"{way}|{name}" in taken}
            timings += summarise(of_way, work, limits.get(way, limits["PyTorch"]), kind=kind, way=way)
    return ModelTimings(options, limits, timings)


def _build_steps(
    names: Sequence[str], kind: str, ways: Sequence[str], images: Tensor, threads: int, progress: Progress | None
) -> dict[str, Step]:
    """``way|model`` -> its step; ``plain`` is for HierAttn alone."""
    pairs = [(way, name) for way in ways for name in names if way != "plain" or name in VARIANTS]
    steps = {}
    for number, (way, name) in enumerate(pairs, start=1):
        is_runtime = way == RUNTIME
        steps[f"{way}|{name}"] = (
            runtime_step(name, images, threads) if is_runtime else build_step(name, kind, way, images)
        )
        if progress is not None:
            progress(f"{kind}: building", number, len(pairs))
    return steps
