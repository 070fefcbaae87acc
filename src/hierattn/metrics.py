"""Figures of merit as pure functions on arrays (§4.1.2, §4.1.3, and what a clinic asks beyond them).

Everywhere ``labels`` is a whole-number array (N,) of class indices and ``probabilities`` a float array (N, C), in the
same class order. The predicted class is the first of the largest probabilities. What cannot be computed is ``nan``,
never an invented number: the sensitivity of a class without images, the AUC of images that are all of one class,
anything of no image at all.

Functions whose names end in ``_of`` read confusion matrices (..., C, C) and accept a stack of them, and :func:`auc`
accepts a stack of weights, so that a bootstrap evaluates all its resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hierattn.errors import UsageError

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""A logarithm takes no smaller probability than this (as in scikit-learn's ``log_loss``)."""


def _checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise UsageError(f"labels {labels.shape}, probabilities {probabilities.shape}: wanted (images,), (images, C)")
    if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= probabilities.shape[1]):
        raise UsageError(f"labels of {labels.dtype}: wanted whole numbers from 0 to {probabilities.shape[1] - 1}")
    if not np.isfinite(probabilities).all():
        raise UsageError("probabilities with nan or infinity: wanted finite numbers; look at the model's outputs")
    return labels, probabilities


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``, nan where ``below`` is 0."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not nan; nan where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


# --- counts ---------------------------------------------------------------------------------------------------------


def confusion_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts, int64 (C, C): row = true class, column = predicted class.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])).tolist()
    [[1, 1], [0, 1]]
    """
    labels, probabilities = _checked(labels, probabilities)
    classes = probabilities.shape[1]
    cells = labels.astype(np.int64) * classes + probabilities.argmax(axis=1) if len(labels) else np.zeros(0, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def shares_of_counts(found: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """What the functions of a confusion matrix give, from what they need of it: for hundreds of classes.

    Parameters
    ----------
    found, actual, predicted
        Of each class its images that are predicted to be of it, its images, and the images predicted to be of it: the
        matrix's diagonal, its rows' and its columns' sums, (..., C).

    Returns
    -------
    dict
        ``top1`` and ``balanced_accuracy``, (...); ``sensitivity``, ``specificity``, ``precision`` and ``f1``, (..., C).
    """
    total = actual.sum(axis=-1)
    others = total[..., None] - actual
    sensitivity = _ratio(found, actual)
    return {
        "top1": _ratio(found.sum(axis=-1), total),
        "balanced_accuracy": mean_of_defined(sensitivity),
        "sensitivity": sensitivity,
        "specificity": _ratio(others - (predicted - found), others),
        "precision": _ratio(found, predicted),
        "f1": _ratio(2.0 * found, actual + predicted),
    }


def _shares(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """:func:`shares_of_counts` of confusion matrices, (..., C, C)."""
    return shares_of_counts(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2))


def top1_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of images whose predicted class is the true one (§4.1.2), 0 to 1."""
    return float(top1_accuracy_of(confusion_matrix(labels, probabilities)))


def top1_accuracy_of(matrix: np.ndarray) -> np.ndarray:
    """:func:`top1_accuracy` of confusion matrices, (..., C, C) -> (...)."""
    return _shares(matrix)["top1"]


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean sensitivity over the classes that are present, 0 to 1; the ISIC 2019 challenge's figure.

    Always answering with one of C present classes scores 1 / C, however common that class is.

    >>> always_first = np.tile([0.9, 0.1], (4, 1))
    >>> balanced_accuracy(np.array([0, 0, 0, 1]), always_first)
    0.5
    """
    return float(balanced_accuracy_of(confusion_matrix(labels, probabilities)))


def balanced_accuracy_of(matrix: np.ndarray) -> np.ndarray:
    """:func:`balanced_accuracy` of confusion matrices, (..., C, C) -> (...)."""
    return _shares(matrix)["balanced_accuracy"]


def sensitivity_of(matrix: np.ndarray) -> np.ndarray:
    """Per class, of its images the share that is found: (..., C, C) -> (..., C). nan for a class without images."""
    return _shares(matrix)["sensitivity"]


def specificity_of(matrix: np.ndarray) -> np.ndarray:
    """Per class, of the other images the share not called this class. nan where there are no other images."""
    return _shares(matrix)["specificity"]


def precision_of(matrix: np.ndarray) -> np.ndarray:
    """Per class, of the images called this class the share that is. nan for a class that is never predicted."""
    return _shares(matrix)["precision"]


def f1_of(matrix: np.ndarray) -> np.ndarray:
    """Per class, 2 TP / (2 TP + FP + FN). nan only for a class neither present nor predicted."""
    return _shares(matrix)["f1"]


# --- ranks ----------------------------------------------------------------------------------------------------------


def _checked_binary(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    positive, scores = np.asarray(positive), np.asarray(scores, np.float64)
    if positive.ndim != 1 or positive.shape != scores.shape or positive.dtype != np.bool_:
        raise UsageError(f"positive {positive.dtype} {positive.shape}, scores {scores.shape}: wanted bool and the same")
    if np.isnan(scores).any():
        raise UsageError("scores with nan: wanted numbers; look at the model's outputs")
    return positive, scores


def auc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve (§4.1.3): the chance that a positive scores above a negative, ties counting half.

    Parameters
    ----------
    positive
        bool, (N,).
    scores
        (N,), larger means more positive.
    weights
        (..., N): how often each image counts, 1 by default.

    Returns
    -------
    numpy.ndarray
        (...), without weights a 0-dimensional array. nan without a positive or without a negative.

    Examples
    --------
    >>> float(auc(np.array([False, False, True]), np.array([0.1, 0.4, 0.4])))
    0.75
    """
    positive, scores = _checked_binary(positive, scores)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(scores, kind="stable")
    ranked, is_positive = scores[order], positive[order]
    ordered = weights[..., order]
    negatives = np.zeros((*weights.shape[:-1], len(scores) + 1))
    np.cumsum(np.where(is_positive, 0.0, ordered), axis=-1, out=negatives[..., 1:])
    # Of each positive: the weight of the negatives strictly below it, and of those not above it.
    below = negatives[..., np.searchsorted(ranked, ranked[is_positive], side="left")]
    not_above = negatives[..., np.searchsorted(ranked, ranked[is_positive], side="right")]
    mine = ordered[..., is_positive]
    wins = (mine * (below + not_above)).sum(axis=-1) / 2
    return _ratio(wins, mine.sum(axis=-1) * negatives[..., -1])


