"""From a network and a prepared set to a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.measures.class_bias import softmax
from hierattn.evaluation.predictions import Predictions
from hierattn.image_spec import ImageSpec
from hierattn.models.asking import AskingNetwork
from hierattn.models.inference import predict_logits
from hierattn.models.weights.checkpoint import count_parameters
from hierattn.progress import Progress, silent
from hierattn.taxonomy.records import Taxonomy


class Answering(Protocol):
    """What answers for images, rows of a prepared set: a network in torch, or an exported bundle."""

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes in the order of its answers."""

    @property
    def parameters(self) -> int:
        """The number of its learnable values."""

    def probabilities(
        self, images: np.ndarray, rows: Sequence[int] | np.ndarray, progress: Progress | None = None, step: str = ""
    ) -> np.ndarray:
        """Of some rows of uint8 images, (N, C) in float64."""


@dataclass(frozen=True)
class Network:
    """A network that is ready to predict.

    Attributes
    ----------
    model
        On ``device``.
    taxonomy
        The classes in the order of its outputs.
    spec
        What it expects of an image.
    device
        Where it runs.
    batch_size
        Images in one forward pass.
    """

    model: nn.Module
    taxonomy: Taxonomy
    spec: ImageSpec
    device: str = "cpu"
    batch_size: int = 64

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of the classes in the order of its outputs."""
        return self.taxonomy.codes

    @property
    def asks(self) -> bool:
        """Whether it reads answers beside the photograph; without any it answers from the photograph alone."""
        return isinstance(self.model, AskingNetwork)

    @property
    def parameters(self) -> int:
        """The number of its learnable values."""
        return count_parameters(self.model)

    def probabilities(
        self, images: np.ndarray, rows: Sequence[int] | np.ndarray, progress: Progress | None = None, step: str = ""
    ) -> np.ndarray:
        """Of some rows of uint8 images, (N, C) in float64.

        Raises
        ------
        DataError
            Where the network's output is not finite.
        """
        return probabilities_of(self.logits(images, rows, progress, step))

    def logits(
        self, images: np.ndarray, rows: Sequence[int] | np.ndarray, progress: Progress | None = None, step: str = ""
    ) -> np.ndarray:
        """Of some rows of uint8 images, (N, C) in float32, from the photographs alone."""
        tell = progress or silent
        logits = predict_logits(
            self.model,
            images,
            rows,
            self.spec,
            batch_size=self.batch_size,
            device=self.device,
            progress=lambda _, done, total: tell(step, done, total),
        )
        return logits.reshape(len(rows), len(self.classes))


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits, (N, C) -> (N, C).

    Raises
    ------
    DataError
        Where one is not finite.
    """
    if not np.isfinite(logits).all():
        raise DataError("the network's output is nan or infinite: its weights are damaged or diverged; train it again")
    return softmax(logits) if len(logits) else np.zeros(logits.shape)


def choose_device(name: str) -> str:
    """The torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UsageError
        For another name, or a device that is not here.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {name!r}: wanted auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch finds no such device here; use --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def predict_rows(
    network: Answering,
    packed: PackedSet,
    rows: Sequence[int] | np.ndarray,
    *,
    progress: Progress | None = None,
    step: str = "",
) -> Predictions:
    """Predictions for the given rows of a prepared set; ``step`` is what ``progress`` calls them.

    Raises
    ------
    DataError
        Where a row's label is none of the network's classes, or its output is not finite.
    """
    records = known_records(network, packed, rows)
    probabilities = network.probabilities(packed.images, np.asarray(rows), progress, step)
    return predictions_of(records, network.taxonomy, probabilities)


def known_records(network: Answering, packed: PackedSet, rows: Sequence[int] | np.ndarray) -> list[Record]:
    """The manifest's rows.

    Raises
    ------
    DataError
        Where a label is none of the network's classes.
    """
    records = [packed.records[int(row)] for row in rows]
    classes = network.taxonomy.codes
    unknown = sorted({record.label for record in records} - set(classes))
    if unknown:
        raise DataError(f"images of {', '.join(unknown)}, which the model does not know: wanted {', '.join(classes)}")
    return records


def predictions_of(records: Sequence[Record], taxonomy: Taxonomy, probabilities: np.ndarray) -> Predictions:
    """Probabilities, (N, C), beside what a manifest knows of the N images; each label is a class of ``taxonomy``."""
    place = {code: number for number, code in enumerate(taxonomy.codes)}
    return Predictions(
        images=tuple(record.image for record in records),
        taxonomy=taxonomy,
        probabilities=probabilities,
        labels=np.array([place[record.label] for record in records], np.int64),
        folds=np.array([record.fold for record in records], np.int64),
        groups=tuple(record.group for record in records),
        sources=tuple(record.source for record in records) if len({record.source for record in records}) > 1 else (),
    )
