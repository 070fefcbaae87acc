"""The same figures by sex, age, body site, skin type, source and image size: whom does a model serve less well?

A group of people can be too small to say anything of. It is then counted, shown and flagged, and never named as the
largest gap: a figure on three lesions is noise with a decimal point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import UsageError
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.intervals import balanced_interval, bootstrap, interval, share_interval
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.taxonomy import MALIGNANT

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
) -> dict[str, Any]:
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

    Returns
    -------
    dict
        ``attributes``: attribute -> list of subgroups, each with ``name, images, groups, too_few`` and the
        :data:`FIGURES`; an attribute that is the same, or unknown, for every image is left out. ``largest_gap``: the
        two subgroups between which a figure differs most, None where no two can be compared. ``fewest_groups``.

    Raises
    ------
    UsageError
        Where cases and predictions are not of the same images.
    """
    if tuple(case.image for case in cases) != predictions.images:
        raise UsageError(f"{len(cases)} cases for {len(predictions)} predictions: wanted the same images, in order")
    found: dict[str, list[dict[str, Any]]] = {}
    for attribute in ATTRIBUTES:
        values = np.array([value_of(case, attribute) for case in cases], dtype=str)
        names = sorted(set(values.tolist()), key=_order)
        if len([name for name in names if name != UNKNOWN]) < (1 if len(names) > 1 else 2):
            continue
        found[attribute] = [
            {"name": name, **_figures(predictions, values == name, calibration, resamples, seed)} for name in names
        ]
    return {"attributes": found, "largest_gap": largest_gap(found), "fewest_groups": FEWEST_GROUPS}


def _order(name: str) -> tuple[bool, int, str]:
    """Bands by their number, names by the alphabet, unknown last."""
    first = name.split()[0] if name else ""
    number = int(first) if first.isdecimal() else -1
    return name == UNKNOWN, number, name


def _figures(
    predictions: Predictions, rows: np.ndarray, calibration: Calibration | None, resamples: int, seed: int
) -> dict[str, Any]:
    """One subgroup's counts and figures; a figure on fewer than FEWEST_GROUPS of its own kind is flagged too."""
    chosen = rows_of(predictions, np.flatnonzero(rows))
    groups = chosen.group_numbers
    count = len(np.unique(groups))
    figures = {
        "images": len(chosen),
        "groups": count,
        "too_few": count < FEWEST_GROUPS,
        "balanced_accuracy": _balanced(chosen, resamples, seed),
        "malignant_auc": _cancer_auc(chosen, resamples, seed),
    }
    if calibration is not None and not np.isnan(calibration.risk_threshold):
        positive, scores = risk(chosen, calibration.temperature, calibration.class_bias)
        sent = scores >= calibration.risk_threshold
        figures["referred"] = _share(sent, positive, groups, resamples, seed)
        figures["spared"] = _share(~sent, ~positive, groups, resamples, seed)
    return figures


def _balanced(chosen: Predictions, resamples: int, seed: int) -> dict[str, Any]:
    classes, groups = len(chosen.classes), chosen.group_numbers
    of_class = np.eye(classes)[chosen.labels]
    right = of_class * (chosen.predicted == chosen.labels)[:, None]

    def statistic(weights: np.ndarray) -> np.ndarray:
        images = weights @ of_class
        shares = np.divide(weights @ right, images, out=np.full(images.shape, np.nan), where=images > 0)
        return metrics.mean_of_defined(shares)[:, None]

    value = metrics.balanced_accuracy(chosen.labels, chosen.probabilities)
    sizes = [len(np.unique(groups[chosen.labels == index])) for index in range(classes)]
    draws = bootstrap(statistic, groups, resamples, seed)
    known = balanced_interval(value, draws[:, 0] if draws.size else draws, sizes)
    present = sum(size > 0 for size in sizes)
    # Over other classes it is another figure: only what has the same classes is compared (see largest_gap).
    return {"value": value, "interval": known, "too_few": sum(sizes) < FEWEST_GROUPS, "classes": present}


def _cancer_auc(chosen: Predictions, resamples: int, seed: int) -> dict[str, Any]:
    positive, scores = metrics.group_scores(chosen.labels, chosen.probabilities, chosen.classes, MALIGNANT)
    groups = chosen.group_numbers
    draws = bootstrap(lambda weights: metrics.auc(positive, scores, weights)[:, None], groups, resamples, seed)
    few = min(len(np.unique(groups[positive])), len(np.unique(groups[~positive])))
    known = interval(draws[:, 0]) if draws.size else None
    return {"value": float(metrics.auc(positive, scores)), "interval": known, "too_few": few < FEWEST_GROUPS}


def _share(inside: np.ndarray, of: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """The share of ``of`` that is ``inside``, both bool (N,)."""
    kept = np.stack([inside & of, of], axis=1).astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        counts = weights @ kept
        return np.divide(counts[:, :1], counts[:, 1:], out=np.full((len(counts), 1), np.nan), where=counts[:, 1:] > 0)

    value = float(inside[of].mean()) if of.any() else float("nan")
    count = len(np.unique(groups[of]))
    draws = bootstrap(statistic, groups, resamples, seed)
    known = share_interval(value, draws[:, 0] if draws.size else draws, count)
    return {"value": value, "interval": known, "too_few": count < FEWEST_GROUPS}


def largest_gap(attributes: dict[str, list[dict[str, Any]]]) -> dict[str, Any] | None:
    """The two known subgroups of one attribute between which one figure differs most; None where none compare.

    Left out: what is too few to say, the unknown, and balanced accuracies over different numbers of classes.
    """
    best: dict[str, Any] | None = None
    for attribute, subgroups in attributes.items():
        for figure in FIGURES:
            told = [row for row in subgroups if _comparable(row, figure)]
            for number in {row[figure].get("classes") for row in told}:
                same = [row for row in told if row[figure].get("classes") == number]
                low = min(same, key=lambda row: row[figure]["value"])
                high = max(same, key=lambda row: row[figure]["value"])
                gap = high[figure]["value"] - low[figure]["value"]
                if len(same) > 1 and (best is None or gap > best["gap"]):
                    best = {
                        "attribute": attribute, "figure": figure, "gap": gap,
                        "worst": low["name"], "worst_value": low[figure]["value"],
                        "best": high["name"], "best_value": high[figure]["value"],
                        "intervals_overlap": _overlap(low[figure]["interval"], high[figure]["interval"]),
                    }  # fmt: skip
    return best


def _comparable(row: dict[str, Any], figure: str) -> bool:
    known = row.get(figure)
    if known is None or row["name"] == UNKNOWN or row["too_few"]:
        return False
    return not known["too_few"] and known["value"] is not None and not np.isnan(known["value"])


def _overlap(low: tuple[float, float] | None, high: tuple[float, float] | None) -> bool | None:
    return None if low is None or high is None else low[1] >= high[0]
