"""Which images an epoch shows, in which order: all alike, every class equally often (§3.2.2 on the fly), or between."""

from __future__ import annotations

from typing import Literal

import numpy as np

Sampling = Literal["natural", "square-root", "balanced"]


def epoch_order(
    labels: np.ndarray,
    *,
    sampling: Sampling,
    draws: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Positions into ``labels`` for one epoch.

    Parameters
    ----------
    labels
        Class numbers of the training images, (images,).
    sampling
        ``natural`` draws from all images alike, ``balanced`` gives each class that occurs the same number of draws,
        ``square-root`` as many as the square root of its images says (Mahajan et al., ECCV 2018), each to within one.
        No image is shown twice before every other of its pool was shown once.
    draws
        Length of the epoch; 0 means as many as there are images.

    Returns
    -------
    numpy.ndarray
        int64, (draws,), shuffled.
    """
    count = draws or len(labels)
    if sampling == "natural":
        return _cycle(np.arange(len(labels)), count, generator)
    classes, sizes = np.unique(labels, return_counts=True)
    weights = np.sqrt(sizes) if sampling == "square-root" else np.ones(len(classes))
    shares = np.floor(count * weights / weights.sum()).astype(np.int64)
    # The remainder goes to classes drawn anew each epoch, so that none is favoured in the long run.
    shares[generator.permutation(len(classes))[: count - shares.sum()]] += 1
    positions = [
        _cycle(np.flatnonzero(labels == label), int(share), generator)
        for label, share in zip(classes, shares, strict=True)
    ]
    return generator.permutation(np.concatenate(positions))


def _cycle(pool: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` values of ``pool``: whole shuffles one after another, the last cut short."""
    if not count:
        return pool[:0]
    rounds = -(-count // len(pool))
    return np.concatenate([generator.permutation(pool) for _ in range(rounds)])[:count]
