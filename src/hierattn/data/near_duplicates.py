"""Near-duplicates: one photograph stored twice, whatever was done to the copy; and one lesion photographed twice alike.

Two photographs that only a resize, JPEG, a mirroring, a quarter turn, other colours or a crop of up to a tenth tell
apart must not stand on both sides of a split. They are found in two steps:

1. *Candidates.* Every image's fingerprint (fingerprints.py) goes into hash tables: the signs of its products with
   random directions, as many bits as the number of images has. Each of 14 crops and 8 turns of each image is looked up
   there. The work grows with the number of images, not with that of pairs.
2. *Proof.* A candidate pair is laid over one another by OpenCV's ECC (an affine warp; Evangelidis and Psarakis,
   "Parametric image alignment using enhanced correlation coefficient maximization", IEEE PAMI 30(10), 2008), and its
   fine structure compared field by field. Two lesions may agree in outline; hairs, pores and pigment dots agree in one
   photograph only. docs/data.md has the figures behind the thresholds.

A pair of different lesions joined by mistake costs folds some freedom; a pair that is missed leaks. Proof is set so
that the mistakes are few enough to look at: the pictures of ``prepare --pictures`` show every pair.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hierattn.data.fingerprints import (
    LENGTH,
    THUMBNAIL,
    TURNS,
    VIEWS,
    View,
    fingerprints,
    thumbnail,
    turn,
    turned,
)

LEAST_COSINE = 0.92
"""Of two fingerprints, to be candidates. A crop to nine tenths keeps 0.91 or more in 99 of 100 photographs."""
LEAST_LIKENESS = 0.82
"""The median, over the fields of the overlap, of the correlation of fine structure."""
LEAST_LOW_LIKENESS = 0.6
"""Its lower quartile."""
_TABLES = 32
_MOST_IN_BUCKET = 64
_ALL_PAIRS = 512  # images up to which every pair is compared: quicker than tables, and misses none
_AT_ONCE = 1 << 16  # products in memory at once
_SIDE = 96  # pixels a side, at which two photographs are laid over one another
_FIELDS = 6  # fields a side
_FINEST, _COARSEST = 1.0, 4.0  # fine structure: what lies between these two Gaussian blurs, in pixels
_FLOOR = 0.05  # grey levels squared: a field without structure correlates with nothing
_LEAST_FIELDS = 12
_DARK, _RIM = 45, 9  # grey levels of a surround, and pixels that its rim reaches
_LEAST_OVERLAP = 0.6
_LEAST_AT_GATE = 0.5  # likeness at half the size, before anything is laid over: cheap, and lets the likely ones through
_INVERSE = (0, 1, 2, 3, 4, 6, 5, 7)  # the turn that undoes a turn

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pair:
    """Two near-duplicates.

    Attributes
    ----------
    one, other
        Row numbers, ``one < other``.
    likeness
        Median correlation of fine structure, :data:`LEAST_LIKENESS` to 1.
    turn
        How ``other`` must be turned to lie as ``one`` does (``fingerprints.turn``); 0: it lies alike.
    """

    one: int
    other: int
    likeness: float
    turn: int


@dataclass(frozen=True)
class Candidate:
    """``whole`` as it is looks like the part ``view`` of ``part``, turned."""

    whole: int
    part: int
    view: View
    turn: int


def find_near_duplicates(images: np.ndarray, *, jobs: int = 1, progress: Progress | None = None) -> list[Pair]:
    """All near-duplicates of a set.

    Parameters
    ----------
    images
        uint8 RGB, (images, side, side, 3), as packed; may be memory-mapped, is read in order, then pair by pair.
    jobs
        Threads.
    progress
        Called with (done, all) candidates proved or refused.

    Returns
    -------
    list[Pair]
        By row numbers. Transitive pairs need not all be among them: three alike may come as two pairs.

    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> [(pair.one, pair.other, pair.turn) for pair in find_near_duplicates(np.stack([image, image[:, ::-1]]))]
    [(0, 1, 2)]
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="near-duplicates") as pool:
        thumbnails = list(pool.map(thumbnail, images))
        if not thumbnails:
            return []
        candidates = find_candidates(np.stack(thumbnails), pool)
        pairs = []
        for done, pair in enumerate(pool.map(lambda one: prove(one, images), candidates), start=1):
            if pair is not None:
                pairs.append(pair)
            if progress is not None:
                progress(done, len(candidates))
    return pairs


