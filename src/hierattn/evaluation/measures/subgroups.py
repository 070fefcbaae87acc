"""The same figures by sex, age, body site, skin type, source and image size: whom does a model serve less well?

A group of people can be too small to say anything of. It is then counted, shown and flagged, and never named as the
largest gap: a figure on three lesions is noise with a decimal point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.errors import UsageError
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.intervals import (
    Estimate,
    Interval,
    balanced_interval,
    bootstrap,
    interval,
    share_interval,
)
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.evaluation.records import defined

FEWEST_GROUPS = 30
"""A subgroup, or a share's denominator, with fewer lesions or patients is too few to say."""
ATTRIBUTES: dict[str, str] = {
    "sex": "Sex",
    "age": "Age",
    "site": "Body site",
    "skin_type": "Skin type (Fitzpatrick)",
    "source": "Source",
    "image_size": "Image size (longest side)",
}
UNKNOWN = "unknown"
FIGURES: dict[str, str] = {
    "balanced_accuracy": "balanced accuracy",
    "malignant_auc": "cancer AUC",
    "referred": "sensitivity of the advice",
    "spared": "specificity of the advice",
}
"""What is measured in every subgroup; the last two are of the triage threshold (§5)."""


@dataclass(frozen=True)
class SubgroupEstimate(Estimate):
    """A figure of a subgroup; ``classes``, of balanced accuracy alone, counts the classes that it is a mean of."""

    too_few: bool
    classes: int | None = None


@dataclass(frozen=True)
class Subgroup:
    """One subgroup. ``referred`` and ``spared`` are None without a threshold.

    ``too_few``: it has fewer than :data:`FEWEST_GROUPS` groups.
    """

    name: str
    images: int
    groups: int
    too_few: bool
    balanced_accuracy: SubgroupEstimate
    malignant_auc: SubgroupEstimate
    referred: SubgroupEstimate | None = None
    spared: SubgroupEstimate | None = None


@dataclass(frozen=True)
class Gap:
    """The two subgroups of one attribute between which one figure differs most.

    ``figure`` is one of :data:`FIGURES`; ``intervals_overlap`` is None where an interval is not known.
    """

    attribute: str
    figure: str
    gap: float
    worst: str
    worst_value: float
    best: str
    best_value: float
    intervals_overlap: bool | None


@dataclass(frozen=True)
class Subgroups:
    """Figures by subgroup.

    Attributes
    ----------
    attributes
        Of :data:`ATTRIBUTES`; one that is the same, or unknown, for every image is left out.
    largest_gap
        None where no two subgroups can be compared.
    fewest_groups
        Fewer lesions or patients than these are too few to say.
    """

    attributes: Mapping[str, tuple[Subgroup, ...]]
    largest_gap: Gap | None
    fewest_groups: int = FEWEST_GROUPS


def value_of(case: Case, attribute: str) -> str:
    """The subgroup of an image: ages in bands of 20 years, sizes in steps, everything else as the data say it.

    >>> value_of(Case("a.jpg", age="45.0"), "age"), value_of(Case("a.jpg", width=600, height=450), "image_size")
    ('40 to 59', '512 to 1023 pixels')
    """
    if attribute == "age":
        return _age_band(case.age)
    if attribute == "image_size":
        return _size_band(max(case.width, case.height))
    if attribute == "skin_type":
        return f"type {case.skin_type}" if case.skin_type else UNKNOWN
    return str(getattr(case, attribute)) or UNKNOWN


