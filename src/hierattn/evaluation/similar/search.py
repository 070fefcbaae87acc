"""The photographs of a prepared set that a network sees most alike to one, and the one itself where the set holds it.

Distance is one minus the cosine of two photographs' features (:mod:`hierattn.evaluation.embedding`): 0 for the same
direction, 1 for nothing in common. It says what the network finds alike, and not which diagnosis is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hierattn.data.near_duplicates.comparison_picture import comparison_picture
from hierattn.data.near_duplicates.search import find_near_duplicates
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.embedding import Embedder, open_weights
from hierattn.evaluation.selection import check_pixels
from hierattn.evaluation.similar.features import features_of_rows
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.trained_on import are_among
from hierattn.preprocessing.cleaning import clean
from hierattn.preprocessing.photograph import read_image_bytes, read_photograph
from hierattn.progress import Progress
from hierattn.run_folder import RunFolder

NEIGHBOURS = 12
COMPARED = 32
"""The nearest photographs that are compared with the one asked for, pixel by pixel and as near-duplicates."""
SAME_FILE, NEAR_DUPLICATE, SAME_PIXELS = "the same file", "a near-duplicate", "the same pixels"


class Neighbour(NamedTuple):
    """A row of the set, and its distance, 0 to 2."""

    row: int
    distance: float


@dataclass(frozen=True)
class Similar:
    """What is like one photograph.

    Attributes
    ----------
    pixels
        The photograph as the network sees it, uint8 (size, size, 3).
    neighbours
        The nearest first, one of each group, without ``itself`` and what belongs to it.
    itself
        Rows of the set that are the photograph, each with how that is known; rows that were not searched among them.
    """

    pixels: np.ndarray
    neighbours: list[Neighbour]
    itself: dict[int, str]


@dataclass(frozen=True)
class Searched:
    """Photographs to search, with what the network sees of them.

    Attributes
    ----------
    packed
        The set.
    rows
        Those that are searched.
    features
        Float32, (rows, channels).
    """

    packed: PackedSet
    rows: np.ndarray
    features: np.ndarray

    @cached_property
    def groups(self) -> np.ndarray:
        """What each row belongs to, (rows,): its lesion or patient, with near-duplicates."""
        return np.array([group_of(self.packed.records[int(row)]) for row in self.rows])

    @cached_property
    def _directions(self) -> np.ndarray:
        return _of_length_one(self.features)

    def nearest(self, features: np.ndarray, count: int, without: Collection[str] = ()) -> list[Neighbour]:
        """The nearest row of each of the ``count`` nearest groups, the nearest first.

        Parameters
        ----------
        features
            Of one photograph, (channels,).
        count
            Neighbours, at most.
        without
            Groups that are left out.
        """
        direction = _of_length_one(features)
        allowed = np.flatnonzero(~np.isin(self.groups, list(without)))
        order = allowed[np.argsort(-(self._directions[allowed] @ direction), kind="stable")]
        first = np.sort(np.unique(self.groups[order], return_index=True)[1])[:count]
        return [self._neighbour(place, direction) for place in order[first]]

    def like(self, pixels: np.ndarray, features: np.ndarray, sha256: str, count: int = NEIGHBOURS) -> Similar:
        """What is like one photograph, and what is the photograph itself.

        Parameters
        ----------
        pixels
            As the set would have packed it, uint8 (size, size, 3).
        features
            What the network sees of it, (channels,).
        sha256
            Of its file; empty where it is unknown.
        count
            Neighbours, at most.
        """
        records = self.packed.records
        itself = {row: SAME_FILE for row, record in enumerate(records) if sha256 and record.sha256 == sha256}
        direction = _of_length_one(features)
        closest = self.rows[np.argsort(-(self._directions @ direction), kind="stable")[:COMPARED]]
        images = [np.asarray(image) for image in (pixels, *self.packed.images[closest])]
        pairs = find_near_duplicates(np.stack([comparison_picture(image) for image in images]))
        copies = {pair.other for pair in pairs if pair.one == 0}
        for number, row in enumerate(closest.tolist(), start=1):
            same = np.array_equal(images[0], images[number])
            if same or number in copies:
                itself.setdefault(row, SAME_PIXELS if same else NEAR_DUPLICATE)
        groups = {group_of(records[row]) for row in itself}
        return Similar(pixels, self.nearest(features, count, groups), itself)

    def _neighbour(self, place: int, direction: np.ndarray) -> Neighbour:
        cosine = np.dot(self._directions[place].astype(np.float64), direction.astype(np.float64))
        return Neighbour(int(self.rows[place]), max(0.0, 1.0 - float(cosine)))


def find_similar(
    photo: Path,
    weights: Path,
    prepared: Path,
    *,
    count: int = NEIGHBOURS,
    every_part: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[PackedSet, Similar]:
    """The photographs that the weights were trained on and see most alike to one.

    Parameters
    ----------
    photo
        An image file.
    weights
        A run folder, a checkpoint or a bundle.
    prepared
        The set that the weights were trained on, or one of the same photographs.
    count
        Neighbours, at most; one of each lesion or patient.
    every_part
        Also search the originals that the weights were not trained on, those of the outer fold among them.
    cache, device, progress
        As of :func:`~hierattn.evaluation.similar.features.features_of_rows`.

    Raises
    ------
    ImageError
        Where the photograph cannot be read.
    UsageError, DataError, CheckpointError
        Where weights or set are missing or damaged, or do not belong together: other pixels, other classes, or not a
        photograph that the weights were trained on.
    """
    if count < 1:
        raise UsageError(f"--count {count}: wanted 1 or more")
    content = read_image_bytes(photo)
    photograph = read_photograph(content, name=str(photo))
    checkpoint, packed = open_weights(weights), PackedSet.open(prepared)
    check_pixels(packed, checkpoint.image_spec, weights)
    rows = trained_rows(weights, checkpoint, packed)
    if every_part:
        rows = np.flatnonzero([record.role == "original" for record in packed.records])
    features = features_of_rows(weights, packed, rows, cache=cache, device=device, progress=progress)
    pixels = packed.image_spec.resize(np.ascontiguousarray(clean(photograph, packed.image_spec)[0]))
    own = Embedder.of(checkpoint, device)(pixels[None])[0]
    digest = hashlib.sha256(content).hexdigest()
    return packed, Searched(packed, rows, features).like(pixels, own, digest, count)


def trained_rows(weights: Path, checkpoint: Checkpoint, packed: PackedSet) -> np.ndarray:
    """The originals of a set that the weights were trained on, int64.

    By the folds where it is the very set of the training, else by the record of photographs that weights carry.

    Raises
    ------
    UsageError
        Where there are none, or the set has classes that the weights do not know.
    """
    if strange := sorted({record.label for record in packed.records} - set(checkpoint.classes)):
        raise UsageError(
            f"{packed.folder} has classes that {weights.name} does not know ({', '.join(strange[:12])}): wanted the "
            f"set that it was trained on, with {', '.join(checkpoint.classes[:12])}"
        )
    run = RunFolder(weights)
    trained_on = run.manifest_sha256() if weights.is_dir() else checkpoint.provenance.get("manifest_sha256", "")
    if trained_on == packed.manifest_sha256:
        among = np.zeros(len(packed), bool)
        among[TrainedRun(run, checkpoint, trained_on).parts(packed).train] = True
    elif checkpoint.trained_on is not None:
        among = are_among(packed.records, checkpoint.trained_on.trained)
    else:
        raise UsageError(f"{weights} does not say which photographs it was trained on: wanted the set of its training")
    rows = np.flatnonzero(among & [record.role == "original" for record in packed.records])
    if not len(rows):
        raise UsageError(
            f"{weights.name} was trained on none of the photographs of {packed.folder}: wanted the set of its training"
        )
    return rows


def group_of(record: Record) -> str:
    """What a photograph belongs to: its lesion or patient with near-duplicates, or itself."""
    return record.group or record.parent or record.image


def _of_length_one(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12), np.float32)
