"""Conformal prediction sets: instead of one answer, the few classes that hold the truth as often as was asked for.

Split conformal prediction on the inner fold. A class belongs to the set of an image where its calibrated probability is
at least a threshold; the threshold is the one that would have kept the truth in the target share of the inner fold's
sets, with the correction for a finite number. Photographs of one lesion are not exchangeable with those of another, so
every group counts once however many images it has: the promise is for one image of a NEW lesion or patient of the same
population. It says nothing about another clinic, and nothing about each class by itself, which is why the coverage of
every class is reported beside it.

References
----------
Sadinle, Lei and Wasserman, Least ambiguous set-valued classifiers with bounded error levels, JASA 2019.
Lee, Barber and Willett, Distribution-free inference with hierarchical data, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hierattn.errors import UsageError
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.intervals import Estimate, share_of
from hierattn.evaluation.predictions import Predictions

TARGET_COVERAGES = (0.9, 0.95)


@dataclass(frozen=True)
class SetFigures:
    """How prediction sets of one target coverage do.

    Attributes
    ----------
    target
        The coverage that they were fitted for.
    threshold
        The probability from which a class joins a set.
    coverage
        The share of sets that hold the truth.
    mean_size
        Classes in a set, on average; None without images.
    sizes
        Shares of sets with 0, 1, 2 ... classes.
    of_class
        Coverage of each class; None where it has no image.
    """

    target: float
    threshold: float
    coverage: Estimate
    mean_size: float | None
    sizes: tuple[float, ...]
    of_class: Mapping[str, float | None]


def fit_threshold(of_truth: np.ndarray, groups: np.ndarray, coverage: float) -> float:
    """The probability from which a class joins the set.

    Parameters
    ----------
    of_truth
        Calibrated probability of the true class of each image of the inner fold, (N,).
    groups
        Group numbers from 0, (N,). Each group weighs ``1 / (groups + 1)``, shared by its images.
    coverage
        Target share of sets that hold the truth, above 0 and below 1.

    Returns
    -------
    float
        0 (every class joins) where the groups are too few to promise this coverage: ``coverage > G / (G + 1)``.

    Raises
    ------
    UsageError
        For a coverage that is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise UsageError(f"target coverage {coverage}: wanted above 0 and below 1")
    count = len(np.unique(groups))
    sizes = np.bincount(groups)[groups]
    order = np.argsort(-of_truth, kind="stable")  # from the best fitting down
    held = np.cumsum(1.0 / (sizes[order] * (count + 1)))
    reached = np.flatnonzero(held >= coverage - 1e-12)
    return float(of_truth[order[reached[0]]]) if len(reached) else 0.0


def prediction_sets(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Whether each class belongs to the set of each image, bool (N, C). A set may be empty: nothing fits."""
    member: np.ndarray = probabilities >= threshold
    return member


def measure_sets(
    validation: Predictions,
    test: Predictions,
    calibration: Calibration,
    *,
    coverages: tuple[float, ...] = TARGET_COVERAGES,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[SetFigures, ...]:
    """Fit sets on the inner fold and measure them on the outer one, for each target coverage."""
    fitted = calibration.apply(validation.probabilities)
    of_truth = fitted[np.arange(len(validation)), validation.labels]
    calibrated = calibration.apply(test.probabilities)
    rows = []
    for target in coverages:
        threshold = fit_threshold(of_truth, validation.group_numbers, target)
        sets = prediction_sets(calibrated, threshold)
        held = sets[np.arange(len(test)), test.labels]
        sizes = sets.sum(axis=1)
        rows.append(
            SetFigures(
                target=target,
                threshold=threshold,
                coverage=share_of(held, test.group_numbers, resamples, seed),
                mean_size=float(sizes.mean()) if len(sizes) else None,
                sizes=tuple((np.bincount(sizes, minlength=len(test.classes) + 1) / max(len(sizes), 1)).tolist()),
                of_class={
                    code: float(held[test.labels == index].mean()) if (test.labels == index).any() else None
                    for index, code in enumerate(test.classes)
                },
            )
        )
    return tuple(rows)
