"""The advice where cancer is rarer, or more common, than in the set that was evaluated.

Sensitivity and specificity are shares of those with cancer and of those without; with them and a prevalence, Bayes'
rule gives what a clinic asks: is a referral right, is its absence, how many are referred, how many missed. That holds
as far as cancers and the rest are of the same kinds there as here, which no arithmetic can make true: in a screening
they are earlier and smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.calibration import Calibration, advice_shares, risk
from hierattn.evaluation.measures.intervals import Estimate, Interval, bootstrap, interval, share_interval
from hierattn.evaluation.predictions import Predictions

SETTINGS = {0.005: "screening", 0.03: "general practice", 0.2: "referral clinic"}
"""Prevalence -> where it is about so."""
PREVALENCES = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""What a reader of the report may choose."""
PEOPLE = 1000


@dataclass(frozen=True)
class AtPrevalence:
    """The advice where so large a share of people has cancer.

    Attributes
    ----------
    prevalence
        Above 0, below 1.
    ppv
        Of those referred, the share that has cancer.
    npv
        Of those not referred, the share that has none.
    referrals, missed
        People referred, and cancers not referred, of :data:`PEOPLE`.
    """

    prevalence: float
    ppv: Estimate
    npv: Estimate
    referrals: Estimate
    missed: Estimate


@dataclass(frozen=True)
class AdviceByPrevalence:
    """The advice at every prevalence of :data:`PREVALENCES`.

    Attributes
    ----------
    classes
        What counts as cancer: the malignant classes, or those to refer where the taxonomy does not say.
    cancer
        Whether they are the malignant ones.
    images, prevalence
        What was evaluated, and the share of cancers in it.
    sensitivity, specificity
        Shares of the cancers that are referred, and of all others that are not.
    rows
        One a prevalence.
    """

    classes: tuple[str, ...]
    cancer: bool
    images: int
    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    rows: tuple[AtPrevalence, ...]

    @property
    def settings(self) -> dict[str, AtPrevalence]:
        """The rows of :data:`SETTINGS`."""
        return {SETTINGS[row.prevalence]: row for row in self.rows if row.prevalence in SETTINGS}


def carry(sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float) -> np.ndarray:
    """PPV, NPV, and referrals and missed cancers of :data:`PEOPLE`, by Bayes' rule, (..., 4); nan where 0 / 0.

    >>> carry(np.array(0.9), np.array(0.8), 0.01).round(4).tolist()
    [0.0435, 0.9987, 207.0, 1.0]
    """
    found, missed = prevalence * sensitivity, prevalence * (1 - sensitivity)
    spared = (1 - prevalence) * specificity
    referred, home = found + (1 - prevalence) * (1 - specificity), missed + spared
    nothing = np.full(np.shape(referred), np.nan)
    ppv = np.divide(found, referred, out=nothing.copy(), where=referred > 0)
    npv = np.divide(spared, home, out=nothing, where=home > 0)
    return np.stack([ppv, npv, PEOPLE * referred, PEOPLE * missed], axis=-1)


def measure_by_prevalence(
    predictions: Predictions, calibration: Calibration | None, *, resamples: int = 1000, seed: int = 0
) -> AdviceByPrevalence | None:
    """The advice carried to :data:`PREVALENCES`, with intervals over groups.

    None without a threshold, and where the images are all cancer, or none is.
    """
    if calibration is None or not calibration.has_threshold:
        return None
    malignant = predictions.taxonomy.malignant
    classes = malignant or predictions.taxonomy.triage_group
    positive = metrics.group_scores(predictions.labels, predictions.probabilities, predictions.classes, classes)[0]
    if positive.all() or not positive.any():
        return None
    scores = risk(predictions, calibration.temperature, calibration.class_bias)[1]
    statistic, groups = advice_shares(positive, scores >= calibration.risk_threshold), predictions.group_numbers
    values = statistic(np.ones((1, len(predictions))))[0]
    draws = bootstrap(statistic, groups, resamples, seed)
    spans = [
        share_interval(float(value), draws[:, place] if draws.size else draws, len(np.unique(groups[of])))
        for place, (value, of) in enumerate(zip(values, (positive, ~positive), strict=True))
    ]
    return AdviceByPrevalence(
        classes=tuple(sorted(classes)),
        cancer=bool(malignant),
        images=len(predictions),
        prevalence=float(positive.mean()),
        sensitivity=Estimate.of(float(values[0]), spans[0]),
        specificity=Estimate.of(float(values[1]), spans[1]),
        rows=tuple(_row(prevalence, values, draws, spans) for prevalence in PREVALENCES),
    )


def _row(prevalence: float, values: np.ndarray, draws: np.ndarray, spans: list[Interval | None]) -> AtPrevalence:
    """One prevalence. Where all groups agree the draws have no width, and the exact bounds' corners are carried."""
    figures = carry(values[0], values[1], prevalence)
    known: list[Interval | None] = [None] * 4
    if draws.size and not np.isin(values, (0.0, 1.0)).any():
        carried = carry(draws[:, 0], draws[:, 1], prevalence)
        known = [interval(carried[:, place]) for place in range(4)]
    elif draws.size and spans[0] and spans[1]:
        known = _corners(prevalence, spans[0], spans[1])
    return AtPrevalence(
        prevalence, *(Estimate.of(float(value), span) for value, span in zip(figures, known, strict=True))
    )


def _corners(prevalence: float, sensitivity: Interval, specificity: Interval) -> list[Interval | None]:
    """The least and the most of each figure that both intervals allow: wider than need be rather than too narrow."""
    corners = np.array(
        [carry(np.array(one), np.array(other), prevalence) for one in sensitivity for other in specificity]
    )
    low, high = np.nanmin(corners, axis=0), np.nanmax(corners, axis=0)
    return [(float(least), float(most)) for least, most in zip(low, high, strict=True)]
