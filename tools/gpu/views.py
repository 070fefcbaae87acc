"""What a network is shown: photographs drawn by source and class, changed on the device, made ahead by a thread.

Every draw follows from (seed, chunk), so that a resumed run continues with the draws that it would have had.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from queue import Empty, Full, Queue
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hierattn.training.augmentation import augmentation
from hierattn.training.augmentation.ranges import AugmentationRanges
from hierattn.training.epoch_order import Cells


class Sampler:
    """Draws rows by cells of source and class.

    Parameters
    ----------
    rows
        The training rows.
    sources, labels
        Of all rows.
    rules
        ``by_source``: cells are of source and class, else of class alone; the others as
        :class:`~hierattn.training.epoch_order.Cells` takes them.
    """

    def __init__(
        self, rows: np.ndarray, sources: Sequence[str], labels: np.ndarray, rules: Mapping[str, Any], seed: int
    ) -> None:
        self.seed = seed
        self.drawn = Cells.of(
            [sources[row] for row in rows.tolist()],
            labels[rows],
            by=("source", "class") if rules["by_source"] else ("class",),
            power=rules["power"],
            least=rules["least"],
            source_weights=rules["source_weights"],
        )
        self.cells, self.shares = [rows[cell] for cell in self.drawn.rows], self.drawn.shares

    def draw(self, chunk: int, steps: int, batch: int) -> np.ndarray:
        """Rows, (steps, batch): each step as even over the cells as the shares allow."""
        generator = np.random.default_rng([self.seed, chunk])
        drawn = np.empty((steps, batch), np.int64)
        for step in range(steps):
            places = (np.arange(batch) + generator.random()) / batch
            cells = self.drawn.at(places)
            pools = np.array([len(self.cells[cell]) for cell in cells])
            picks = (generator.random(batch) * pools).astype(np.int64)
            chosen = [self.cells[cell][pick] for cell, pick in zip(cells, picks, strict=True)]
            drawn[step] = np.array(chosen)[generator.permutation(batch)]
        return drawn


@dataclass(frozen=True)
class Chunk:
    """Some steps' views: ``images`` (steps * batch, 3, side, side) in [0, 1]; mixup's shares and partners a step."""

    number: int
    images: Tensor
    labels: Tensor
    shares: tuple[float, ...]
    partners: Tensor
    ready: torch.cuda.Event | None = None


class Views:
    """Makes chunks of views on the device.

    Parameters
    ----------
    images
        uint8 (images, side, side, 3), on the device.
    labels
        int64 (images,), on the device.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, sampler: Sampler, table: Mapping[str, Any], steps: int, batch: int
    ) -> None:
        self.images, self.labels, self.sampler, self.table = images, labels, sampler, table
        self.steps, self.batch, self.size = steps, batch, int(table["size"])
        rules = table["augmentation"]
        known = {entry.name for entry in fields(AugmentationRanges)}
        colours = {name: value for name, value in rules.items() if name in known and name not in _POSE}
        none = {name: 0.0 for name in _POSE if name in known}
        self.ranges = AugmentationRanges(**colours, **none)
        self.stream = torch.cuda.Stream(priority=-1) if images.device.type == "cuda" else None

    def _on_stream(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream) if self.stream is not None else nullcontext()

    @torch.no_grad()
    def make(self, number: int) -> Chunk:
        """Chunk ``number``."""
        device, seed = self.images.device, self.table["seed"]
        rows = self.sampler.draw(number, self.steps, self.batch)
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        mixer = np.random.default_rng([seed, number, 1])
        with self._on_stream():
            chosen = torch.from_numpy(rows.ravel()).to(device)
            pixels = self.images[chosen].permute(0, 3, 1, 2).to(torch.float32).div_(255)
            views = posed(pixels, self.size, self.table["augmentation"], generator)
            changes = augmentation.draw(len(views), self.ranges, generator)
            identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).expand_as(changes.affine)
            views = augmentation.apply(views, replace(changes, affine=identity))
            shares, partners = self._mixes(mixer)
            there = partners.to(device)
            if any(share < 1 for share in shares):
                steps = views.unflatten(0, (self.steps, self.batch))
                views = torch.cat([step if share == 1 else torch.lerp(step[partner], step, share)
                                   for step, partner, share in zip(steps, there, shares, strict=True)])  # fmt: skip
            views = views.contiguous(memory_format=torch.channels_last)
            chunk = Chunk(number, views, self.labels[chosen], shares, there)
            if self.stream is not None:
                event = torch.cuda.Event()
                event.record(self.stream)
                chunk = replace(chunk, ready=event)
        return chunk

    def _mixes(self, generator: np.random.Generator) -> tuple[tuple[float, ...], Tensor]:
        rules = self.table["mixing"]
        shares = []
        for _ in range(self.steps):
            mixes, share = generator.random() < rules["probability"], 1.0
            if rules["mixup"] and mixes:
                share = float(generator.beta(rules["mixup"], rules["mixup"]))
            shares.append(share)
        partners = np.stack([generator.permutation(self.batch) for _ in range(self.steps)])
        return tuple(shares), torch.from_numpy(partners)


_POSE = ("rotation", "horizontal_flip", "vertical_flip", "scale", "stretch", "translation")


def posed(images: Tensor, size: int, rules: Mapping[str, float], generator: torch.Generator) -> Tensor:
    """Turn, flip, zoom, stretch and shift in one resampling: (batch, 3, h, w) -> (batch, 3, size, size)."""
    batch = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    angle = uniform(-1, 1) * math.radians(rules["rotation"])
    zoom = torch.exp(uniform(-math.log1p(rules["zoom_out"]), math.log1p(rules["zoom_in"])))
    stretch = torch.exp(uniform(-1, 1) * math.log1p(rules["stretch"]) / 2)
    mirror = torch.where(uniform(0, 1) < rules["horizontal_flip"], -1.0, 1.0)
    overturn = torch.where(uniform(0, 1) < rules["vertical_flip"], -1.0, 1.0)
    shift = uniform(-2 * rules["translation"], 2 * rules["translation"], 2)  # a side is two units long
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # From output to input: flipped, turned and zoomed; then the frame is stretched.
    affine = torch.stack(
        [
            torch.stack([cosine * mirror * stretch, -sine * overturn * stretch, shift[:, 0]], 1),
            torch.stack([sine * mirror / stretch, cosine * overturn / stretch, shift[:, 1]], 1),
        ],
        1,
    )
    grid = functional.affine_grid(affine.to(images.device), [batch, 3, size, size], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def ahead(make: Callable[[int], Chunk], first: int, depth: int) -> Iterator[Chunk]:
    """Chunks from number ``first`` on, made by a thread up to ``depth`` early; an error in it is raised here."""
    queue: Queue[Chunk | BaseException] = Queue(maxsize=depth)
    left = threading.Event()

    def put(item: Chunk | BaseException) -> None:
        while not left.is_set():
            try:
                queue.put(item, timeout=0.1)
                return
            except Full:
                continue

    def produce() -> None:
        number = first
        try:
            while not left.is_set():
                put(make(number))
                number += 1
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=produce, name="views", daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(timeout=0.05)
