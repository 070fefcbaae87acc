"""What is gained by saying "I cannot tell": error among the answers that are given, against the share given.

The images are ranked by the largest calibrated probability; the least sure are left to a doctor. A model whose
confidence means something errs less on the surest half than on all.

References
----------
Geifman and El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hierattn.evaluation.records import defined

SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
_POINTS = 101


@dataclass(frozen=True)
class AbstentionStep:
    """What is gained where about ``target`` of the images are answered.

    ``share`` is the share really answered, ``error`` that of wrong answers among them, and ``confidence`` the least one
    that is answered.
    """

    target: float
    share: float
    error: float
    confidence: float


@dataclass(frozen=True)
class Abstention:
    """What abstaining gains.

    Attributes
    ----------
    area
        Mean error over all shares answered; None without images.
    area_at_random
        The error on everything, which leaving images out at random would keep.
    steps
        At the shares of :data:`SHARES`.
    curve
        ``share`` and ``error`` at up to 101 points; empty without images.
    """

    area: float | None
    area_at_random: float | None
    steps: tuple[AbstentionStep, ...]
    curve: Mapping[str, tuple[float, ...]]


def risk_coverage(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of images answered, and the share of wrong answers among them, each (points,), from few to all.

    Images of one confidence are answered together or not at all, as a threshold would have it.

    >>> risk_coverage(np.array([True, False, True]), np.array([0.9, 0.5, 0.7]))[1].round(3).tolist()
    [0.0, 0.0, 0.333]
    """
    if not len(right):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last_of_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    answered = last_of_tie + 1
    wrong = np.cumsum(~right[order])[last_of_tie]
    return answered / len(right), wrong / answered


def area_under(right: np.ndarray, confidence: np.ndarray) -> float:
    """Mean error over all shares answered (AURC), 0 is best; nan without images. Images of a tie share its error."""
    if not len(right):
        return float("nan")
    shares, errors = risk_coverage(right, confidence)
    return float((np.diff(shares, prepend=0.0) * errors).sum())


def measure_abstention(labels: np.ndarray, calibrated: np.ndarray) -> Abstention:
    """The curve, thinned, and what is gained at a few shares; ``calibrated`` probabilities are (N, C)."""
    right = calibrated.argmax(axis=1) == labels if len(labels) else np.zeros(0, bool)
    confidence = calibrated.max(axis=1) if len(labels) else np.zeros(0)
    shares, errors = risk_coverage(right, confidence)
    levels = np.unique(confidence)[::-1]
    steps = []
    for target in SHARES:
        # The most that can be answered without answering more than the target share.
        place = int(np.searchsorted(shares, target + 1e-12, side="right")) - 1
        if place >= 0:
            steps.append(AbstentionStep(target, float(shares[place]), float(errors[place]), float(levels[place])))
    thinned = np.unique(np.linspace(0, max(len(shares) - 1, 0), _POINTS).round().astype(np.int64))
    curve = {"share": tuple(shares[thinned].tolist()), "error": tuple(errors[thinned].tolist())} if len(shares) else {}
    return Abstention(
        area=defined(area_under(right, confidence)),
        area_at_random=float(errors[-1]) if len(errors) else None,
        steps=tuple(steps),
        curve=curve,
    )
