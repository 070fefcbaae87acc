"""Where the advice begins: a threshold of the risk for a target sensitivity, set so that new lesions reach it.

The plain choice is the highest threshold that refers the target share of the inner fold's positives. It holds for new
lesions only half the time: on photographs of HAM10000 and PAD-UFES-20, split at random 400 times, it reached a target
of 95 % on the other half in 49 of 100 (docs/lab-notes.md). So the threshold set here is lower: with the given
``confidence``, the share of new lesions that fall below it does not exceed what was allowed. That is a tolerance bound
of the binomial distribution (Wilks 1941), counted in lesions or patients and not in photographs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hierattn.errors import UsageError

CONFIDENCE = 0.8
"""That new lesions reach the target sensitivity."""

NO_THRESHOLD = "Triage: no threshold, because the inner fold has no lesion that should be seen in a clinic."


def choose_threshold(positive: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """The highest threshold that refers at least this share of the positives; nan where there is no positive.

    It is the risk of one of the positives themselves: ``risk >= threshold`` refers.

    Raises
    ------
    UsageError
        For a sensitivity of 0 or less, or above 1.
    """
    if not 0 < sensitivity <= 1:
        raise UsageError(f"target sensitivity {sensitivity}: wanted above 0, at most 1")
    found = np.sort(scores[positive])[::-1]
    if not len(found):
        return float("nan")
    shares = np.arange(1, len(found) + 1) / len(found)
    return float(found[int(np.argmax(shares >= sensitivity))])


def choose_safe_threshold(
    positive: np.ndarray, scores: np.ndarray, groups: np.ndarray, sensitivity: float, confidence: float = CONFIDENCE
) -> float:
    """The highest threshold that refers this share of new lesions with the given confidence.

    Parameters
    ----------
    positive, scores
        bool and float, (N,).
    groups
        A number for each image's lesion or patient, (N,). Every group weighs the same, shared by its images.
    sensitivity
        Target share, above 0, at most 1.
    confidence
        0 to below 1; 0 is :func:`choose_threshold`.

    Returns
    -------
    float
        Never above :func:`choose_threshold`'s; the smallest risk of a positive where they are too few for that
        confidence (:func:`attained` says which is reached then); nan without any.

    Raises
    ------
    UsageError
        For a sensitivity or a confidence out of its range.
    """
    plain = choose_threshold(positive, scores, sensitivity)
    if not 0 <= confidence < 1:
        raise UsageError(f"confidence {confidence}: wanted 0 to below 1")
    if confidence == 0 or np.isnan(plain):
        return plain
    lesions = len(np.unique(groups[positive]))
    return min(plain, _leaving_out(positive, scores, groups, safe_share(lesions, 1 - sensitivity, confidence)))


def choose_by_lesion(positive: np.ndarray, scores: np.ndarray, groups: np.ndarray, sensitivity: float) -> float:
    """:func:`choose_threshold`, each lesion or patient weighing the same, however many photographs there are of it.

    The parameters are those of :func:`choose_safe_threshold`; nan without a positive.
    """
    lesions = len(np.unique(groups[positive]))
    if not lesions:
        return float("nan")
    return _leaving_out(positive, scores, groups, math.floor(lesions * (1 - sensitivity) + 1e-9) / lesions)


def _leaving_out(positive: np.ndarray, scores: np.ndarray, groups: np.ndarray, share: float) -> float:
    """The highest risk of a positive below which no more than this share of the positives' lesions lies."""
    numbers = np.unique(groups[positive], return_inverse=True)[1]
    sizes = np.bincount(numbers)
    order = np.argsort(scores[positive], kind="stable")  # from the lowest risk up
    below = np.cumsum(1 / (sizes[numbers[order]] * len(sizes)))
    return float(scores[positive][order[np.flatnonzero(below > share + 1e-12)[0]]])


@dataclass(frozen=True)
class SourceThreshold:
    """What one of several sources asks of the threshold.

    Attributes
    ----------
    source
        Its name.
    lesions
        Lesions or patients of its inner fold that should be seen in a clinic.
    threshold
        The one that it needs by itself; nan where its lesions are too few for any.
    confidence
        With which new lesions of it reach the target sensitivity; 0: only half the time, for its lesions are too few
        for the confidence.
    """

    source: str
    lesions: int
    threshold: float
    confidence: float = 0.0


def choose_by_source(
    positive: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    sources: Sequence[str],
    sensitivity: float,
    confidence: float = CONFIDENCE,
) -> tuple[float, tuple[SourceThreshold, ...]]:
    """The threshold that the worst source needs, and what each needs.

    A pooled threshold holds for the largest source and may miss the others' cancers: cameras and clinics differ. So it
    is chosen for each source alone, and the lowest is taken. No threshold rests on one lesion, which may be labelled
    wrongly: where the confidence would ask for the lowest risk of all (below 59 lesions, by default), a source's
    threshold is the plain one of :func:`choose_by_lesion`; where that is the lowest risk, too (below 20), it has no
    say.

    Parameters
    ----------
    positive, scores, groups, sensitivity, confidence
        As of :func:`choose_safe_threshold`.
    sources
        Of each image, (N,); or none.

    Returns
    -------
    tuple
        The threshold and, in the order of their names, the sources. With fewer than two sources, or where none has
        enough positives, the threshold of all images together.
    """
    names = sorted(set(sources))
    of_each = []
    for name in names if len(names) > 1 else ():
        own = np.array([source == name for source in sources])
        lesions = len(np.unique(groups[own & positive]))
        sure = confidence if safe_share(lesions, 1 - sensitivity, confidence) > 0 else 0.0
        mine = positive[own], scores[own], groups[own], sensitivity
        chosen = choose_safe_threshold(*mine, sure) if sure else choose_by_lesion(*mine)
        enough = lesions * (1 - sensitivity) >= 1 - 1e-9
        of_each.append(SourceThreshold(name, lesions, chosen if enough else math.nan, sure))
    known = [source.threshold for source in of_each if not math.isnan(source.threshold)]
    if known:
        return min(known), tuple(of_each)
    return choose_safe_threshold(positive, scores, groups, sensitivity, confidence), tuple(of_each)


def attained(groups: int, sensitivity: float, confidence: float = CONFIDENCE) -> float:
    """The confidence that so many groups of positives allow: ``confidence``, or less where they are too few.

    >>> attained(100, 0.95), round(attained(20, 0.95), 3)
    (0.8, 0.642)
    """
    return min(confidence, 1 - sensitivity**groups)


def safe_share(count: int, allowed: float, confidence: float) -> float:
    """Share of ``count`` draws that may lie beyond a threshold that ``allowed`` of new ones shall not exceed.

    Were that share exceeded, no more than so many of ``count`` would be seen beyond the threshold with a probability of
    ``1 - confidence`` at most (the binomial distribution's lower tail); 0 where not even none is proof.

    >>> safe_share(200, 0.05, 0.8), safe_share(20, 0.05, 0.8)
    (0.03, 0.0)
    """
    chance, seen, total = (1 - allowed) ** count, 0, 0.0
    while seen <= count and total + chance <= 1 - confidence:  # P(at most `seen`)
        total += chance
        chance *= (count - seen) / (seen + 1) * allowed / (1 - allowed)
        seen += 1
    return max(seen - 1, 0) / count if count else 0.0
