"""Decision curves: is following the advice worth more than referring everyone, or no one? (Vickers and Elkin 2006).

A clinic that would refer 19 people in vain for one found in time acts from a risk of 5 % on: the threshold says how it
weighs one against the other. The net benefit of a policy at threshold ``t`` is

    true referrals / all - unneeded referrals / all x t / (1 - t)

in true referrals a person: 0.03 is as good as 3 in 100 rightly referred, and none in vain. Referring no one has 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, interval
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS, rows_by_attribute
from hierattn.evaluation.predictions import Predictions, rows_of

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Where a curve is measured. Beyond 50 %, a lesion missed would weigh less than a visit in vain."""
SUBGROUP_THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Where a subgroup is."""
CLINIC, CANCER = "clinic", "cancer"
"""What a curve may count as found: a lesion that should be seen in a clinic, or one that is cancer."""


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits on all images, one at each of :data:`THRESHOLDS`.

    Attributes
    ----------
    outcome, classes
        :data:`CLINIC` or :data:`CANCER`, and the classes that have it.
    risk
        Of referring where the summed calibrated probability of these classes reaches the threshold: the best that a
        clinic with this threshold could do with the network.
    advice
        Of following the advice, whose own threshold stays where it is.
    refer_all
        Of referring everyone.
    gain
        Of the advice, above the better of referring everyone and no one.
    """

    outcome: str
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    risk: tuple[Estimate, ...]
    advice: tuple[Estimate, ...]
    refer_all: tuple[Estimate, ...]
    gain: tuple[Estimate, ...]


@dataclass(frozen=True)
class SubgroupBenefit:
    """Net benefits of the advice in one subgroup, for :data:`CLINIC`.

    Attributes
    ----------
    name, images, groups
        As in :class:`~hierattn.evaluation.measures.subgroups.Subgroup`.
    too_few
        Fewer than :data:`~hierattn.evaluation.measures.subgroups.FEWEST_GROUPS` groups have the outcome, or lack it.
    advice, gain
        As in :class:`DecisionCurve`, at each of :data:`SUBGROUP_THRESHOLDS`.
    """

    name: str
    images: int
    groups: int
    too_few: bool
    advice: tuple[Estimate, ...]
    gain: tuple[Estimate, ...]


@dataclass(frozen=True)
class NetBenefit:
    """Decision curves of the advice, the one of :data:`CLINIC` first, and its net benefit by subgroup.

    ``subgroups``: attribute -> subgroups; empty where nothing is known of the images.
    """

    curves: tuple[DecisionCurve, ...]
    subgroup_thresholds: tuple[float, ...]
    subgroups: Mapping[str, tuple[SubgroupBenefit, ...]]


def net_benefits(
    positive: np.ndarray, referred: np.ndarray, thresholds: Sequence[float], weights: np.ndarray | None = None
) -> np.ndarray:
    """The net benefit of each policy at its threshold, (resamples, policies); nan where nothing has a weight.

    Parameters
    ----------
    positive
        Whether an image has the outcome, bool (N,).
    referred
        Whom each policy refers, bool (N, policies).
    thresholds
        One a policy, above 0, below 1.
    weights
        How often each image counts, (resamples, N); None: once.

    >>> positive, referred = np.array([True, False, False, False]), np.array([[True], [True], [False], [False]])
    >>> net_benefits(positive, referred, [0.2])  # 1/4 found, 1/4 in vain at a fourth of the weight
    array([[0.1875]])
    """
    odds = np.asarray(thresholds) / (1 - np.asarray(thresholds))
    worth = np.where(positive[:, None], 1.0, -odds) * referred
    weights = np.ones((1, len(positive))) if weights is None else weights
    people = weights.sum(axis=1, keepdims=True)
    return np.divide(weights @ worth, people, out=np.full((len(weights), len(odds)), np.nan), where=people > 0)


def measure_net_benefit(
    predictions: Predictions,
    calibration: Calibration | None,
    cases: Sequence[Case] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> NetBenefit | None:
    """The net benefit of the advice, with intervals over groups; cancer has a curve of its own where it is known.

    None without a threshold, so where nothing is said of referral.
    """
    taxonomy = predictions.taxonomy
    if calibration is None or not calibration.has_threshold or not len(predictions):
        return None
    outcomes = {CLINIC: taxonomy.triage_group}
    if taxonomy.malignant and taxonomy.malignant != taxonomy.triage_group:
        outcomes[CANCER] = taxonomy.malignant
    how = (calibration, resamples, seed)
    curves = (
        DecisionCurve(name, tuple(sorted(of)), THRESHOLDS, *_policies(predictions, of, THRESHOLDS, *how))
        for name, of in outcomes.items()
    )
    attributes = {} if cases is None else rows_by_attribute(predictions, cases)
    subgroups = {
        attribute: tuple(_subgroup(name, rows_of(predictions, rows), *how) for name, rows in members.items())
        for attribute, members in attributes.items()
    }
    return NetBenefit(tuple(curves), SUBGROUP_THRESHOLDS, subgroups)


def _subgroup(name: str, members: Predictions, calibration: Calibration, resamples: int, seed: int) -> SubgroupBenefit:
    outcome, groups = members.taxonomy.triage_group, members.group_numbers
    _, advice, _, gain = _policies(members, outcome, SUBGROUP_THRESHOLDS, calibration, resamples, seed)
    positive = np.isin(members.labels, [members.classes.index(code) for code in outcome])
    few = min(len(np.unique(groups[positive])), len(np.unique(groups[~positive]))) < FEWEST_GROUPS
    return SubgroupBenefit(name, len(members), len(np.unique(groups)), few, advice, gain)


def _policies(
    members: Predictions,
    outcome: frozenset[str],
    thresholds: tuple[float, ...],
    calibration: Calibration,
    resamples: int,
    seed: int,
) -> tuple[tuple[Estimate, ...], ...]:
    """Net benefits by threshold: of the outcome's own risk, the advice, referring all, and the advice's gain."""
    calibrated = calibration.apply(members.probabilities)
    positive, scores = metrics.group_scores(members.labels, calibrated, members.classes, outcome)
    advised = risk(members, calibration.temperature, calibration.class_bias)[1] >= calibration.risk_threshold
    shape = (len(members), len(thresholds))
    policies = (scores[:, None] >= thresholds, np.broadcast_to(advised[:, None], shape), np.ones(shape, bool))
    referred, at = np.concatenate(policies, axis=1), thresholds * len(policies)

    def statistic(weights: np.ndarray) -> np.ndarray:
        benefits = net_benefits(positive, referred, at, weights)
        _, advice, everyone = np.split(benefits, len(policies), axis=1)
        return np.concatenate([benefits, advice - np.maximum(everyone, 0)], axis=1)

    values = statistic(np.ones((1, len(members))))[0]
    draws = bootstrap(statistic, members.group_numbers, resamples, seed)
    estimates = [
        Estimate.of(float(value), interval(draws[:, place]) if draws.size else None)
        for place, value in enumerate(values)
    ]
    count = len(thresholds)
    return tuple(tuple(estimates[start : start + count]) for start in range(0, len(estimates), count))
