"""§3.2.2, §4.1.1: what a split by image measures, with a classifier that only remembers what it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from drawing import ACCENT, INK, LINE, SECOND, chart, new_figure
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.metrics import balanced_accuracy
from hierattn.models.hierattn import HierAttn
from hierattn.taxonomy.built_in import EIGHT

UNSEEN = (0, 1)
"""The folds whose images moved no weight of the network that describes them."""


@dataclass(frozen=True)
class Described:
    """``features`` (N, D), ``labels`` (N,), ``lesions`` (N,): which lesion each image shows."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    lesions: NDArray[np.int64]


def describe(model: HierAttn, prepared: Path) -> tuple[Described, NDArray[np.float32]]:
    """The unseen images by the network's last features; and those of a copy of each: flipped, turned by 10 degrees."""
    packed = PackedSet.open(prepared)
    rows = [row for row, record in enumerate(packed.records) if record.fold in UNSEEN]
    images = torch.from_numpy(np.asarray(packed.images[rows])).permute(0, 3, 1, 2).float() / 255
    copies = F.rotate(images.flip(3), 10.0, interpolation=F.InterpolationMode.BILINEAR)
    labels = np.array([EIGHT.codes.index(packed.records[row].label) for row in rows])
    lesions = np.unique([packed.records[row].group for row in rows], return_inverse=True)[1]
    seen = _features(model, images)
    centre, spread = seen.mean(0), seen.std(0) + 1e-6
    return Described((seen - centre) / spread, labels, lesions), (_features(model, copies) - centre) / spread


def _features(model: HierAttn, images: Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        parts = [model.head_conv(model.branch(model.forward_stages(batch))) for batch in images.split(64)]
    return np.asarray(torch.cat([part.abs().mean((2, 3)) for part in parts]))


def nearest_neighbour(described: Described, labels: NDArray[np.int64], folds: NDArray[np.int64]) -> float:
    """Balanced accuracy when each image takes the label of its nearest neighbour in the other folds."""
    squares = np.square(described.features).sum(1)
    answers = np.zeros_like(labels)
    for fold in np.unique(folds):
        asked, shown = folds == fold, folds != fold
        distance = squares[shown][None] - 2 * described.features[asked] @ described.features[shown].T
        answers[asked] = labels[shown][distance.argmin(1)]
    return balanced_accuracy(labels, np.eye(len(EIGHT.codes))[answers])


def both_splits(described: Described, labels: NDArray[np.int64], seed: int, folds: int = 5) -> tuple[float, float]:
    """Balanced accuracy with folds by image and with folds by lesion."""
    generator = np.random.default_rng(seed)
    by_image = generator.permutation(np.arange(len(labels)) % folds)
    by_lesion = generator.permutation(np.arange(described.lesions.max() + 1) % folds)[described.lesions]
    return nearest_neighbour(described, labels, by_image), nearest_neighbour(described, labels, by_lesion)


def measured(described: Described, copies: NDArray[np.float32], repeats: int = 5) -> dict[str, NDArray[np.float64]]:
    """Mean over the repeats, (by image, by lesion), of three questions."""
    doubled = Described(
        np.concatenate([described.features, copies]),
        np.tile(described.labels, 2),
        np.concatenate([described.lesions] * 2),
    )
    accuracies: dict[str, list[tuple[float, float]]] = {}
    for seed in range(repeats):
        random = np.random.default_rng(seed).integers(0, len(EIGHT.codes), described.lesions.max() + 1)
        for name, of, labels in (
            ("true labels", described, described.labels),
            ("a random label\na lesion", described, random[described.lesions]),
            ("the same, with a\nturned copy of each", doubled, random[doubled.lesions]),
        ):
            accuracies.setdefault(name, []).append(both_splits(of, labels, seed))
    return {name: np.mean(values, axis=0) for name, values in accuracies.items()}


def draw(model: HierAttn, prepared: Path) -> Figure:
    """Two bars a question, and the line of chance."""
    accuracies = measured(*describe(model, prepared))
    figure = new_figure(3.6)
    axis = figure.subplots()
    chart(axis)
    axis.grid(axis="y", color=LINE, linewidth=0.6)
    for row, values in enumerate(accuracies.values()):
        for column, (split, colour) in enumerate((("by image", SECOND), ("by lesion", ACCENT))):
            place = row + 0.2 * (2 * column - 1)
            axis.bar(place, values[column], 0.36, color=colour, label=f"folds {split}" if row == 0 else None)
            axis.text(place, values[column] + 0.01, f"{values[column]:.2f}", ha="center", fontsize=10, color=INK)
    axis.axhline(1 / len(EIGHT.codes), color=INK, linestyle=":", linewidth=1, label="chance")
    axis.set_xticks(range(len(accuracies)), list(accuracies), fontsize=9)
    axis.set_ylim(0, 1)
    axis.set_ylabel("balanced accuracy of a nearest neighbour", fontsize=9, color=INK)
    axis.legend(fontsize=9, frameon=False, loc="upper right")
    return figure
