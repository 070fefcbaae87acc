"""What the steps of preparing and balancing cost, each by itself, on one core and on two (whole sets: ``balance.py``).

Two figures a step. *CPU milliseconds an image* hold on a busy machine too, and are what docs/scale.md extrapolates.
*Images a second* are wall clock; one core and two take turns in every round, so that their ratio holds as well as it
can on a machine that does other things.
"""

from __future__ import annotations

import io
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.balance.hardness_features import BATCH, extract_features
from hierattn.data.balance.instance_hardness import CrossFitting, instance_hardness, make_learners
from hierattn.data.balance.oversampling import apply_change, draw_change
from hierattn.data.engines import run_in_waves
from hierattn.data.near_duplicates.comparison_picture import comparison_picture
from hierattn.data.near_duplicates.search import find_near_duplicates
from hierattn.data.prepared_set.packed import PackedWriter
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.files import cores
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import crop, find_crop
from hierattn.preprocessing.photograph import read_photograph
from hierattn.progress import Progress
from hierattn.taxonomy.built_in import EIGHT

_FEW = 40  # photographs that are decoded again and again: what is large is rendered once


@dataclass(frozen=True)
class StepCost:
    """What one step costs.

    Attributes
    ----------
    name
        Of the step.
    images
        In one round.
    cpu_ms
        CPU milliseconds an image on one core, the median over the rounds.
    per_second
        Cores -> images a second, wall clock, the median over the rounds.
    speed_up
        Images a second on two cores over those on one in the same round, the median over the rounds.
    """

    name: str
    images: int
    cpu_ms: float
    per_second: Mapping[int, float]
    speed_up: float


@dataclass(frozen=True)
class StepOptions:
    """What the steps are timed on.

    Attributes
    ----------
    photograph
        Pixels a side of the JPEG files that are decoded; over 1024 they are enlarged renderings.
    size
        Pixels a side of the packed images.
    images
        In a round.
    rounds
        How often each is timed.
    cores
        One or more numbers of threads; the first is what the others are compared with.
    seed
        Of the rendered lesions.
    """

    photograph: int = 600
    size: int = 256
    images: int = 400
    rounds: int = 3
    cores: tuple[int, ...] = (1, 2)
    seed: int = 0


def measure_steps(scratch: Path, options: StepOptions, progress: Progress | None = None) -> list[StepCost]:
    """Time every step on rendered lesions, on each number of cores in turn; ``scratch`` is for what packing writes."""
    timed = _steps(scratch, options)
    costs = []
    for number, (name, work) in enumerate(timed.items(), start=1):
        costs.append(_cost(name, work, options))
        if progress is not None:
            progress("timing", number, len(timed))
    return costs


def _steps(scratch: Path, options: StepOptions) -> dict[str, Callable[[int], object]]:
    """Name -> what does one round of that step on so many cores."""
    images, seed = options.images, options.seed
    files = _photographs(options.photograph, seed)
    photographs = [read_photograph(content, name="rendered") for content in files]
    spec = ImageSpec(size=options.size)
    packed = np.stack([spec.resize(photograph) for photograph in photographs])
    compared = np.stack([comparison_picture(photograph) for photograph in photographs])
    labels = np.array([EIGHT.codes[k % len(EIGHT.codes)] for k in range(images)])
    features = np.random.default_rng(seed).normal(size=(images, 136)).astype(np.float32)
    features[:, : len(EIGHT.codes)] += np.eye(len(EIGHT.codes))[[EIGHT.codes.index(code) for code in labels]]
    changes = [draw_change(np.random.default_rng([seed, k])) for k in range(images)]

    def extraction(name: str) -> Callable[[Sequence[int]], object]:
        return lambda some: extract_features(packed, name, np.array(some) % _FEW)

    shared: dict[str, Callable[[Sequence[int]], object]] = {
        "decode": lambda some: [read_photograph(files[k % _FEW], name="rendered") for k in some],
        "crop": lambda some: [crop(photographs[k % _FEW], find_crop(photographs[k % _FEW])) for k in some],
        "resize": lambda some: [spec.resize(photographs[k % _FEW]) for k in some],
        "comparison picture": lambda some: [comparison_picture(photographs[k % _FEW], spec) for k in some],
        "pack": lambda some: _pack(scratch / f"images-{some[0]}.npy", packed, some),
        "features, colour-texture": extraction("colour-texture"),
        "features, pixels": extraction("pixels"),
        "over-sampling": lambda some: [apply_change(packed[k % _FEW], changes[k]) for k in some],
    }
    whole: dict[str, Callable[[int], object]] = {
        "near-duplicates": lambda jobs: find_near_duplicates(_many(compared, images), jobs=jobs),
        "hardness, forest": lambda jobs: instance_hardness(
            features, labels, make_learners(["forest"], seed), CrossFitting(seed=seed, jobs=jobs)
        ),
    }
    return {name: _shared(work, images) for name, work in shared.items()} | whole


def _cost(name: str, work: Callable[[int], object], options: StepOptions) -> StepCost:
    images, cores = options.images, options.cores
    wall: dict[int, list[float]] = {count: [] for count in cores}
    cpu = []
    work(cores[0])  # imports and caches
    for _ in range(options.rounds):
        for count in cores:
            began, spent = time.perf_counter(), time.process_time()
            work(count)
            wall[count].append(time.perf_counter() - began)
            if count == cores[0]:
                cpu.append(time.process_time() - spent)
    ratios = [one / other for one, other in zip(wall[cores[0]], wall[cores[-1]], strict=True)]
    return StepCost(
        name=name,
        images=images,
        cpu_ms=1000 * statistics.median(cpu) / images,
        per_second={count: images / statistics.median(times) for count, times in wall.items()},
        speed_up=statistics.median(ratios),
    )


def _shared(work: Callable[[Sequence[int]], object], images: int) -> Callable[[int], object]:
    """``work`` on all images in chunks, over as many threads as it is called with."""
    chunks = [range(start, min(start + BATCH, images)) for start in range(0, images, BATCH)]

    def run(jobs: int) -> None:
        for _ in run_in_waves(work, chunks, jobs=jobs, wave=len(chunks)):
            pass

    return run


def _photographs(side: int, seed: int) -> list[bytes]:
    """JPEG files of rendered lesions, quality 95."""
    files = []
    for k in range(_FEW):
        image = Image.fromarray(
            render_lesion(EIGHT.codes[k % len(EIGHT.codes)], np.random.default_rng([seed, k]), min(side, 1024)).image
        )
        if side > 1024:
            image = image.resize((side, side), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=95)
        files.append(buffer.getvalue())
    return files


def _many(packed: np.ndarray, images: int) -> np.ndarray:
    """As many different images: the few, each shifted round by another distance, so that no two are near-duplicates."""
    many = np.empty((images, *packed.shape[1:]), np.uint8)
    for k in range(images):
        down, across = 17 * k, 51 * k + 29 * (k // 640)  # at 128 pixels the first alone would come round after 640
        many[k] = np.roll(packed[k % len(packed)], (down, across), axis=(0, 1))
    return many


def _pack(path: Path, packed: np.ndarray, some: Sequence[int]) -> None:
    with PackedWriter(path, packed.shape[1], at_most=len(some)) as writer:
        for k in some:
            writer.append(packed[k % len(packed)])
    path.unlink()


def machine() -> str:
    """The machine in a few words, for the head of a table."""
    return f"{cores()} cores, {platform.machine()}, Python {platform.python_version()}"
