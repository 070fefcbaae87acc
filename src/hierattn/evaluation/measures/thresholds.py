"""Where the advice begins: a threshold of the risk for a wished sensitivity, set so that new lesions keep it.

The plain choice is the highest threshold that refers the wished share of the inner fold's positives. It is an even
bet: on photographs of HAM10000 and PAD-UFES-20 dealt anew 400 times it kept a wish of 95 % on the other half in 49 of
100 (docs/lab-notes.md). So what is chosen here is lower: with it one may be ``sure`` that the share of new lesions that
fall below does not exceed what was allowed. That is a tolerance bound of the binomial distribution (Wilks 1941),
counted in lesions or patients and not in photographs.
"""

from __future__ import annotations

import numpy as np

from hierattn.errors import UsageError

SURE = 0.8
"""How sure a threshold is to be."""


def choose_threshold(positive: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """The highest threshold that refers at least this share of the positives; nan where there is no positive.

    It is the risk of one of the positives themselves: ``risk >= threshold`` refers.

    Raises
    ------
    UsageError
        For a sensitivity of 0 or less, or above 1.
    """
    if not 0 < sensitivity <= 1:
        raise UsageError(f"wished sensitivity {sensitivity}: wanted above 0, at most 1")
    found = np.sort(scores[positive])[::-1]
    if not len(found):
        return float("nan")
    shares = np.arange(1, len(found) + 1) / len(found)
    return float(found[int(np.argmax(shares >= sensitivity))])


def choose_safe_threshold(
    positive: np.ndarray, scores: np.ndarray, groups: np.ndarray, sensitivity: float, sure: float = SURE
) -> float:
    """The highest threshold of which one may be ``sure`` that it refers this share of new lesions.

    Parameters
    ----------
    positive, scores
        bool and float, (N,).
    groups
        A number for each image's lesion or patient, (N,). Every group weighs the same, shared by its images.
    sensitivity
        Wished share, above 0, at most 1.
    sure
        0 to below 1; 0 is :func:`choose_threshold`.

    Returns
    -------
    float
        Never above :func:`choose_threshold`'s; the smallest risk of a positive where they are too few to be so sure
        (:func:`attained` says how sure one may be then); nan without any.

    Raises
    ------
    UsageError
        For a sensitivity or a certainty out of its range.
    """
    plain = choose_threshold(positive, scores, sensitivity)
    if not 0 <= sure < 1:
        raise UsageError(f"sure {sure}: wanted 0 to below 1")
    if sure == 0 or np.isnan(plain):
        return plain
    numbers = np.unique(groups[positive], return_inverse=True)[1]
    sizes = np.bincount(numbers)
    allowed = safe_share(len(sizes), 1 - sensitivity, sure)
    order = np.argsort(scores[positive], kind="stable")  # from the least suspected up
    below = np.cumsum(1 / (sizes[numbers[order]] * len(sizes)))
    first_kept = order[np.flatnonzero(below > allowed + 1e-12)[0]]
    return float(min(plain, scores[positive][first_kept]))


def attained(groups: int, sensitivity: float, sure: float = SURE) -> float:
    """How sure one may be with so many groups of positives: ``sure``, or less where they are too few.

    >>> attained(100, 0.95), round(attained(20, 0.95), 3)
    (0.8, 0.642)
    """
    return min(sure, 1 - sensitivity**groups)


def safe_share(count: int, allowed: float, sure: float) -> float:
    """Share of ``count`` draws that may lie beyond a threshold that ``allowed`` of new ones shall not exceed.

    Were that share exceeded, no more than so many of ``count`` would be seen beyond the threshold with a probability of
    ``1 - sure`` at most (the binomial distribution's lower tail); 0 where not even none is proof.

    >>> safe_share(200, 0.05, 0.8), safe_share(20, 0.05, 0.8)
    (0.03, 0.0)
    """
    chance, seen, total = (1 - allowed) ** count, 0, 0.0
    while seen <= count and total + chance <= 1 - sure:  # P(at most `seen`)
        total += chance
        chance *= (count - seen) / (seen + 1) * allowed / (1 - allowed)
        seen += 1
    return max(seen - 1, 0) / count if count else 0.0
