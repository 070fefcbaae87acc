"""Which images an epoch shows, in which order: all alike, every class equally often (§3.2.2 on the fly), or between.

Where a set has several sources, cells of source and class can be drawn (:class:`Cells`): a rare class is then seen from
each clinic that has it, and the largest clinic does not decide what every class looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hierattn.errors import UsageError

Sampling = Literal["natural", "square-root", "balanced", "cells"]
By = Literal["source", "class"]


@dataclass(frozen=True)
class Cells:
    """The images by source, by class or by both, and how often each such cell is drawn.

    Attributes
    ----------
    names
        Source and class number of each cell, in this order; an empty source or -1 where cells are not by it.
    rows
        The images of each cell, int64.
    shares
        Of the draws, (cells,); they add up to 1.
    """

    names: tuple[tuple[str, int], ...]
    rows: tuple[np.ndarray, ...]
    shares: np.ndarray

    @classmethod
    def of(
        cls,
        sources: Sequence[str],
        labels: np.ndarray,
        *,
        by: Sequence[By] = ("source", "class"),
        power: float = 0.5,
        least: float = 0,
        source_weights: Mapping[str, float] | None = None,
    ) -> Cells:
        """Cells of images with these sources and class numbers, (images,) each.

        Parameters
        ----------
        by
            What a cell is of.
        power
            A cell of n images is drawn in proportion to n to this power: 0 all alike, 1 as they are.
        least
            A cell of fewer images is drawn as its images in a cell of that many would be, so that a handful of images
            is not shown again and again; 0: none is.
        source_weights
            Multiply the shares of a source's cells.

        Raises
        ------
        UsageError
            For a weight of a source that has no image.
        """
        weights = dict(source_weights or {})
        if strange := sorted(set(weights) - set(sources)):
            raise UsageError(
                f"sampling.source_weights names {', '.join(strange)}, of which nothing is trained on: wanted some of "
                f"{', '.join(sorted(set(sources)))}"
            )
        members: dict[tuple[str, int], list[int]] = {}
        for row, (source, label) in enumerate(zip(sources, labels.tolist(), strict=True)):
            cell = (source if "source" in by else "", label if "class" in by else -1)
            members.setdefault(cell, []).append(row)
        names = tuple(sorted(members))
        counts = np.array([len(members[name]) for name in names], float)
        drawn = counts**power
        if least:
            drawn = np.where(counts < least, counts * float(least) ** (power - 1), drawn)
        drawn = drawn * [weights.get(source, 1.0) for source, _ in names]
        return cls(names, tuple(np.array(members[name], np.int64) for name in names), drawn / drawn.sum())

    def at(self, places: np.ndarray) -> np.ndarray:
        """The cells that lie at ``places``, 0 to below 1, where each has as much room as its share."""
        return np.searchsorted(np.cumsum(self.shares), places, side="right").clip(0, len(self.shares) - 1)


def epoch_order(
    labels: np.ndarray,
    *,
    sampling: Sampling,
    draws: int,
    generator: np.random.Generator,
    cells: Cells | None = None,
    batch: int = 1,
) -> np.ndarray:
    """Positions into ``labels`` for one epoch.

    Parameters
    ----------
    labels
        Class numbers of the training images, (images,).
    sampling
        ``natural`` draws from all images alike, ``balanced`` gives each class that occurs the same number of draws,
        ``square-root`` as many as the square root of its images says (Mahajan et al., ECCV 2018), each to within one.
        ``cells``: each of ``cells`` by its share, to within one in every batch and in the whole epoch.
        No image is shown twice before every other of its pool was shown once.
    draws
        Length of the epoch; 0 means as many as there are images.
    cells, batch
        For ``cells``: of the same images, and the size of a batch.

    Returns
    -------
    numpy.ndarray
        int64, (draws,), shuffled.
    """
    count = draws or len(labels)
    if sampling == "natural":
        return _cycle(np.arange(len(labels)), count, generator)
    if sampling == "cells":
        assert cells is not None, "drawing by cells takes cells"
        return _by_cells(cells, count, batch, generator)
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


def _by_cells(cells: Cells, count: int, batch: int, generator: np.random.Generator) -> np.ndarray:
    """Systematic sampling: a batch's places are evenly spaced, and those of all batches together are, too."""
    steps = -(-count // batch)
    offsets = (generator.permutation(steps) + generator.random()) / steps
    places = (np.arange(batch) + offsets[:, None]) / batch  # (steps, batch)
    chosen = generator.permuted(cells.at(places), axis=1).ravel()[:count]
    order = np.empty(count, np.int64)
    for number, pool in enumerate(cells.rows):
        drawn = np.flatnonzero(chosen == number)
        order[drawn] = _cycle(pool, len(drawn), generator)
    return order


def _cycle(pool: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``count`` values of ``pool``: whole shuffles one after another, the last cut short."""
    if not count:
        return pool[:0]
    rounds = -(-count // len(pool))
    return np.concatenate([generator.permutation(pool) for _ in range(rounds)])[:count]
