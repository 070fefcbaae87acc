"""The classes that cannot be excluded, in place of one answer: conformal prediction sets, read from the bundle.

``hierattn evaluate`` fits their thresholds on the inner fold (``evaluation/conformal.py``): a class belongs to the set
where its calibrated probability reaches the threshold, which keeps the truth in the wished share of sets. How often
it did so on the untouched fold is told beside it, and is what counts: where it is lower, the inner fold promised too
much. A set may be empty: then no class is as probable as the true one usually is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SetRule:
    """One threshold of a bundle.

    Attributes
    ----------
    wished
        Share of new lesions whose set holds the truth, as asked for: 0.9, 0.95.
    threshold
        Calibrated probability from which a class belongs to the set; 0 keeps every class, where the inner fold was too
        small to promise anything.
    coverage, interval
        The share that it reached on the untouched fold, with its 95 % interval; None where that was not measured.
    mean_size
        Classes in a set on the untouched fold, on average; None where that was not measured.
    """

    wished: float
    threshold: float
    coverage: float | None = None
    interval: tuple[float, float] | None = None
    mean_size: float | None = None


@dataclass(frozen=True)
class PredictionSet:
    """The classes that one rule leaves for one photograph.

    Attributes
    ----------
    classes
        Codes, the most probable first; perhaps none.
    rule
        What they were chosen by, and how often that holds.
    """

    classes: tuple[str, ...]
    rule: SetRule

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: ``classes``, ``wished`` and ``coverage`` (measured, or null)."""
        return {"classes": list(self.classes), "wished": self.rule.wished, "coverage": self.rule.coverage}


def prediction_sets(probabilities: Mapping[str, float], rules: Sequence[SetRule]) -> tuple[PredictionSet, ...]:
    """The set of each rule for one photograph's calibrated probabilities.

    >>> rules = (SetRule(0.9, 0.25), SetRule(0.95, 0.1))
    >>> [one.classes for one in prediction_sets({"MEL": 0.6, "NV": 0.2, "BKL": 0.2}, rules)]
    [('MEL',), ('MEL', 'NV', 'BKL')]
    """
    ranked = sorted(probabilities, key=lambda code: -probabilities[code])
    return tuple(
        PredictionSet(tuple(code for code in ranked if probabilities[code] >= rule.threshold), rule) for rule in rules
    )
