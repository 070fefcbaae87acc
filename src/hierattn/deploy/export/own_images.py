"""A run's own images, of every fold: to fit novelty and lower precisions on, and to measure what those cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.parts import known_rows
from hierattn.errors import DataError, HierAttnError, UsageError
from hierattn.evaluation.trained_run import TrainedRun


@dataclass(frozen=True)
class OwnImages:
    """A run's own prepared set, with its three parts.

    Attributes
    ----------
    images
        uint8, (images, size, size, 3), memory-mapped.
    labels
        Index of each image's class, (images,); -1 of one that the network does not know, which is in no part.
    groups
        A number for each image, (images,): the same for what shows one lesion or patient, or nearly the same picture.
    training, validation, test
        Row numbers. ``training`` leaves out sources that only train, unless there are no others; ``test`` is the outer
        fold, on which nothing was trained or chosen.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def take(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of some rows, in memory."""
        return np.ascontiguousarray(self.images[np.asarray(rows, np.int64)])

    def batches(self, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """The images of some rows, ``size`` at a time."""
        for start in range(0, len(rows), size):
            yield self.take(rows[start : start + size])


def spread_rows(rows: np.ndarray, at_most: int) -> np.ndarray:
    """At most so many of some rows, evenly spread over them in their order: the same every time.

    >>> spread_rows(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(rows) <= at_most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, at_most).round().astype(np.int64)]


def open_own_images(run: Path, prepared: Path | None = None) -> OwnImages:
    """The prepared set that a run was trained on.

    Parameters
    ----------
    run
        The run folder.
    prepared
        Where the set is now, if it has moved.

    Raises
    ------
    UsageError
        Where ``run`` is a single checkpoint, which does not say what it was trained on.
    DataError, CheckpointError
        Where the set is missing or another.
    """
    if not run.is_dir():
        raise UsageError(
            f"{run} is no run folder: wanted the folder that 'hierattn train' left, which names its images"
        )
    trained = TrainedRun.open(run)
    packed = trained.open_own_set(prepared)
    classes, spec = trained.checkpoint.classes, trained.checkpoint.image_spec
    if packed.image_spec.size != spec.size:
        raise DataError(f"{packed.folder} has images of {packed.image_spec.size} pixels: wanted {spec.size}")
    strange = sorted({record.label for record in packed.records} - set(classes))
    if strange and not trained.left_out_source and not any(record.use for record in packed.records):
        raise DataError(f"{packed.folder} has images of {', '.join(strange)}: wanted {', '.join(classes)}")
    parts = trained.parts(packed)
    labels = np.array([classes.index(record.label) if record.label in classes else -1 for record in packed.records])
    groups = np.unique([record.group for record in packed.records], return_inverse=True)[1]
    inner, test = (known_rows(packed.records, rows, classes)[0] for rows in (parts.validation, parts.test))
    whole = [row for row in parts.train if not packed.records[row].use]  # of a source that only trains nothing is usual
    return OwnImages(packed.images, labels, groups, np.array(whole or parts.train), inner, test)


def find_own_images(run: Path, prepared: Path | None = None) -> tuple[OwnImages | None, str]:
    """As :func:`open_own_images`, or (None, why not) where nothing was asked for by name."""
    try:
        return open_own_images(run, prepared), ""
    except HierAttnError as error:
        if prepared is not None:
            raise
        return None, str(error)