def auc_per_class(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """One-versus-rest AUC of each class, (..., C); nan for a class that has no images, or all of them."""
    labels, probabilities = _checked(labels, probabilities)
    columns = [auc(labels == index, probabilities[:, index], weights) for index in range(probabilities.shape[1])]
    return np.stack(columns, axis=-1)


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of the one-versus-rest AUCs that are defined; nan where none is."""
    return float(macro_auc_of(auc_per_class(labels, probabilities)))


def macro_auc_of(per_class: np.ndarray) -> np.ndarray:
    """Mean of the defined AUCs, (..., C) -> (...)."""
    return mean_of_defined(per_class)


def group_scores(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], group: frozenset[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Several classes against the rest: (whether the true class is in ``group``, the group's summed probability)."""
    labels, probabilities = _checked(labels, probabilities)
    inside = np.array([code in group for code in classes], dtype=bool)
    return inside[labels.astype(np.int64)], probabilities[:, inside].sum(axis=1)


def _counts_above(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At each distinct score, from high to low: positives and negatives at or above it, (..., points); the score."""
    positive, scores = _checked_binary(positive, scores)
    weights = np.ones(len(scores), np.int64) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(-scores, kind="stable")
    ranked, is_positive, ordered = scores[order], positive[order], weights[..., order]
    last_of_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.int64)
    start = np.zeros((*weights.shape[:-1], 1), weights.dtype)
    counts = [
        np.concatenate([start, np.cumsum(np.where(kind, ordered, 0), axis=-1)[..., last_of_tie]], axis=-1)
        for kind in (is_positive, ~is_positive)
    ]
    return counts[0], counts[1], np.append(np.inf, ranked[last_of_tie])


def roc_curve(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receiver operating characteristic (§4.1.3, Fig. 8).

    Returns
    -------
    tuple
        False-positive rate, true-positive rate and threshold, each (points,), from "nothing is positive" (threshold
        infinity) on; positive is ``score >= threshold``. A rate is nan where its class is missing.
    """
    true_positives, false_positives, thresholds = _counts_above(positive, scores)
    total_positive, total_negative = true_positives[-1], false_positives[-1]
    return _ratio(false_positives, total_negative), _ratio(true_positives, total_positive), thresholds


def partial_auc(
    positive: np.ndarray, scores: np.ndarray, minimum_sensitivity: float = 0.8, weights: np.ndarray | None = None
) -> np.ndarray:
    """Area under the ROC curve and above a sensitivity: the ISIC 2024 challenge's figure, 0 to 0.2 by default.

    Chance is ``(1 - minimum_sensitivity) ** 2 / 2`` (0.02), perfection ``1 - minimum_sensitivity`` (0.2). ``weights``
    and the shape of what is returned are as in :func:`auc`.

    Raises
    ------
    UsageError
        For a minimum sensitivity outside 0 to below 1.
    """
    if not 0 <= minimum_sensitivity < 1:
        raise UsageError(f"minimum sensitivity {minimum_sensitivity}: wanted 0 to below 1")
    found, false_positives, _ = _counts_above(positive, scores, weights)
    true_rate, false_rate = _ratio(found, found[..., -1:]), _ratio(false_positives, false_positives[..., -1:])
    # Along the sensitivity axis: integrate the specificity from the least sensitivity to 1. The curve is made of
    # straight pieces; the one that crosses the least sensitivity is cut there, those below it have no height left.
    low, high = true_rate[..., :-1], true_rate[..., 1:]
    left, right = false_rate[..., :-1], false_rate[..., 1:]
    cut = np.clip(np.nan_to_num(_ratio(minimum_sensitivity - low, high - low)), 0.0, 1.0)
    heights = np.maximum(high - np.maximum(low, minimum_sensitivity), 0.0)
    area: np.ndarray = (heights * (1.0 - (left + cut * (right - left) + right) / 2)).sum(axis=-1)
    return np.where(np.isnan(true_rate[..., -1]) | np.isnan(false_rate[..., -1]), np.nan, area)


def sensitivity_at_specificity(
    positive: np.ndarray, scores: np.ndarray, specificity: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """The best sensitivity of a threshold with at least this specificity. No interpolation between thresholds.

    ``weights`` and the shape of what is returned are as in :func:`auc`.
    """
    found, false_positives, _ = _counts_above(positive, scores, weights)
    total = false_positives[..., -1:]
    return _best(found, _ratio(total - false_positives, total) >= specificity, found[..., -1], total[..., 0])


def specificity_at_sensitivity(
    positive: np.ndarray, scores: np.ndarray, sensitivity: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """The best specificity of a threshold with at least this sensitivity. No interpolation between thresholds.

    ``weights`` and the shape of what is returned are as in :func:`auc`.
    """
    found, false_positives, _ = _counts_above(positive, scores, weights)
    total, every = false_positives[..., -1:], found[..., -1:]
    return _best(total - false_positives, _ratio(found, every) >= sensitivity, total[..., 0], every[..., 0])


def _best(counts: np.ndarray, reached: np.ndarray, of: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The largest count among the thresholds that reached the wish, as a share; nan where either kind is missing."""
    best = _ratio(np.where(reached, counts, 0).max(axis=-1), of)
    return np.where(others > 0, best, np.nan)


# --- probabilities --------------------------------------------------------------------------------------------------


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Brier's score over all classes: mean over images of sum over classes of (p - truth)^2, 0 (perfect) to 2."""
    labels, probabilities = _checked(labels, probabilities)
    truth = np.eye(probabilities.shape[1])[labels.astype(np.int64)]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean()) if len(labels) else float("nan")


def negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log(probability of the true class), in nats: what training minimises. 0 is perfect, log C is chance."""
    losses = _losses(*_checked(labels, probabilities))
    return float(losses.mean()) if len(losses) else float("nan")


def balanced_negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over the classes present of the mean cross-entropy of their images, in nats, 0 to 36.

    The proper score that belongs to balanced accuracy: each class counts alike, however few its images, and it moves
    smoothly where balanced accuracy jumps.

    >>> probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]])
    >>> round(balanced_negative_log_likelihood(np.array([0, 0, 1]), probabilities), 4)
    0.3466
    """
    labels, probabilities = _checked(labels, probabilities)
    losses = _losses(labels, probabilities)
    return (
        float(np.mean([losses[labels == label].mean() for label in np.unique(labels)])) if len(losses) else float("nan")
    )


def _losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log(probability of the true class) of each image, (N,), in nats."""
    of_truth = probabilities[np.arange(len(labels)), labels.astype(np.int64)]
    losses: np.ndarray = -np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1.0))
    return losses


def bin_of(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """The number of each confidence's bin ((b - 1) / bins, b / bins], 0 to bins - 1, int64 (N,).

    Raises
    ------
    UsageError
        For fewer bins than one.

    >>> bin_of(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    if bins < 1:
        raise UsageError(f"{bins} bins: wanted 1 or more")
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1)


def reliability_bins(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence against accuracy in equal bins ((b - 1) / bins, b / bins] of the largest probability.

    Returns
    -------
    tuple
        Mean confidence, accuracy and number of images, each (bins,); the first two nan in an empty bin.

    Raises
    ------
    UsageError
        For fewer bins than one.
    """
    labels, probabilities = _checked(labels, probabilities)
    confidence = probabilities.max(axis=1) if len(labels) else np.zeros(0)
    right = probabilities.argmax(axis=1) == labels if len(labels) else np.zeros(0, bool)
    place = bin_of(confidence, bins)
    images = np.bincount(place, minlength=bins)
    mean_confidence = _ratio(np.bincount(place, weights=confidence, minlength=bins), images)
    return mean_confidence, _ratio(np.bincount(place, weights=right, minlength=bins), images), images


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over :func:`reliability_bins`, weighted by images, 0 to 1.

    References
    ----------
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    confidence, accuracy, images = reliability_bins(labels, probabilities, bins)
    filled = images > 0
    total = images.sum()
    return float((images[filled] * np.abs(confidence - accuracy)[filled]).sum() / total) if total else float("nan")
