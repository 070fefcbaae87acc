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
that the mistakes are few enough to look at: the pictures of ``prepare --audit-pictures`` show the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hierattn.data.near_duplicates.embedding_candidates import embedding_pairs
from hierattn.data.near_duplicates.fingerprints import (
    THUMBNAIL,
    TURNS,
    VIEWS,
    View,
    fingerprints,
    thumbnail,
    turn,
    turned,
)
from hierattn.data.near_duplicates.hash_tables import HashTables
from hierattn.progress import Progress, silent

COMPARING = "comparing candidates"
"""The step that :func:`find_near_duplicates` reports to its listener."""
LEAST_COSINE = 0.92
"""Of two fingerprints, to be candidates. A crop to nine tenths keeps 0.91 or more in 99 of 100 photographs."""
LEAST_LIKENESS = 0.82
"""The median, over the fields of the overlap, of the correlation of fine structure."""
LEAST_LOW_LIKENESS = 0.6
"""Its lower quartile."""
_SIDE = 96  # pixels a side, at which two photographs are laid over one another
_FIELDS = 6  # fields a side
_FINEST, _COARSEST = 1.0, 4.0  # fine structure: what lies between these two Gaussian blurs, in pixels
_FLOOR = 0.05  # grey levels squared: a field without structure correlates with nothing
_LEAST_FIELDS = 12
_DARK, _RIM = 45, 9  # grey levels of a surround, and pixels that its rim reaches
_LEAST_OVERLAP = 0.6
_LEAST_AT_GATE = 0.5  # likeness at half the size, before anything is laid over: cheap, and lets the likely ones through
_INVERSE = (0, 1, 2, 3, 4, 6, 5, 7)  # the turn that undoes a turn

WIDER_VIEWS: tuple[View, ...] = VIEWS + tuple(
    View((1 - side) * across / 2, (1 - side) * down / 2, side)
    for side in (0.8, 0.7)
    for down in range(3)
    for across in range(3)
)
"""The views of fingerprints.py, and windows of 80 % and 70 % of each side: for pairs that are candidates already."""


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


def find_near_duplicates(
    images: np.ndarray,
    *,
    embeddings: np.ndarray | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Pair]:
    """All near-duplicates of a set.

    Parameters
    ----------
    images
        uint8, RGB (images, side, side, 3) or grey (images, side, side), as comparison_picture.py makes them; may be
        memory-mapped, is read in order, then pair by pair. The thresholds hold for a side of 128.
    embeddings
        What a network sees of the same images, float32 (images, columns): more candidates, those that it finds most
        alike. They are proved like the others.
    jobs
        Threads.
    progress
        Called with the candidates compared, for the step :data:`COMPARING`.

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
        if embeddings is not None:
            hashed = {_rows_of(candidate) for candidate in candidates}
            more = [pair for pair in embedding_pairs(embeddings) if pair not in hashed]
            candidates += best_views(more, np.stack(thumbnails), pool)
        pairs = []
        for done, pair in enumerate(pool.map(lambda candidate: prove(candidate, images), candidates), start=1):
            if pair is not None:
                pairs.append(pair)
            (progress or silent)(COMPARING, done, len(candidates))
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
    tables = HashTables(fingerprints(thumbnails), LEAST_COSINE)

    def look_up(view: View) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each turn."""
        prints = fingerprints(thumbnails, view)
        return [tables.look_up(turned(prints, number)) for number in range(TURNS)]

    best: dict[tuple[int, int], tuple[float, Candidate]] = {}
    for view, turns in zip(VIEWS, (map if pool is None else pool.map)(look_up, VIEWS), strict=True):
        for number, found in enumerate(turns):
            for whole, part, cosine in zip(*(values.tolist() for values in found), strict=True):
                key = (min(whole, part), max(whole, part))
                if key not in best or cosine > best[key][0]:
                    best[key] = cosine, Candidate(whole, part, view, number)
    return [best[key][1] for key in sorted(best)]


def _rows_of(candidate: Candidate) -> tuple[int, int]:
    return min(candidate.whole, candidate.part), max(candidate.whole, candidate.part)


def best_views(
    pairs: Sequence[tuple[int, int]], thumbnails: np.ndarray, pool: Executor | None = None
) -> list[Candidate]:
    """Under which view and turn each of these pairs agrees most, whichever of the two is the whole.

    Parameters
    ----------
    pairs
        Row numbers.
    thumbnails
        uint8 grey, (images, 32, 32).
    pool
        Compares views side by side.
    """
    if not pairs:
        return []
    rows, places = np.unique(np.array(pairs), return_inverse=True)
    one, other = places.reshape(-1, 2).T
    small = thumbnails[rows]
    whole = _of_length_one(fingerprints(small))
    tasks = [(view, number) for view in WIDER_VIEWS for number in range(TURNS)]

    def cosines(task: tuple[View, int]) -> np.ndarray:
        """(pairs, 2): the first as the whole, the second as the whole."""
        part = _of_length_one(turned(fingerprints(small, task[0]), task[1]))
        return np.stack([(whole[one] * part[other]).sum(axis=1), (whole[other] * part[one]).sum(axis=1)], axis=1)

    best, chosen = np.full(len(pairs), -2.0), np.zeros((len(pairs), 2), np.int64)
    for number, found in enumerate((map if pool is None else pool.map)(cosines, tasks)):
        better = found.max(axis=1) > best
        best[better] = found[better].max(axis=1)
        chosen[better] = np.stack([np.full(better.sum(), number), found[better].argmax(axis=1)], axis=1)
    return [
        Candidate(pair[second], pair[1 - second], *tasks[number])
        for pair, (number, second) in zip(pairs, chosen.tolist(), strict=True)
    ]


def _of_length_one(prints: np.ndarray) -> np.ndarray:
    values = prints.astype(np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1.0))


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
    correlations = (together / np.sqrt(apart))[counts >= 0.9 * side * side]
    if len(correlations) < _LEAST_FIELDS:
        return 0.0, 0.0
    return float(np.median(correlations)), float(np.percentile(correlations, 25))


def _fine_structure(grey: np.ndarray) -> np.ndarray:
    import cv2

    values = grey.astype(np.float32)
    finest, coarsest = (cv2.GaussianBlur(values, (0, 0), sigma) for sigma in (_FINEST, _COARSEST))
    return np.asarray(finest - coarsest, np.float64)
