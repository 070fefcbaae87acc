"""What ``hierattn benchmark inference`` measures: models in every runtime, in one run, on the same image."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime
import torch

from hierattn.benchmarks.runtimes import RUNTIMES, RunnableModel, build_runnable, model_of, peak_memory
from hierattn.benchmarks.timing import take_turns
from hierattn.errors import UsageError
from hierattn.progress import Progress

REFERENCE = ("mobilenet_v2", "onnx")
"""What ratios are taken to: MobileNetV2, exported by the plain route."""


@dataclass(frozen=True)
class InferenceOptions:
    """What is timed, and how.

    Attributes
    ----------
    runtimes
        Some of :data:`~hierattn.benchmarks.runtimes.RUNTIMES`.
    size
        Pixels a side.
    threads, batch
        Each number of threads is measured with each number of images at a time.
    rounds
        How often each is timed.
    memory
        Measure memory too, each model in a fresh process.
    processor_time
        Count the processor time of all threads in place of the time that passes: for a busy machine.
    """

    runtimes: tuple[str, ...] = ("pytorch", "onnx", "bundle")
    size: int = 256
    threads: tuple[int, ...] = (1, 2)
    batch: tuple[int, ...] = (1, 64)
    rounds: int = 30
    memory: bool = False
    processor_time: bool = False

    def __post_init__(self) -> None:
        if not self.runtimes or not set(self.runtimes) <= set(RUNTIMES):
            raise UsageError(f"runtimes {','.join(self.runtimes)}: wanted some of {','.join(RUNTIMES)}")


@dataclass(frozen=True)
class InferenceTiming:
    """One model in one runtime under one setting; times in milliseconds an image.

    ``images_per_second`` is by the median, counted in the same time.
    ``ratio`` is the median over the rounds of its time over the reference's in the same round; None without that.
    """

    model: str
    runtime: str
    threads: int
    batch: int
    mean_ms: float
    median_ms: float
    p95_ms: float
    images_per_second: float
    ratio: float | None
    bytes: int
    peak_bytes: int | None


def measure_inference(
    names: Sequence[str], options: InferenceOptions, progress: Progress | None = None
) -> list[InferenceTiming]:
    """Time models as :func:`~hierattn.benchmarks.runtimes.build_runnable` names them, in turns, round by round.

    Raises
    ------
    UsageError
        For an unknown model or option, before any is built.
    """
    for name in names:
        model_of(name)
    pairs = [(name, runtime) for name in names for runtime in options.runtimes]
    runnables = []
    for number, (name, runtime) in enumerate(pairs, start=1):
        runnables.append(build_runnable(name, runtime, options.size))
        if progress is not None:
            progress("building", number, len(pairs))
    peaks: dict[tuple[str, str], int | None] = {}
    for number, runnable in enumerate(runnables if options.memory else (), start=1):
        peaks[runnable.model, runnable.runtime] = peak_memory(runnable, options.size)
        if progress is not None:
            progress("measuring memory", number, len(runnables))
    return [
        row
        for threads in options.threads
        for batch in options.batch
        for row in _time(runnables, threads, batch, options, peaks, progress)
    ]


def _time(
    runnables: Sequence[RunnableModel],
    threads: int,
    batch: int,
    options: InferenceOptions,
    peaks: dict[tuple[str, str], int | None],
    progress: Progress | None,
) -> list[InferenceTiming]:
    steps = {f"{runnable.runtime}|{runnable.model}": runnable.make(threads, batch) for runnable in runnables}
    label = f"{threads} threads, batch {batch}"
    clock = time.process_time if options.processor_time else time.perf_counter
    taken = take_turns(steps, options.rounds, label=label, progress=progress, clock=clock)
    reference = taken.get(f"{REFERENCE[1]}|{REFERENCE[0]}")
    rows = []
    for runnable in runnables:
        times = np.asarray(taken[f"{runnable.runtime}|{runnable.model}"]) / batch
        rows.append(
            InferenceTiming(
                model=runnable.model,
                runtime=runnable.runtime,
                threads=threads,
                batch=batch,
                mean_ms=float(np.mean(times)),
                median_ms=float(np.median(times)),
                p95_ms=float(np.percentile(times, 95)),
                images_per_second=1000 / float(np.median(times)),
                ratio=None if reference is None else float(np.median(times / (np.asarray(reference) / batch))),
                bytes=runnable.size,
                peak_bytes=peaks.get((runnable.model, runnable.runtime)),
            )
        )
    return rows


def to_dict(rows: Sequence[InferenceTiming], options: InferenceOptions) -> dict[str, Any]:
    """Everything measured, as plain values for JSON."""
    return {
        "size": options.size,
        "rounds": options.rounds,
        "time": "processor" if options.processor_time else "wall",
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "machine": platform.machine(),
        "reference": list(REFERENCE),
        "rows": [asdict(row) for row in rows],
    }
