"""The features of a whole prepared set: extracted chunk by chunk, on any engine, and kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

import hierattn
from hierattn.data.balance.hardness_features import Features, extract_features, feature_named
from hierattn.data.balance.kept_arrays import KeptArrays, digest_of
from hierattn.data.engines import Engine, run_in_waves
from hierattn.data.prepared_set.packed import IMAGES, PackedSet
from hierattn.errors import UsageError

CHUNK = 512
"""Images of one task, and of one kept file."""


def features_of_set(
    packed: PackedSet,
    feature: str,
    *,
    engine: Engine = "threads",
    jobs: int = 1,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Features of every image of a prepared set.

    Parameters
    ----------
    packed
        The set. Only its pixels count: a set of the same pixels finds what was kept for this one.
    feature
        A name of :data:`hierattn.data.balance.hardness_features.FEATURES`.
    engine, jobs
        Where and how many at once. On a cluster only the path of ``images.npy`` travels: it must be the same there.
    keep
        Where each chunk is kept as soon as it is there; None: nowhere.
    progress
        Called with (chunks done, chunks in all).

    Returns
    -------
    numpy.ndarray
        float32, (images, columns).
    """
    count = len(packed.images)
    made_by = f"hierattn {hierattn.__version__}, OpenCV {cv2.__version__}"
    kept = KeptArrays(keep and keep / digest_of("features", feature, made_by, packed.info["images_sha256"]))
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    features = np.empty((count, feature_named(feature).columns), np.float32)
    missing = []
    for chunk in chunks:
        found = kept.load(f"{chunk.start}", len(chunk))
        if found is None:
            missing.append(chunk)
        else:
            features[chunk.start : chunk.stop] = found
    made = run_in_waves(partial(_features_of, packed.folder / IMAGES, feature), missing, engine=engine, jobs=jobs)
    for number, (chunk, part) in enumerate(zip(missing, made, strict=True), start=1):
        kept.save(f"{chunk.start}", part)
        features[chunk.start : chunk.stop] = part
        if progress is not None:
            progress(len(chunks) - len(missing) + number, len(chunks))
    return features


def check_features(features: np.ndarray, images: int) -> Features:
    """The caller's own features, as float32.

    Raises
    ------
    UsageError
        Where they are no floats, or not one row an image.
    """
    if features.ndim != 2 or len(features) != images or features.dtype.kind != "f":
        raise UsageError(
            f"features {features.dtype} {features.shape}: wanted floats, ({images}, columns), a row for each row of "
            "the prepared set's manifest"
        )
    return np.asarray(features, np.float32)


def mapped(images: Path) -> np.ndarray:
    """The packed array, mapped anew: what was read through an older map leaves memory with it, batch by batch."""
    return np.load(images, mmap_mode="r", allow_pickle=False)


def _features_of(images: Path, feature: str, rows: range) -> Features:
    return extract_features(mapped(images)[rows.start : rows.stop], feature)