def _age_band(age: str) -> str:
    try:
        years = float(age)
    except ValueError:
        return UNKNOWN
    if not 0 <= years < 130:
        return UNKNOWN
    start = min(int(years) // 20 * 20, 80)
    return "80 or more" if start == 80 else f"{start} to {start + 19}"


def _size_band(side: int) -> str:
    if side <= 0:
        return UNKNOWN
    if side < 256:
        return "below 256 pixels"
    for low, high in ((256, 511), (512, 1023), (1024, 2047)):
        if side <= high:
            return f"{low} to {high} pixels"
    return "2048 pixels or more"


def by_subgroups(
    predictions: Predictions,
    cases: Sequence[Case],
    calibration: Calibration | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Subgroups:
    """Figures of every subgroup, and the largest gap between two that are large enough.

    Parameters
    ----------
    predictions
        N images.
    cases
        What is known of them, in the same order.
    calibration
        Its threshold adds ``referred`` and ``spared``.
    resamples, seed
        Of the bootstrap over groups.

    Raises
    ------
    UsageError
        Where cases and predictions are not of the same images.
    """
    attributes = {
        attribute: tuple(
            _subgroup(name, rows_of(predictions, rows), calibration, resamples, seed) for name, rows in members.items()
        )
        for attribute, members in rows_by_attribute(predictions, cases).items()
    }
    return Subgroups(attributes, largest_gap(attributes))


def rows_by_attribute(predictions: Predictions, cases: Sequence[Case]) -> dict[str, dict[str, np.ndarray]]:
    """Attribute -> subgroup -> its rows, in the order to show them.

    An attribute that is the same, or unknown, for every image is left out.

    Raises
    ------
    UsageError
        Where cases and predictions are not of the same images.
    """
    if tuple(case.image for case in cases) != predictions.images:
        raise UsageError(f"{len(cases)} cases for {len(predictions)} predictions: wanted the same images, in order")
    attributes: dict[str, dict[str, np.ndarray]] = {}
    for attribute in ATTRIBUTES:
        values = np.array([value_of(case, attribute) for case in cases], dtype=str)
        names = sorted(set(values.tolist()), key=_order)
        if len([name for name in names if name != UNKNOWN]) < (1 if len(names) > 1 else 2):
            continue
        attributes[attribute] = {name: np.flatnonzero(values == name) for name in names}
    return attributes


def _order(name: str) -> tuple[bool, int, str]:
    """Bands by their number, names by the alphabet, unknown last."""
    first = name.split()[0] if name else ""
    number = int(first) if first.isdecimal() else -1
    return name == UNKNOWN, number, name


def _subgroup(name: str, members: Predictions, calibration: Calibration | None, resamples: int, seed: int) -> Subgroup:
    """One subgroup's counts and figures; a figure on fewer than FEWEST_GROUPS of its own kind is flagged too."""
    groups = members.group_numbers
    count = len(np.unique(groups))
    referred = spared = None
    if calibration is not None and calibration.has_threshold:
        positive, scores = risk(members, calibration.temperature, calibration.class_bias)
        sent = scores >= calibration.risk_threshold
        referred = _share(sent, positive, groups, resamples, seed)
        spared = _share(~sent, ~positive, groups, resamples, seed)
    return Subgroup(
        name=name,
        images=len(members),
        groups=count,
        too_few=count < FEWEST_GROUPS,
        balanced_accuracy=_balanced(members, resamples, seed),
        malignant_auc=_cancer_auc(members, resamples, seed),
        referred=referred,
        spared=spared,
    )


def _balanced(members: Predictions, resamples: int, seed: int) -> SubgroupEstimate:
    classes, groups = len(members.classes), members.group_numbers
    of_class = np.eye(classes)[members.labels]
    right = of_class * (members.predicted == members.labels)[:, None]

    def statistic(weights: np.ndarray) -> np.ndarray:
        images = weights @ of_class
        return metrics.shares_of_counts(weights @ right, images, images)["balanced_accuracy"][:, None]

    value = metrics.balanced_accuracy(members.labels, members.probabilities)
    sizes = [len(np.unique(groups[members.labels == index])) for index in range(classes)]
    draws = bootstrap(statistic, groups, resamples, seed)
    known = balanced_interval(value, draws[:, 0] if draws.size else draws, sizes)
    present = sum(size > 0 for size in sizes)
    # Over other classes it is another figure: only what has the same classes is compared (see largest_gap).
    return SubgroupEstimate(defined(value), known, sum(sizes) < FEWEST_GROUPS, present)


def _cancer_auc(members: Predictions, resamples: int, seed: int) -> SubgroupEstimate:
    malignant = members.taxonomy.malignant
    positive, scores = metrics.group_scores(members.labels, members.probabilities, members.classes, malignant)
    groups = members.group_numbers
    draws = bootstrap(lambda weights: metrics.auc(positive, scores, weights)[:, None], groups, resamples, seed)
    few = min(len(np.unique(groups[positive])), len(np.unique(groups[~positive])))
    known = interval(draws[:, 0]) if draws.size else None
    return SubgroupEstimate(defined(float(metrics.auc(positive, scores))), known, few < FEWEST_GROUPS)


def _share(inside: np.ndarray, of: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> SubgroupEstimate:
    """The share of ``of`` that is ``inside``, both bool (N,)."""
    kept = np.stack([inside & of, of], axis=1).astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        counts = weights @ kept
        return np.divide(counts[:, :1], counts[:, 1:], out=np.full((len(counts), 1), np.nan), where=counts[:, 1:] > 0)

    value = float(inside[of].mean()) if of.any() else float("nan")
    count = len(np.unique(groups[of]))
    draws = bootstrap(statistic, groups, resamples, seed)
    known = share_interval(value, draws[:, 0] if draws.size else draws, count)
    return SubgroupEstimate(defined(value), known, count < FEWEST_GROUPS)


def largest_gap(attributes: Mapping[str, Sequence[Subgroup]]) -> Gap | None:
    """The two known subgroups of one attribute between which one figure differs most; None where none compare.

    Left out: what is too few to say, the unknown, and balanced accuracies over different numbers of classes.
    """
    gaps = []
    for attribute, subgroups in attributes.items():
        for figure in FIGURES:
            estimates = [(row.name, estimate) for row in subgroups if (estimate := _comparable(row, figure))]
            for number in {estimate.classes for _, estimate in estimates}:
                same = [(name, estimate) for name, estimate in estimates if estimate.classes == number]
                if len(same) > 1:
                    gaps.append(_gap(attribute, figure, same))
    return max(gaps, key=lambda gap: gap.gap, default=None)


def _gap(attribute: str, figure: str, estimates: Sequence[tuple[str, SubgroupEstimate]]) -> Gap:
    def value(row: tuple[str, SubgroupEstimate]) -> float:
        return float(row[1].value or 0)

    low, high = min(estimates, key=value), max(estimates, key=value)
    return Gap(
        attribute=attribute,
        figure=figure,
        gap=value(high) - value(low),
        worst=low[0],
        worst_value=value(low),
        best=high[0],
        best_value=value(high),
        intervals_overlap=_overlap(low[1].interval, high[1].interval),
    )


def _comparable(row: Subgroup, figure: str) -> SubgroupEstimate | None:
    """The figure of a subgroup that may be compared with another's; None where it may not."""
    estimate: SubgroupEstimate | None = getattr(row, figure)
    if estimate is None or row.name == UNKNOWN or row.too_few or estimate.too_few or estimate.value is None:
        return None
    return estimate


def _overlap(low: Interval | None, high: Interval | None) -> bool | None:
    return None if low is None or high is None else low[1] >= high[0]
