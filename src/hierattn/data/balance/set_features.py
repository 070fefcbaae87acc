"""The features of a whole prepared set: extracted chunk by chunk, on any engine, and cached for the next time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np

import hierattn
from hierattn.data.array_cache import ArrayCache, digest_of
from hierattn.data.balance.hardness_features import Features, extract_features, feature_named
from hierattn.data.engines import Engine, run_in_waves
from hierattn.data.prepared_set.packed import IMAGES, PackedSet
from hierattn.errors import UsageError
from hierattn.progress import Progress, silent

CHUNK = 512
"""Images of one task, and of one cached file."""


def features_of_set(
    packed: PackedSet,
    feature: str,
    *,
    engine: Engine = "threads",
    jobs: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Features:
    """Features of every image of a prepared set.

    Parameters
    ----------
    packed
        The set. Only its pixels count: a set of the same pixels finds what was cached for this one.
    feature
        A name of :data:`hierattn.data.balance.hardness_features.FEATURES`.
    engine, jobs
        Where and how many at once. On a cluster only the path of ``images.npy`` travels: it must be the same there.
    cache
        Where each chunk is saved as soon as it is there; None: nowhere.
    progress
        Called with chunks, for the step ``features``.

    Returns
    -------
    numpy.ndarray
        float32, (images, columns).
    """
    count = len(packed.images)
    made_by = f"hierattn {hierattn.__version__}, OpenCV {cv2.__version__}"
    progress = progress or silent
    arrays = ArrayCache(cache and cache / digest_of("features", feature, made_by, packed.info["images_sha256"]))
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    features = np.empty((count, feature_named(feature).columns), np.float32)
    missing = []
    for chunk in chunks:
        cached = arrays.load(f"{chunk.start}", len(chunk))
        if cached is None:
            missing.append(chunk)
        else:
            features[chunk.start : chunk.stop] = cached
    made = run_in_waves(partial(_features_of, packed.folder / IMAGES, feature), missing, engine=engine, jobs=jobs)
    for number, (chunk, part) in enumerate(zip(missing, made, strict=True), start=1):
        arrays.save(f"{chunk.start}", part)
        features[chunk.start : chunk.stop] = part
        progress("features", len(chunks) - len(missing) + number, len(chunks))
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
