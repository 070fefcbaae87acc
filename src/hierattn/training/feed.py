"""Feeding the network: packed images where they lie, or streamed ahead of it where the device cannot hold them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue

import numpy as np
import torch
from torch import Tensor

from hierattn.training.epoch_order import Cells

Batch = tuple[Tensor, Tensor, Tensor]
"""Images, labels and codes of answers; these have no column where nothing is asked."""
AHEAD = 3
"""Batches that a stream reads ahead of the device."""


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to ``device``; a GPU is not waited for, because the copy starts from pinned memory."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


@dataclass(frozen=True)
class TrainingImages:
    """The images to train on.

    Attributes
    ----------
    images
        uint8, (all images, size, size, 3): the packed set, in memory, memory-mapped or on the device.
    indices
        Which of them are the training part, int64, (training images,).
    labels
        Their class numbers, int64, (training images,).
    cells
        Of source and class, where they are drawn by these.
    answers
        Codes of all images' answers, float32, (all images, questions); None where nothing is asked.
    """

    images: np.ndarray | Tensor
    indices: np.ndarray
    labels: np.ndarray
    cells: Cells | None = None
    answers: np.ndarray | None = None

    def batches(self, positions: np.ndarray, size: int, device: torch.device) -> Iterator[Batch]:
        """Images (size, side, side, 3) uint8, labels (size,) int64 and codes of answers (size, questions) float32.

        For ``positions``, ``size`` at a time.

        On the device, the whole order goes over once and nothing is waited for. A set that the device cannot hold is
        read by a thread, ``AHEAD`` batches early.
        """
        if isinstance(self.images, Tensor):
            return self._resident(self.images, positions, size, device)
        read = self._read(self.images, positions, size, device)
        return read_ahead(read, AHEAD) if device.type == "cuda" else read

    def _resident(self, images: Tensor, positions: np.ndarray, size: int, device: torch.device) -> Iterator[Batch]:
        rows = send(torch.from_numpy(self.indices[positions]), device)
        labels = send(torch.from_numpy(self.labels[positions]), device)
        answers = send(self._answers(positions), device)
        for start in range(0, len(positions), size):
            part = slice(start, start + size)
            yield images[rows[part]], labels[part], answers[part]

    def _answers(self, positions: np.ndarray) -> Tensor:
        if self.answers is None:
            return torch.zeros(len(positions), 0)
        return torch.from_numpy(self.answers[self.indices[positions]])

    def _read(self, images: np.ndarray, positions: np.ndarray, size: int, device: torch.device) -> Iterator[Batch]:
        for start in range(0, len(positions), size):
            chosen = positions[start : start + size]
            pixels = torch.from_numpy(np.ascontiguousarray(images[self.indices[chosen]]))
            labels = torch.from_numpy(self.labels[chosen])
            yield send(pixels, device), send(labels, device), send(self._answers(chosen), device)


def read_ahead(batches: Iterator[Batch], ahead: int) -> Iterator[Batch]:
    """The same batches, made by a thread up to ``ahead`` early; an error in it is raised here."""
    queue: Queue[Batch | BaseException | None] = Queue(maxsize=ahead)
    left = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not left.is_set():
            try:
                queue.put(item, timeout=0.1)
                return
            except Full:
                continue

    def produce() -> None:
        try:
            for batch in batches:
                put(batch)
                if left.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        while thread.is_alive():  # a producer that waits for room would not see that the reader has left
            try:
                queue.get_nowait()
            except Empty:
                thread.join(timeout=0.05)


class Stopwatch:
    """Iterates over batches and counts the seconds that the loop waited for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches, self.waited = batches, 0.0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        began = time.perf_counter()
        try:
            return next(self.batches)
        finally:
            self.waited += time.perf_counter() - began
