"""Which images an epoch shows, in which order: all of them, or every class equally often (§3.2.2 on the fly)."""

from __future__ import annotations

from typing import Literal

import numpy as np


def epoch_order(
    labels: np.ndarray,
    *,
    sampling: Literal["natural", "balanced"],
    draws: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Positions into ``labels`` for one epoch.

    Parameters
    ----------
    labels
        Class numbers of the training images, (images,).
    sampling
        ``natural`` draws from all images alike, ``balanced`` gives each class that occurs the same number of draws
        (to within one). Neither shows an image a second time before it has shown every other of its pool once.
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
    classes = np.unique(labels)
    shares = np.full(len(classes), count // len(classes))
    # The remainder goes to classes drawn anew each epoch, so that none is favoured in the long run.
    shares[generator.permutation(len(classes))[: count % len(classes)]] += 1
    chosen = [
        _cycle(np.flatnonzero(labels == label), int(share), generator)
        for label, share in zip(classes, shares, strict=True)
    ]
    return generator.permutation(np.concatenate(chosen))


def _cycle(pool: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` values of ``pool``: whole shuffles one after another, the last cut short."""
    rounds = -(-count // len(pool))
    return np.concatenate([generator.permutation(pool) for _ in range(rounds)])[:count]
