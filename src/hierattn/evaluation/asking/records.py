"""What was measured of a model that asks, as a report keeps it: records alone, which are read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.measures.paired_tests import PairedDifference

MISSING = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the known answers that are hidden."""
ADVICE_BY: Mapping[str, str] = {
    "photograph": "the photograph alone",
    "both": "photograph and answers, without the rule",
    "rule": "photograph and answers, never below the photograph alone",
}
"""What an :class:`Advice` is by, in words."""


@dataclass(frozen=True)
class Three:
    """Balanced accuracy, and the expected calibration error, of the three with a share of the answers hidden.

    ``gain`` is both less the photograph alone, paired by group.
    """

    missing: float
    photograph: Estimate
    answers: Estimate
    both: Estimate
    gain: PairedDifference
    macro_auc_photograph: Estimate
    macro_auc_both: Estimate
    ece_photograph: float | None
    ece_both: float | None


@dataclass(frozen=True)
class OfBiopsy:
    """The three among lesions that were biopsied, or were not."""

    biopsied: str
    images: int
    classes: int
    photograph: Estimate
    answers: Estimate
    both: Estimate


@dataclass(frozen=True)
class OfQuestion:
    """What one question adds to all others, and does to the advice.

    Attributes
    ----------
    name
        Of the question.
    known, known_biopsied, known_not_biopsied
        Shares of the photographs of which it is answered; None without any such photograph. Where the last two differ
        much, that it is answered tells what the doctor suspected.
    gain
        All answers less all but this one, paired by group.
    raised, lowered
        Shares of the photographs whose advice this answer turns from waiting to a doctor, and back, without the rule;
        None without a threshold.
    """

    name: str
    known: float
    known_biopsied: float | None
    known_not_biopsied: float | None
    gain: PairedDifference
    raised: float | None
    lowered: float | None


@dataclass(frozen=True)
class Advice:
    """Sensitivity and specificity of the advice at the photograph's own threshold."""

    by: str
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class OfSubgroup:
    """The photograph alone and both among some people, with all answers as they are.

    Attributes
    ----------
    name, images, groups, too_few
        As of :class:`~hierattn.evaluation.measures.subgroups.Subgroup`.
    photograph, both, gain
        Balanced accuracy, over the classes that occur, and the difference, paired.
    advice
        As :attr:`AnswersFigures.advice`.
    """

    name: str
    images: int
    groups: int
    too_few: bool
    photograph: Estimate
    both: Estimate
    gain: PairedDifference
    advice: tuple[Advice, ...]


@dataclass(frozen=True)
class AnswersFigures:
    """All of it.

    Attributes
    ----------
    questions
        Names, in the order of the input.
    temperature
        Of the logits where something is answered, fitted on the inner fold.
    missing
        A row for each of :data:`MISSING`.
    by_biopsy
        Empty where the set does not say.
    asked
        A row a question.
    advice
        The photograph alone, both, and both under the rule; empty without a threshold.
    subgroups
        Attribute of :data:`~hierattn.evaluation.measures.subgroups.ATTRIBUTES` -> its subgroups.
    """

    questions: tuple[str, ...]
    temperature: float
    missing: tuple[Three, ...]
    by_biopsy: tuple[OfBiopsy, ...]
    asked: tuple[OfQuestion, ...]
    advice: tuple[Advice, ...]
    subgroups: Mapping[str, tuple[OfSubgroup, ...]] = field(default_factory=dict)
