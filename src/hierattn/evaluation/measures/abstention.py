"""What is gained by saying "I cannot tell": error among the answers that are given, against the share given.

The images are ranked by the largest calibrated probability; the least sure are left to a doctor. A model whose
confidence means something errs less on the surest half than on all.

References
----------
Geifman and El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
_POINTS = 101


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


def judge_abstention(labels: np.ndarray, calibrated: np.ndarray) -> dict[str, Any]:
    """The curve, thinned, and what is gained at a few shares.

    Returns
    -------
    dict
        ``area``; ``area_at_random``: the error on everything, which leaving images out at random would keep; ``steps``:
        at the shares of :data:`SHARES`, the share really answered, the error there and the confidence asked for;
        ``curve``: at most 101 points.
    """
    right = calibrated.argmax(axis=1) == labels if len(labels) else np.zeros(0, bool)
    confidence = calibrated.max(axis=1) if len(labels) else np.zeros(0)
    shares, errors = risk_coverage(right, confidence)
    levels = np.unique(confidence)[::-1]
    steps = []
    for wished in SHARES:
        # The most that can be answered without answering more than the wished share.
        place = int(np.searchsorted(shares, wished + 1e-12, side="right")) - 1
        if place >= 0:
            step = {"share": shares[place], "error": errors[place], "confidence": levels[place]}
            steps.append({"wished": wished, **{name: float(value) for name, value in step.items()}})
    kept = np.unique(np.linspace(0, max(len(shares) - 1, 0), _POINTS).round().astype(np.int64))
    return {
        "area": area_under(right, confidence),
        "area_at_random": float(errors[-1]) if len(errors) else float("nan"),
        "steps": steps,
        "curve": {"share": shares[kept].tolist(), "error": errors[kept].tolist()} if len(shares) else {},
    }
