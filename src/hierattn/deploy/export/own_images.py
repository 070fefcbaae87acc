"""A run's own images, of every fold, and photographs of another kind: what a bundle is fitted to and measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import known_rows, split
from hierattn.errors import DataError, HierAttnError, UsageError
from hierattn.evaluation.selection import check_pixels
from hierattn.evaluation.trained_run import TrainedRun


@dataclass(frozen=True)
class PackedImages:
    """Images that are read from disk a few at a time.

    Attributes
    ----------
    images
        uint8, (images, size, size, 3), memory-mapped.
    """

    images: np.ndarray

    def take(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of some rows, in memory."""
        return np.ascontiguousarray(self.images[np.asarray(rows, np.int64)])

    def batches(self, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """The images of some rows, ``size`` at a time."""
        for start in range(0, len(rows), size):
            yield self.take(rows[start : start + size])


@dataclass(frozen=True)
class OtherKind(PackedImages):
    """Photographs of another kind than the network's own, which a bundle is to reject. Their outer fold is not read.

    Attributes
    ----------
    name
        What their set says of its sources.
    training
        Row numbers of the training photographs of each source.
    held
        Row numbers of the inner fold, on which is measured how many are rejected.
    """

    name: str
    training: tuple[np.ndarray, ...]
    held: np.ndarray


@dataclass(frozen=True)
class OwnImages(PackedImages):
    """A run's own prepared set, with its three parts.

    Attributes
    ----------
    labels
        Index of each image's class, (images,); -1 of one that the network does not know, which is in no part.
    groups
        A number for each image, (images,): the same for what shows one lesion or patient, or nearly the same picture.
    training, validation, test
        Row numbers. ``training`` leaves out sources that only train, unless there are no others; ``test`` is the outer
        fold, on which nothing was trained or chosen.
    others
        What is to be rejected.
    """

    labels: np.ndarray
    groups: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    others: tuple[OtherKind, ...] = ()


def spread_rows(rows: np.ndarray, at_most: int) -> np.ndarray:
    """At most so many of some rows, evenly spread over them in their order: the same every time.

    >>> spread_rows(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(rows) <= at_most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, at_most).round().astype(np.int64)]


def open_own_images(run: Path, prepared: Path | None = None, reject: Sequence[Path] = ()) -> OwnImages:
    """The prepared set that a run was trained on.

    Parameters
    ----------
    run
        The run folder.
    prepared
        Where the set is now, if it has moved.
    reject
        Prepared sets of photographs of another kind.

    Raises
    ------
    UsageError
        Where ``run`` is a single checkpoint, which does not say what it was trained on.
    DataError, CheckpointError
        Where the set is missing or another; where one to reject is missing, has too few folds, went through something
        else than the network's own photographs, or is the network's own.
    """
    if not run.is_dir():
        raise UsageError(
            f"{run} is no run folder: wanted the folder that 'hierattn train' left, which names its images"
        )
    trained = TrainedRun.open(run)
    packed = trained.open_own_set(prepared)
    classes, spec = trained.checkpoint.classes, trained.checkpoint.image_spec
    check_pixels(packed, spec, run)
    strange = sorted({record.label for record in packed.records} - set(classes))
    if strange and not trained.left_out_source and not any(record.use for record in packed.records):
        raise DataError(f"{packed.folder} has images of {', '.join(strange)}: wanted {', '.join(classes)}")
    parts = trained.parts(packed)
    labels = np.array([classes.index(record.label) if record.label in classes else -1 for record in packed.records])
    groups = np.unique([record.group for record in packed.records], return_inverse=True)[1]
    inner, test = (known_rows(packed.records, rows, classes)[0] for rows in (parts.validation, parts.test))
    whole = [row for row in parts.train if not packed.records[row].use]  # of a source that only trains nothing is usual
    others = tuple(_open_other_kind(folder, packed, trained) for folder in reject)
    return OwnImages(packed.images, labels, groups, np.array(whole or parts.train), inner, test, others)


def _open_other_kind(prepared: Path, own: PackedSet, trained: TrainedRun) -> OtherKind:
    """A set that is to be rejected; its photographs went through the same as its own, lest that name them."""
    packed = PackedSet.open(prepared)
    if packed.manifest_sha256 == own.manifest_sha256:
        raise DataError(f"{prepared} is the set that the run was trained on: wanted photographs of another kind")
    check_pixels(packed, trained.checkpoint.image_spec, trained.run.path)
    parts = split(packed.records, 0)
    whole = np.array([row for row in parts.train if not packed.records[row].use], np.int64)
    sources = np.array([packed.records[row].source for row in whole])
    training = tuple(whole[sources == source] for source in np.unique(sources))
    return OtherKind(packed.images, str(packed.info["source"]), training, parts.validation)


def find_own_images(
    run: Path, prepared: Path | None = None, reject: Sequence[Path] = ()
) -> tuple[OwnImages | None, str]:
    """As :func:`open_own_images`, or (None, why not) where nothing was asked for by name."""
    try:
        return open_own_images(run, prepared, reject), ""
    except HierAttnError as error:
        if prepared is not None or reject:
            raise
        return None, str(error)