# --- candidates -------------------------------------------------------------------------------------------------


def find_candidates(thumbnails: np.ndarray, pool: Executor | None = None) -> list[Candidate]:
    """Pairs that may be near-duplicates, the best view and turn of each, by row numbers.

    Parameters
    ----------
    thumbnails
        uint8 grey, (images, 32, 32).
    pool
        Looks views up side by side.
    """
    assert thumbnails.shape[1:] == (THUMBNAIL, THUMBNAIL)
    tables = _Tables(fingerprints(thumbnails))
    tasks = [(view, number) for view in VIEWS for number in range(TURNS)]

    def look_up(task: tuple[View, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tables.look_up(turned(fingerprints(thumbnails, task[0]), task[1]))

    best: dict[tuple[int, int], tuple[float, Candidate]] = {}
    for (view, number), found in zip(tasks, (map if pool is None else pool.map)(look_up, tasks), strict=True):
        for whole, part, cosine in zip(*(values.tolist() for values in found), strict=True):
            key = (min(whole, part), max(whole, part))
            if key not in best or cosine > best[key][0]:
                best[key] = cosine, Candidate(whole, part, view, number)
    return [best[key][1] for key in sorted(best)]


class _Tables:
    """Fingerprints, sorted by hash in several tables.

    Products of a fingerprint's whole numbers with directions of +1 and -1 are exact in float32, so that a hash does
    not hang on the order of additions.
    """

    def __init__(self, prints: np.ndarray) -> None:
        self._prints = prints
        self._lengths = np.linalg.norm(prints.astype(np.float64), axis=1)
        self._bits = min(28, max(8, len(prints).bit_length() + 3))
        directions = np.random.default_rng(0).integers(0, 2, (LENGTH, _TABLES * self._bits)) * 2 - 1
        self._directions = directions.astype(np.float32)
        keys = self._hash(prints)
        self._orders = [np.argsort(column, kind="stable") for column in keys.T]
        self._sorted = [column[order] for column, order in zip(keys.T, self._orders, strict=True)]

    def _hash(self, prints: np.ndarray) -> np.ndarray:
        """int8 (images, 80) -> int32 (images, tables)."""
        bits = (prints.astype(np.float32) @ self._directions) > 0
        powers = (1 << np.arange(self._bits)).astype(np.int32)
        return np.asarray((bits.reshape(len(prints), _TABLES, self._bits) * powers).sum(axis=2, dtype=np.int32))

    def look_up(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the table, rows of ``queries``, cosines: of all that are close, but for a row with itself."""
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        if len(self._prints) <= _ALL_PAIRS:
            rows, columns = (found.ravel() for found in np.indices((len(self._prints), len(queries))))
            products = (self._prints.astype(np.float32) @ queries.T.astype(np.float32)).ravel().astype(np.float64)
        else:
            rows, columns = self._in_one_bucket(queries)
            products = self._products(rows, queries, columns)
        cosines = products / np.maximum(self._lengths[rows] * lengths[columns], 1.0)
        close = (cosines >= LEAST_COSINE) & (rows != columns)
        return rows[close], columns[close], cosines[close]

    def _products(self, rows: np.ndarray, queries: np.ndarray, columns: np.ndarray) -> np.ndarray:
        products = np.zeros(len(rows))
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            products[part] = (self._prints[rows[part]].astype(np.int32) * queries[columns[part]]).sum(axis=1)
        return products

    def _in_one_bucket(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the table and of ``queries`` that share a bucket in some table, each pair once."""
        found = np.sort(np.concatenate([self._matches(*column) for column in enumerate(self._hash(queries).T)]))
        rows, columns = np.divmod(found[np.diff(found, prepend=-1) > 0], len(queries))
        return rows, columns

    def _matches(self, table: int, keys: np.ndarray) -> np.ndarray:
        """``row * queries + query`` of all in the same bucket of a table, at most 64 of a bucket."""
        first = np.searchsorted(self._sorted[table], keys, "left")
        counts = np.minimum(np.searchsorted(self._sorted[table], keys, "right") - first, _MOST_IN_BUCKET)
        queries = np.repeat(np.arange(len(keys)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._orders[table][np.repeat(first, counts) + offsets]
        return np.asarray(rows * len(keys) + queries)


# --- proof ------------------------------------------------------------------------------------------------------


def prove(candidate: Candidate, images: np.ndarray) -> Pair | None:
    """Lay the two photographs over one another and compare their fine structure; None where it differs."""
    one = _small(images[candidate.whole])
    other = _small(turn(_window(images[candidate.part], candidate.view), candidate.turn))
    lit, other_lit = _lit(one), _lit(other)
    if _likeness(_halved(one), _halved(other), _halved(lit & other_lit) == 255)[0] < _LEAST_AT_GATE:
        return None
    laid = _lay_over(one, other, lit, other_lit)
    if laid is None:
        return None
    likeness, low = _likeness(one, *laid)
    if likeness < LEAST_LIKENESS or low < LEAST_LOW_LIKENESS:
        return None
    first, second = sorted((candidate.whole, candidate.part))
    number = candidate.turn if first == candidate.whole else _INVERSE[candidate.turn]
    return Pair(first, second, round(likeness, 3), number)


def _window(image: np.ndarray, view: View) -> np.ndarray:
    side = image.shape[0]
    top, left, length = (round(share * side) for share in (view.top, view.left, view.side))
    return image[top : top + length, left : left + length]


def _small(image: np.ndarray) -> np.ndarray:
    return thumbnail(image, _SIDE)


def _halved(grey: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.resize(grey, (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA))


def _lit(grey: np.ndarray) -> np.ndarray:
    """255 on skin, 0 on a black surround and a little around its rim: the dermatoscope is the same in many pictures."""
    import cv2

    count, labels = cv2.connectedComponents((grey < _DARK).astype(np.uint8))
    if count == 1:
        return np.full_like(grey, 255)
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    surround = np.isin(labels, at_border[at_border > 0]).astype(np.uint8)
    return np.asarray(255 - 255 * cv2.dilate(surround, np.ones((_RIM, _RIM), np.uint8)))


def _lay_over(
    one: np.ndarray, other: np.ndarray, lit: np.ndarray, other_lit: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """``other`` warped to lie as ``one`` does, and where both show skin, (96, 96) each; None where nothing fits."""
    import cv2

    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        start = np.eye(2, 3, dtype=np.float32)
        _, warp = cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, criteria, other_lit, 5)
    except cv2.error:  # it does not converge, or an image is of one colour
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(other, warp, (_SIDE, _SIDE), flags=flags)
    reached = cv2.warpAffine(np.full_like(other, 255), warp, (_SIDE, _SIDE), flags=flags) == 255
    both = (cv2.warpAffine(other_lit, warp, (_SIDE, _SIDE), flags=flags) == 255) & (lit == 255)
    return None if reached.mean() < _LEAST_OVERLAP else (laid, reached & both)


def _likeness(one: np.ndarray, other: np.ndarray, reached: np.ndarray) -> tuple[float, float]:
    """Median and lower quartile, over 6 x 6 fields, of the correlation of fine structure; 0 where little overlaps."""
    side = len(one) // _FIELDS
    inside = reached.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        """(side * 6, side * 6) -> (6, 6), over what is reached."""
        sums = (values * inside).reshape(_FIELDS, side, _FIELDS, side).sum(axis=(1, 3))
        return np.asarray(sums / np.maximum(counts, 1))

    counts = inside.reshape(_FIELDS, side, _FIELDS, side).sum(axis=(1, 3))
    first, second = _fine_structure(one), _fine_structure(other)
    middle, other_middle = mean(first), mean(second)
    together = mean(first * second) - middle * other_middle
    apart = (mean(first * first) - middle**2 + _FLOOR) * (mean(second * second) - other_middle**2 + _FLOOR)
    found = (together / np.sqrt(apart))[counts >= 0.9 * side * side]
    if len(found) < _LEAST_FIELDS:
        return 0.0, 0.0
    return float(np.median(found)), float(np.percentile(found, 25))


def _fine_structure(grey: np.ndarray) -> np.ndarray:
    import cv2

    values = grey.astype(np.float32)
    finest, coarsest = (cv2.GaussianBlur(values, (0, 0), sigma) for sigma in (_FINEST, _COARSEST))
    return np.asarray(finest - coarsest, np.float64)
