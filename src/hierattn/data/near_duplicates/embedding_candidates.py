"""Pairs of photographs whose embeddings are alike: candidates for search.py, which then proves or refuses them.

An embedding is made for telling lesions apart, not photographs: most of its numbers are large together in all skin. So
the mean is taken off, and the directions of the set's own spread are made equally long, as far as the 128 widest reach.
Candidates are each photograph's few nearest: as many as there are photographs, times a number. Up to 20,000 images the
nearest are found by comparing all, block by block; beyond, a photograph is compared with those of the 16 nearest of as
many cells as the square root of the images (an inverted file: Jégou et al., "Product quantization for nearest neighbor
search", IEEE PAMI 33(1), 2011), so that the work grows as the images times that root.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierattn.errors import DataError

COLUMNS = 128
"""Directions that are kept, in sets of 768 images or more; see :func:`directions_of`."""
NEIGHBOURS = 5
"""Of each photograph."""
LEAST_COSINE = 0.3
"""After whitening; pairs that are less alike are no candidates."""
_SAMPLE = 20_000  # images from which the directions, and the cells, are taken
_COMPARED = 20_000  # images up to which all are compared
_CELLS_ASKED = 16
_AT_ONCE = 1 << 10  # images compared with others at once: 80 MB against 20,000
_NARROWEST = 1e-3  # of the widest direction's variance: what is narrower is noise and is not stretched further

Vectors = NDArray[np.float32]


def embedding_pairs(embeddings: np.ndarray, neighbours: int = NEIGHBOURS) -> list[tuple[int, int]]:
    """Row numbers of pairs of which one is among the other's nearest, ``one < other``, sorted.

    Parameters
    ----------
    embeddings
        float32, (images, columns): any network's, of the same photographs in one order.
    neighbours
        Of each photograph, at most.

    Raises
    ------
    DataError
        Where a value is not finite.
    """
    if not np.isfinite(embeddings).all():
        raise DataError("the network's embedding holds nan or infinity: its weights are damaged; name other weights")
    if len(embeddings) < 2:
        return []
    vectors = whitened(embeddings)
    nearest = _Nearest(len(vectors), min(neighbours, len(vectors) - 1))
    everyone = np.arange(len(vectors))
    if len(vectors) <= _COMPARED:
        nearest.compare(vectors, everyone, everyone)
    else:
        cells = _nearest_cells(vectors)
        for cell in range(cells.max() + 1):
            members, askers = np.flatnonzero(cells[:, 0] == cell), np.flatnonzero((cells == cell).any(axis=1))
            nearest.compare(vectors, askers, members)
    return nearest.pairs()


def directions_of(images: int) -> int:
    """How many directions a set of so many images is whitened in.

    A sixth of the images, for as many directions as images would make all of them equally far from each other; in small
    sets half of them, up to 16; 128 at most.
    """
    return min(COLUMNS, max(images // 6, min(images // 2, 16)))


def whitened(embeddings: np.ndarray) -> Vectors:
    """float32 (images, columns) -> float32 (images, at most 128), each of length 1."""
    sample = embeddings[:: -(-len(embeddings) // _SAMPLE)].astype(np.float64)
    mean = sample.mean(axis=0)
    spread, directions = np.linalg.eigh(np.cov(sample - mean, rowvar=False).reshape(embeddings.shape[1], -1))
    kept = directions_of(len(sample))
    spread, directions = spread[::-1][:kept], directions[:, ::-1][:, :kept]
    scaled = directions / np.sqrt(np.maximum(spread, max(spread[0], 1e-12) * _NARROWEST))
    vectors = np.empty((len(embeddings), scaled.shape[1]), np.float32)
    for start in range(0, len(embeddings), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        values = (embeddings[part] - mean) @ scaled
        vectors[part] = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return vectors


class _Nearest:
    """The nearest that each photograph has met so far: rows and cosines, (images, neighbours)."""

    def __init__(self, images: int, neighbours: int) -> None:
        self._rows = np.full((images, neighbours), -1, np.int64)
        self._cosines = np.full((images, neighbours), LEAST_COSINE, np.float32)

    def compare(self, vectors: Vectors, askers: np.ndarray, members: np.ndarray) -> None:
        """Let each of ``askers`` meet each of ``members``, block by block."""
        kept = self._rows.shape[1]
        for start in range(0, len(askers), _AT_ONCE):
            own = askers[start : start + _AT_ONCE]
            met = vectors[own] @ vectors[members].T
            met[own[:, None] == members] = -1.0
            cosines = np.concatenate([self._cosines[own], met], axis=1)
            rows = np.concatenate([self._rows[own], np.broadcast_to(members, met.shape)], axis=1)
            best = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
            self._cosines[own] = np.take_along_axis(cosines, best, axis=1)
            self._rows[own] = np.take_along_axis(rows, best, axis=1)

    def pairs(self) -> list[tuple[int, int]]:
        one, place = np.nonzero(self._rows >= 0)
        other = self._rows[one, place]
        pairs = np.unique(np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1), axis=0)
        return [(first, second) for first, second in pairs.tolist()]


def _nearest_cells(vectors: Vectors) -> np.ndarray:
    """Of each vector the nearest cells, nearest first, (images, 16)."""
    from sklearn.cluster import MiniBatchKMeans

    count = round(len(vectors) ** 0.5)
    sample = vectors[:: -(-len(vectors) // max(_SAMPLE, 20 * count))]
    # Pyright infers from its default "auto" that n_init is a text.
    grouping = MiniBatchKMeans(count, batch_size=4096, max_iter=20, n_init=1, random_state=0)  # pyright: ignore[reportArgumentType]
    centres = np.asarray(grouping.fit(sample).cluster_centers_, np.float32)
    asked = min(_CELLS_ASKED, count)
    cells = np.empty((len(vectors), asked), np.int64)
    for start in range(0, len(vectors), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        distance = (centres**2).sum(axis=1) - 2 * vectors[part] @ centres.T
        best = np.argpartition(distance, asked - 1, axis=1)[:, :asked]
        order = np.argsort(np.take_along_axis(distance, best, axis=1), axis=1, kind="stable")
        cells[part] = np.take_along_axis(best, order, axis=1)
    return cells
