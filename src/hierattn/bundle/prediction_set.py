"""The classes that cannot be excluded, in place of one answer: conformal prediction sets, read from the bundle.

``hierattn evaluate`` fits their thresholds on the inner fold (``evaluation/measures/conformal.py``): a class belongs to
the set where its calibrated probability reaches the threshold, which keeps the true class in the target share of sets.
The coverage measured on the held-out outer fold stands beside the target, and is the figure to trust: where it is
lower, the inner fold promised too much. A set may be empty: then no class is as probable as the true one usually is.
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
    target
        Share of new lesions whose set should hold the true class: 0.9, 0.95.
    threshold
        Calibrated probability from which a class belongs to the set; 0, every class, where the inner fold was too small
        to promise anything.
    coverage, interval
        The share reached on the outer fold, with its 95 % interval; None where not measured.
    mean_size
        Classes in a set on the outer fold, on average; None where not measured.
    """

    target: float
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
        The threshold, and how often sets made with it hold the true class.
    """

    classes: tuple[str, ...]
    rule: SetRule

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: ``classes``, ``wished`` (the target coverage) and ``coverage`` (measured, or null)."""
        return {"classes": list(self.classes), "wished": self.rule.target, "coverage": self.rule.coverage}


def prediction_sets(
    probabilities: Mapping[str, float], rules: Sequence[SetRule], photo_alone: Mapping[str, float] | None = None
) -> tuple[PredictionSet, ...]:
    """The set of each rule for one photograph's calibrated probabilities.

    Thresholds are fitted, and their coverage is measured, without answers to questions. So answers add classes and take
    none away: with ``photo_alone``, the probabilities from the photograph alone, a set is the union of both. It holds
    the true class at least as often as the photograph's own. Its order is that of ``probabilities``.

    >>> rules = (SetRule(0.9, 0.25), SetRule(0.95, 0.1))
    >>> [chosen.classes for chosen in prediction_sets({"MEL": 0.6, "NV": 0.2, "BKL": 0.2}, rules)]
    [('MEL',), ('MEL', 'NV', 'BKL')]
    """
    ranked = sorted(probabilities, key=lambda code: -probabilities[code])
    most = {code: max(share, (photo_alone or probabilities)[code]) for code, share in probabilities.items()}
    return tuple(PredictionSet(tuple(code for code in ranked if most[code] >= rule.threshold), rule) for rule in rules)
