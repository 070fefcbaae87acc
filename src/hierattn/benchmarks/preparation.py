"""What preparing and balancing cost: each step by itself, on one core and on two, and the whole of a large set.

Two figures a step. *CPU milliseconds an image* hold on a busy machine too, and are what docs/scale.md extrapolates.
*Images a second* are wall clock; one core and two take turns in every round, so that their ratio holds as well as it
can on a machine that does other things.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from hierattn.errors import DataError
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import crop, find_crop
from hierattn.preprocessing.photograph import read_photograph
from hierattn.taxonomy import CODES

Progress = Callable[[str, int, int], None]

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
class WholeCost:
    """What one command costs in a process of its own.

    Attributes
    ----------
    images
        It was given.
    seconds, cpu_seconds
        Wall clock, and CPU time of the process and its children.
    peak_mb
        The largest resident memory, in 10^6 bytes; pages of mapped files count in it.
    steps
        What it says of its own steps, in seconds.
    """

    images: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    steps: Mapping[str, float]


def measure_steps(
    scratch: Path,
    *,
    photograph: int = 600,
    size: int = 256,
    images: int = 400,
    rounds: int = 3,
    cores: Sequence[int] = (1, 2),
    seed: int = 0,
    progress: Progress | None = None,
) -> list[StepCost]:
    """Time every step on rendered lesions, on each number of cores in turn.

    Parameters
    ----------
    scratch
        A folder for what packing writes.
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
    """
    files = _photographs(photograph, seed)
    photographs = [read_photograph(content, name="rendered") for content in files]
    spec = ImageSpec(size=size)
    packed = np.stack([spec.resize(one) for one in photographs])
    compared = np.stack([comparison_picture(one) for one in photographs])
    labels = np.array([CODES[k % len(CODES)] for k in range(images)])
    learnt = np.random.default_rng(seed).normal(size=(images, 136)).astype(np.float32)
    learnt[:, : len(CODES)] += np.eye(len(CODES))[[CODES.index(code) for code in labels]]
    changes = [draw_change(np.random.default_rng([seed, k])) for k in range(images)]

    def features(name: str) -> Callable[[Sequence[int]], object]:
        return lambda some: extract_features(packed, name, np.array(some) % _FEW)

    steps: dict[str, Callable[[Sequence[int]], object]] = {
        "decode": lambda some: [read_photograph(files[k % _FEW], name="rendered") for k in some],
        "crop": lambda some: [crop(photographs[k % _FEW], find_crop(photographs[k % _FEW])) for k in some],
        "resize": lambda some: [spec.resize(photographs[k % _FEW]) for k in some],
        "comparison picture": lambda some: [comparison_picture(photographs[k % _FEW], spec) for k in some],
        "pack": lambda some: _pack(scratch / f"images-{some[0]}.npy", packed, some),
        "features, colour-texture": features("colour-texture"),
        "features, pixels": features("pixels"),
        "over-sampling": lambda some: [apply_change(packed[k % _FEW], changes[k]) for k in some],
    }
    whole: dict[str, Callable[[int], object]] = {
        "near-duplicates": lambda jobs: find_near_duplicates(_many(compared, images), jobs=jobs),
        "hardness, forest": lambda jobs: instance_hardness(
            learnt, labels, make_learners(["forest"], seed), CrossFitting(seed=seed, jobs=jobs)
        ),
    }
    timed: dict[str, Callable[[int], object]] = {name: _shared(work, images) for name, work in steps.items()} | whole
    costs = []
    for number, (name, work) in enumerate(timed.items()):
        if progress is not None:
            progress("timing", number, len(timed))
        costs.append(_cost(name, images, work, cores, rounds))
    return costs


def _cost(name: str, images: int, work: Callable[[int], object], cores: Sequence[int], rounds: int) -> StepCost:
    wall: dict[int, list[float]] = {count: [] for count in cores}
    cpu = []
    work(cores[0])  # imports and caches
    for _ in range(rounds):
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
            render_lesion(CODES[k % len(CODES)], np.random.default_rng([seed, k]), min(side, 1024)).image
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
    for k, image in enumerate(many):
        down, across = 17 * k, 51 * k + 29 * (k // 640)  # at 128 pixels the first alone would come round after 640
        image[:] = np.roll(packed[k % len(packed)], (down, across), axis=(0, 1))
    return many


def _pack(path: Path, packed: np.ndarray, some: Sequence[int]) -> None:
    with PackedWriter(path, packed.shape[1], at_most=len(some)) as writer:
        for k in some:
            writer.append(packed[k % len(packed)])
    path.unlink()


def measure_balance(prepared: Path, out: Path, images: int, options: Sequence[str]) -> WholeCost:
    """Run ``hierattn balance`` in a process of its own, and say what it took.

    Raises
    ------
    DataError
        Where the command fails; tells its last line.
    """
    command = [sys.executable, "-m", "hierattn", "balance", str(prepared), str(out), "--json", *options]
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    *complaint, usage = ended.stderr.strip().splitlines() or [""]
    if ended.returncode:
        last = complaint[-1] if complaint else "no word"
        raise DataError(f"hierattn balance failed with {ended.returncode} ({last}): run it by hand to see more")
    cpu_seconds, peak = json.loads(usage)
    return WholeCost(
        images=images,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_mb=peak * (1 if sys.platform == "darwin" else 1024) / 1e6,
        steps=json.loads(ended.stdout)["seconds"],
    )


# A process between: the system counts as a child's peak what its parent held when it was started, and whoever measures
# may hold much more than what is measured.
_LAUNCHER = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss]), file=sys.stderr)
sys.exit(abs(child.returncode))
"""


def to_dict(steps: Sequence[StepCost], wholes: Sequence[WholeCost], setting: Mapping[str, Any]) -> dict[str, Any]:
    """Everything measured, as plain values for JSON."""
    return {
        "setting": dict(setting),
        "steps": [asdict(step) for step in steps],
        "balance": [asdict(whole) for whole in wholes],
    }
