"""What ``hierattn benchmark training`` measures: the packed set against a plain DataLoader of JPEG files, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, UsageError
from hierattn.models.complexity import measure_complexity
from hierattn.run_folder import RunFolder
from hierattn.training.devices import create_fabric, precision_on
from hierattn.training.feed import Batch, Stopwatch
from hierattn.training.listener import Silent
from hierattn.training.loop import Learner, prepare_images, take_step
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run


@dataclass(frozen=True)
class FeedingSpeed:
    """Medians over the rounds, each of which ran all three ways in turn.

    Attributes
    ----------
    device, model, size, batch_size, precision, compile, workers, rounds, steps
        What was measured. ``workers`` are the plain loader's.
    packed_resident
        Whether the packed set lay on the device.
    source_side
        Mean longer side of the JPEG files, in pixels: decoding costs by it.
    network_images_per_second
        One batch over and over: no feeding, no augmentation. What the model and the device allow.
    packed_images_per_second, plain_images_per_second
        Ours, and the plain pipeline (PIL: decode, resize, rotate, flip).
    packed_waiting, plain_waiting
        Share of the time that the loop waited for data.
    ratio
        Packed over plain, the median of the rounds' own ratios, with the least and the greatest.
    teraflops, matmul_teraflops
        What training at ``packed_images_per_second`` computes (three forward passes' multiply-adds, each two
        operations), and what a large matrix product reaches on this device at this precision.
    """

    device: str
    model: str
    size: int
    batch_size: int
    precision: str
    compile: str
    workers: int
    rounds: int
    steps: int
    packed_resident: bool
    source_side: float
    network_images_per_second: float
    packed_images_per_second: float
    plain_images_per_second: float
    packed_waiting: float
    plain_waiting: float
    ratio: tuple[float, float, float]
    teraflops: float
    matmul_teraflops: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class JpegFiles(Dataset[tuple[Tensor, int]]):
    """The plain pipeline: decode with Pillow, resize, and the paper's augmentation, one image at a time on the host."""

    def __init__(self, paths: list[Path], labels: np.ndarray, size: int, rotation: float) -> None:
        self.paths, self.labels, self.size, self.rotation = paths, labels, size, rotation

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        """(3, size, size) float32 in [0, 1], and the class."""
        with Image.open(self.paths[row]) as file:
            image = file.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        angle, mirror = (2 * float(torch.rand(())) - 1) * self.rotation, float(torch.rand(())) < 0.5
        image = image.rotate(angle, Image.Resampling.BILINEAR)
        if mirror:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255), int(self.labels[row])


def measure_feeding(
    recipe: Recipe, *, device: str = "auto", rounds: int = 5, steps: int = 10, workers: int = 0
) -> FeedingSpeed:
    """Measure, in turns, the network alone, training from the packed set, and training from JPEG files.

    Parameters
    ----------
    recipe
        With ``data.prepared``, whose manifest leads to the JPEG files. Mixing and a teacher are left out.
    device
        ``auto``, ``cpu`` or ``cuda``.
    rounds, steps
        Turns, and timed steps in each; one more warms up.
    workers
        Processes of the plain loader; 0 decodes in this one.

    Raises
    ------
    UsageError, DataError
        Where there is nothing to measure: no set, no files, no rounds.
    """
    if rounds < 1 or steps < 2:
        raise UsageError(f"{rounds} rounds of {steps} steps: wanted at least 1 of 2")
    recipe = replace(recipe, mixing=type(recipe.mixing)(), distillation=type(recipe.distillation)())
    packed = PackedSet.open(Path(recipe.data.prepared))
    fabric, precision = create_fabric(device, recipe), precision_on(device, recipe.precision)
    with TemporaryDirectory(prefix="hierattn-benchmark-") as name:
        run = Run(recipe, RunFolder(Path(name)), packed, fabric, Silent())
    paths, side = _source_files(packed, run.training.indices)
    loader = _plain_loader(run, paths, workers)
    ways = _Ways(run.learner, steps)
    rows = [(ways.network(), ways.packed(number), ways.plain(loader)) for number in range(rounds)]
    alone, ours, theirs = ([row[way] for row in rows] for way in range(3))
    ratios = [mine.speed / other.speed for mine, other in zip(ours, theirs, strict=True)]
    speed = statistics.median(turn.speed for turn in ours)
    size, classes = packed.image_spec.size, len(run.classes)
    cost = measure_complexity(recipe.model.name, num_classes=classes, size=size)
    return FeedingSpeed(
        device=torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "CPU",
        model=recipe.model.name,
        size=size,
        batch_size=recipe.optimiser.batch_size,
        precision=precision,
        compile=recipe.compile,
        workers=workers,
        rounds=rounds,
        steps=steps,
        packed_resident=isinstance(run.images, Tensor),
        source_side=side,
        network_images_per_second=statistics.median(turn.speed for turn in alone),
        packed_images_per_second=speed,
        plain_images_per_second=statistics.median(turn.speed for turn in theirs),
        packed_waiting=statistics.median(turn.waiting for turn in ours),
        plain_waiting=statistics.median(turn.waiting for turn in theirs),
        ratio=(statistics.median(ratios), min(ratios), max(ratios)),
        teraflops=speed * cost.multiply_adds * 2 * 3 / 1e12,
        matmul_teraflops=matmul_teraflops(fabric.device, bfloat16=precision == "bf16-mixed"),
    )


