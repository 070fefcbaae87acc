"""95 % intervals by resampling whole groups (lesions, patients, near-duplicates), not single images.

Two photographs of one lesion are not two pieces of evidence. The cluster bootstrap draws as many groups as there are,
with replacement, and reads the figure again; the interval is what the middle 95 % of the draws span (percentiles).
What a bootstrap cannot tell is not invented: see :func:`interval` and :func:`share_interval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hierattn.errors import UsageError
from hierattn.evaluation.records import defined

LEVEL = 0.95
_BLOCK_VALUES = 500_000  # stays in the cache, and asks no fresh pages of the system

Interval = tuple[float, float]
"""(low, high); None in its place where it is not known."""
Statistic = Callable[[np.ndarray], np.ndarray]
"""Weights (resamples, images) -> figures (resamples, K)."""


@dataclass(frozen=True)
class Estimate:
    """A share or an area with its 95 % interval; None where it is undefined or not known."""

    value: float | None
    interval: Interval | None

    @classmethod
    def of(cls, value: float, interval: Interval | None) -> Estimate:
        """The same of a number that may be nan."""
        return cls(defined(value), interval)


def group_numbers(groups: Sequence[str], images: Sequence[str]) -> np.ndarray:
    """Groups as numbers 0, 1, ..., int64 (N,); an image without a group is a group by itself."""
    names = [f"group {group}" if group else f"image {image}" for group, image in zip(groups, images, strict=True)]
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def resampled_weights(groups: np.ndarray, resamples: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each image counts in each resample, in blocks of (some resamples, N), float64.

    Parameters
    ----------
    groups
        Group numbers 0 ... G - 1, (N,).
    resamples
        Rows over all blocks.
    generator
        Draws the groups. The same draws come whatever the size of a block.
    """
    count = int(groups.max()) + 1 if len(groups) else 0
    if not count:
        return
    rows = max(1, _BLOCK_VALUES // max(len(groups), 1))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, count, size=(size, count))
        flat = (drawn + np.arange(size)[:, None] * count).ravel()
        times = np.bincount(flat, minlength=size * count).reshape(size, count)
        yield times[:, groups].astype(np.float64)


def check_resamples(resamples: int) -> None:
    """Refuse a number of resamples that gives no interval; to be asked before any work.

    Raises
    ------
    UsageError
        For fewer than 100, except 0.
    """
    if resamples and resamples < 100:
        raise UsageError(f"{resamples} bootstrap resamples: wanted 100 or more for a 95 % interval, or 0 for none")


def bootstrap(statistic: Statistic, groups: np.ndarray, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Draws of ``statistic`` under resampling of whole groups, (resamples, K); (0, 0) without images.

    Raises
    ------
    UsageError
        For fewer than 100 resamples, except 0, which gives no draws and so no intervals.
    """
    check_resamples(resamples)
    generator = np.random.default_rng(seed)
    parts = [statistic(weights) for weights in resampled_weights(groups, resamples, generator)]
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def interval(draws: np.ndarray, level: float = LEVEL) -> Interval | None:
    """The middle ``level`` of the draws (resamples,), over those in which the figure is defined.

    None where there are no draws, where fewer than half are defined, or where all are equal: then there
    is one group only, or every group agrees, and resampling cannot say how sure the figure is.
    """
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0 or 2 * len(defined) < len(draws) or np.ptp(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_interval(value: float, draws: np.ndarray, groups: int, level: float = LEVEL) -> Interval | None:
    """The interval of a share (a sensitivity, an accuracy) among ``groups`` groups.

    Where every group agrees, the share is 0 or 1 and the bootstrap's interval has no width. There we give the exact
    binomial bound (Clopper and Pearson 1934) for that many groups, as "7 of 7" does not mean 100 %.

    >>> low, high = share_interval(1.0, np.ones(1000), groups=7)
    >>> round(low, 2), high
    (0.59, 1.0)
    """
    if len(draws) and groups > 0 and value in (0.0, 1.0):
        return _exact_bound(value, groups, level)
    return interval(draws, level)


def share_of(flags: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> Estimate:
    """The share of images with a flag, and its interval over groups; undefined without images.

    Parameters
    ----------
    flags, groups
        bool and a number for each image's group, from 0, (N,).
    resamples, seed
        Of :func:`bootstrap`.
    """
    value = float(flags.mean()) if len(flags) else float("nan")
    draws = bootstrap(lambda weights: (weights @ flags / weights.sum(axis=1))[:, None], groups, resamples, seed)
    return Estimate.of(value, share_interval(value, draws[:, 0] if draws.size else draws, len(np.unique(groups))))


def any_of_group(flags: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether any image of each group has the flag, (N,), (N,) -> bool (G,).

    >>> any_of_group(np.array([True, False, False]), np.array([0, 0, 1])).tolist()
    [True, False]
    """
    return np.bincount(groups, weights=flags) > 0


def _exact_bound(value: float, groups: int, level: float = LEVEL) -> Interval:
    bound = ((1 - level) / 2) ** (1 / groups)
    return (bound, 1.0) if value == 1 else (0.0, 1 - bound)


def balanced_interval(value: float, draws: np.ndarray, groups_of_classes: Sequence[int]) -> Interval | None:
    """The interval of a mean of shares, one a class with so many groups: balanced accuracy.

    At 0 or 1 it is the mean of the classes' exact bounds, which is wider than need be rather than too narrow.
    """
    present = [count for count in groups_of_classes if count > 0]
    if len(draws) and present and value in (0.0, 1.0):
        bounds = [_exact_bound(value, count) for count in present]
        return float(np.mean([low for low, _ in bounds])), float(np.mean([high for _, high in bounds]))
    return interval(draws)
