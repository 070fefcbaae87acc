"""What a network sees of a prepared set, chunk by chunk, kept for the next time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import hierattn
from hierattn.data.array_cache import ArrayCache, digest_of
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.embedding import Embedder, open_weights, weights_file
from hierattn.files import file_sha256
from hierattn.progress import Progress, silent

CACHE = ".hierattn-features"
"""The folder beside a prepared set in which its features are kept; deleting it costs time and nothing else."""
CHUNK = 256
"""Images of one cached file."""
STEP = "features"


def features_of_rows(
    weights: Path,
    packed: PackedSet,
    rows: Sequence[int] | np.ndarray,
    *,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> np.ndarray:
    """The network's features of some rows of a prepared set.

    Parameters
    ----------
    weights
        As :func:`~hierattn.evaluation.embedding.open_weights` takes them.
    packed
        The set; no other row of it is read.
    rows
        Their numbers.
    cache
        Where each chunk is saved as soon as it is there, under the digests of weights and set; None: :data:`CACHE`
        beside the set. What is there was made of the same pixels by the same weights.
    device
        Where the network runs.
    progress
        Told of images, for the step :data:`STEP`.

    Returns
    -------
    numpy.ndarray
        float32, (rows, channels).
    """
    order, tell = np.asarray(rows, np.int64), progress or silent
    made_of = digest_of(hierattn.__version__, file_sha256(weights_file(weights)), packed.digests[1], order)
    arrays = ArrayCache((cache or packed.folder.resolve().parent / CACHE) / made_of)
    embedder, parts = None, []
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        part = arrays.load(f"{start}", len(chunk))
        if part is None:
            embedder = embedder or Embedder.of(open_weights(weights), device)
            part = embedder(packed.images, chunk)
            arrays.save(f"{start}", part)
        parts.append(part)
        tell(STEP, start + len(chunk), len(order))
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