def _plain_loader(run: Run, paths: list[Path], workers: int) -> DataLoader[tuple[Tensor, int]]:
    """The plain pipeline over the training images of ``run``, in its batches."""
    recipe = run.recipe
    return DataLoader(
        JpegFiles(paths, run.training.labels, run.packed.image_spec.size, recipe.augmentation.rotation),
        batch_size=recipe.optimiser.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=run.fabric.device.type == "cuda",
    )


@dataclass(frozen=True)
class _Turn:
    speed: float
    waiting: float


class _Ways:
    """The three ways to run a turn of ``steps`` timed steps."""

    def __init__(self, learner: Learner, steps: int) -> None:
        self.learner, self.steps = learner, steps
        self.size, self.device = learner.recipe.optimiser.batch_size, learner.fabric.device
        learner.model.train()

    def network(self) -> _Turn:
        """The same batch over and over."""
        images = torch.rand(self.size, 3, self.learner.spec.size, self.learner.spec.size, device=self.device)
        images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        answers = torch.zeros(self.size, 0)
        endless = iter(lambda: (images, labels, answers), None)
        return self._turn(endless, lambda pixels, _: pixels)

    def packed(self, number: int) -> _Turn:
        """From the packed set, augmented on the device."""
        data = self.learner.data
        wanted = (self.steps + 1) * self.size
        order = np.resize(np.random.default_rng(number).permutation(len(data.labels)), wanted)
        batches = data.batches(order, self.size, self.device)
        return self._turn(batches, lambda pixels, step: prepare_images(self.learner, pixels, number, step)[0])

    def plain(self, loader: DataLoader[tuple[Tensor, int]]) -> _Turn:
        """From JPEG files; its workers begin with the turn and read ahead while it warms up, to its advantage."""
        return self._turn(_endless(loader, self.device), lambda images, _: images)

    def _turn(self, batches: Iterator[Batch], prepare: Callable[[Tensor, int], Tensor]) -> _Turn:
        watch = Stopwatch(batches)
        began = 0.0
        for step, (pixels, labels, _) in enumerate(watch):
            take_step(self.learner, prepare(pixels, step), labels, None)
            if step == 0:
                self._synchronise()
                began, watch.waited = time.perf_counter(), 0.0
            if step == self.steps:
                break
        self._synchronise()
        taken = time.perf_counter() - began
        return _Turn(self.steps * self.size / taken, watch.waited / taken)

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _endless(loader: DataLoader[tuple[Tensor, int]], device: torch.device) -> Iterator[Batch]:
    while True:
        for images, labels in loader:
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True), labels.new_zeros(0)


def _source_files(packed: PackedSet, rows: np.ndarray) -> tuple[list[Path], float]:
    """The files behind the training images, and their mean longer side."""
    records = [packed.records[row] for row in rows]
    paths = [packed.folder / record.image for record in records]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing} is not there, and the plain pipeline reads the source files: wanted a set prepared "
                        "from files that are still where they were")  # fmt: skip
    return paths, float(np.mean([max(record.width, record.height) for record in records]))


def matmul_teraflops(device: torch.device, *, bfloat16: bool) -> float:
    """What the best of five large matrix products reaches: the device's arithmetic limit in practice."""
    side = 8192 if device.type == "cuda" else 1024
    one = torch.rand(side, side, device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32)
    best = float("inf")
    for _ in range(6):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        torch.mm(one, one)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e12
