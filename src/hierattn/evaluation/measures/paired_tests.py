"""Is one model better than another on the same images, or was it luck? Paired tests over groups, never over images.

Two models that are evaluated on the same lesions share what is hard about them, so their difference is known far better
than either figure is. All tests here are two-sided, pair by image, and count a lesion or patient once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hierattn.errors import UsageError
from hierattn.evaluation.measures.intervals import Interval, bootstrap, interval

MOST_ENUMERATED = 14
"""Up to so many groups that differ, every exchange is tried, and the p-value is exact."""
_BLOCK_VALUES = 2_000_000


@dataclass(frozen=True)
class PairedDifference:
    """How much higher one figure is than another, on the same images.

    Attributes
    ----------
    value
        First minus second.
    interval
        95 %, over groups; None where it is not known.
    p
        Two-sided; nan where nothing can be compared.
    """

    value: float
    interval: Interval | None
    p: float


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's correction for many comparisons: adjusted p-values, (K,), in the same order; nan stays nan, uncounted.

    Calling those below 5 % different is wrong about even one of them in at most 5 % of such tables.

    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics, 1979.
    """
    values = np.asarray(p_values, np.float64)
    if values.ndim != 1 or (values < 0).any() or (values > 1).any():
        raise UsageError(f"p-values of shape {values.shape}: wanted a row of numbers from 0 to 1")
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def exchange_test(parts: np.ndarray, resamples: int = 10_000, seed: int = 0) -> float:
    """Chance of a difference at least as large if the two models' answers could be exchanged, group by group.

    McNemar's test, grown up to groups: with one image a group and accuracy as the figure it IS McNemar's exact test.

    Parameters
    ----------
    parts
        What each group adds to the difference, (groups,); the difference is their sum. Exchanging the two models'
        answers on a group turns its sign.
    resamples
        Random exchanges, where there are too many groups to try all.

    Returns
    -------
    float
        Two-sided p-value, never 0: with random exchanges at least ``1 / (resamples + 1)``. 1 where no group differs.
    """
    different = parts[parts != 0]
    if not len(different):
        return 1.0
    # Sums of the same values in another order differ by rounding: what is equal must count as equal.
    reached = abs(different.sum()) - 1e-12 * np.abs(different).sum()
    if len(different) <= MOST_ENUMERATED:
        count = len(different)
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        return float((np.abs(signs @ different) >= reached).mean())
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK_VALUES // len(different))
    extreme = 0
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        signs = generator.integers(0, 2, (size, len(different))) * 2.0 - 1.0
        extreme += int((np.abs(signs @ different) >= reached).sum())
    return (extreme + 1) / (resamples + 1)


def compare_balanced_accuracy(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> PairedDifference:
    """Balanced accuracy of one model less that of another.

    Parameters
    ----------
    labels, first, second
        True class and the two models' answers, whole numbers (N,).
    groups
        Group numbers from 0, (N,).
    resamples, seed
        Of the bootstrap over groups that gives the interval, and of the exchanges that give p.
    """
    right = _right_answers(labels, first, second, groups)
    if not len(labels):
        return PairedDifference(float("nan"), None, float("nan"))
    present, place, images = np.unique(labels, return_inverse=True, return_counts=True)
    difference = right[0].astype(np.float64) - right[1]  # (N,): 1, 0 or -1
    parts = np.bincount(groups, weights=difference / (images[place] * len(present)))
    one_hot = np.eye(len(present))[place]

    def statistic(weights: np.ndarray) -> np.ndarray:
        of_class = weights @ one_hot  # (resamples, classes present)
        gained = (weights * difference) @ one_hot
        shares = np.divide(gained, of_class, out=np.full(of_class.shape, np.nan), where=of_class > 0)
        drawn = ~np.isnan(shares)  # a class may be in none of the groups of a resample
        return (np.where(drawn, shares, 0).sum(axis=1) / np.maximum(drawn.sum(axis=1), 1))[:, None]

    draws = bootstrap(statistic, groups, resamples, seed)
    known = interval(draws[:, 0]) if draws.size else None
    return PairedDifference(float(parts.sum()), known, exchange_test(parts, max(resamples, 1000) * 10, seed))


def _right_answers(labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether each answer is right, bool (2, N)."""
    if not labels.shape == first.shape == second.shape == groups.shape or labels.ndim != 1:
        raise UsageError(
            f"labels {labels.shape}, answers {first.shape} and {second.shape}, groups {groups.shape}: wanted (images,)"
        )
    return np.stack([first == labels, second == labels])


def compare_auc(positive: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> PairedDifference:
    """AUC of one score less that of another, by DeLong's test for images that come in groups (Obuchowski 1997).

    With one image a group this is DeLong's own test. The interval is the normal one, of the same standard error.

    Parameters
    ----------
    positive
        bool, (N,).
    first, second
        Scores, (N,), larger means more positive.
    groups
        Group numbers from 0, (N,).

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics, 1988. Obuchowski, Nonparametric analysis of clustered ROC curve data,
    Biometrics, 1997.
    """
    if not positive.shape == first.shape == second.shape == groups.shape or positive.dtype != np.bool_:
        raise UsageError(f"positive {positive.dtype} {positive.shape}, scores {first.shape}: wanted bool and the same")
    if positive.all() or not positive.any():
        return PairedDifference(float("nan"), None, float("nan"))
    # A part of each image: the share of the images of the other kind against which it is on the right side.
    parts = _placements(positive, first) - _placements(positive, second)
    value = float(parts[positive].mean())
    variance = _variance(parts - value, positive, groups)
    if not variance > 0:
        return PairedDifference(value, None, 1.0 if value == 0 else float("nan"))
    error = math.sqrt(variance)
    p = math.erfc(abs(value) / error / math.sqrt(2))
    return PairedDifference(value, (value - 1.959963984540054 * error, value + 1.959963984540054 * error), p)


def _placements(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Of each positive the share of negatives below it, of each negative the share of positives above; ties half."""
    found, rest = np.sort(scores[positive]), np.sort(scores[~positive])
    placements = np.empty(len(scores))
    for chosen, other in ((positive, rest), (~positive, found)):
        below = np.searchsorted(other, scores[chosen], side="left")
        not_above = np.searchsorted(other, scores[chosen], side="right")
        placements[chosen] = (below + not_above) / 2 / len(other)
    placements[~positive] = 1 - placements[~positive]
    return placements


def _variance(centred: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> float:
    """Obuchowski's variance of an AUC (or a difference of two) from its centred placements."""
    count = int(groups.max()) + 1
    images = [int(positive.sum()), int((~positive).sum())]
    sums = [np.bincount(groups[kind], weights=centred[kind], minlength=count) for kind in (positive, ~positive)]
    holding = [len(np.unique(groups[kind])) for kind in (positive, ~positive)]
    total = 0.0
    for kind in range(2):
        if holding[kind] < 2:
            return float("nan")
        total += holding[kind] / (holding[kind] - 1) * float((sums[kind] ** 2).sum()) / images[kind] ** 2
    both = count / (count - 1) * float((sums[0] * sums[1]).sum())
    return total + 2 * both / (images[0] * images[1])
