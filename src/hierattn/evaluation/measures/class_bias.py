"""A bias a class beside the temperature: the calibration that also learns how common each class is. Off by default.

The logits become ``logits / T + b``. This can only help the likelihood where it is fitted, but it carries that fold's
class frequencies into every answer: common classes are said more often, top-1 accuracy may rise, and balanced accuracy
and the sensitivity for rare cancers may fall. For patients of another clinic it is wrong by that much.
"""

from __future__ import annotations

import numpy as np

from hierattn.errors import DataError

PRIOR = 1.0
"""The biases' prior is normal with this standard deviation, so that a class that is never seen keeps a finite one."""
COOLEST, HOTTEST = 0.05, 50.0
"""Temperatures."""
LIMITS = (1 / HOTTEST, 1 / COOLEST)
"""Of 1 / T, as of the temperature fitted alone."""
_SMALLEST = float(np.finfo(np.float64).tiny)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities in float64, (N, C) -> (N, C), of logits divided by ``temperature``."""
    scaled = np.asarray(logits, np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def fit_class_bias(
    labels: np.ndarray, probabilities: np.ndarray, temperature: float = 1.0
) -> tuple[float, tuple[float, ...]]:
    """Temperature and biases of least negative log-likelihood, the biases under a normal prior.

    The loss is convex in (1 / T, b): Newton's method, with the step halved until the loss falls. Where every answer is
    right it has no least value, and nothing is fitted.

    Parameters
    ----------
    labels, probabilities
        As in :mod:`hierattn.metrics`, the network's own.
    temperature
        Where to start, and what T stays where the answers say nothing about it.

    Returns
    -------
    tuple
        The temperature, and one bias a class whose mean is 0.

    Raises
    ------
    DataError
        Without any image.
    """
    if not len(labels):
        raise DataError("no validation image to calibrate on: wanted some in the inner fold; prepare the set again")
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
    classes = logits.shape[1]
    if all_right(logits, labels):
        return temperature, (0.0,) * classes
    values = np.append(np.clip(1.0 / temperature, *LIMITS), np.zeros(classes))
    loss = _loss(values, logits, labels)
    for _ in range(100):
        gradient, curvature = _slopes(values, logits, labels)
        if (values[0] <= LIMITS[0] and gradient[0] > 0) or (values[0] >= LIMITS[1] and gradient[0] < 0):
            gradient[0], curvature[0, 1:], curvature[1:, 0] = 0.0, 0.0, 0.0  # T stays at its limit, the biases go on
        step = np.linalg.solve(curvature + 1e-12 * np.eye(classes + 1), gradient)
        share = 1.0
        while (new := _loss(_moved(values, share * step), logits, labels)) > loss and share > 1e-9:
            share /= 2
        if not new < loss - 1e-15 * abs(loss):
            break
        values, loss = _moved(values, share * step), new
    bias = values[1:] - values[1:].mean()  # the same to every class changes nothing
    return float(1.0 / values[0]), tuple(float(value) for value in bias)


def all_right(scores: np.ndarray, labels: np.ndarray) -> bool:
    """Whether every answer is right: then surer is always likelier, and the data say nothing about confidence."""
    of_truth = scores[np.arange(len(labels)), labels]
    return bool((of_truth >= scores.max(axis=1)).all())


def _moved(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    moved: np.ndarray = values - step
    moved[0] = np.clip(moved[0], *LIMITS)
    return moved


def _loss(values: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float:
    """Summed NLL, and the prior's."""
    scores = values[0] * logits + values[1:]
    top = scores.max(axis=1)
    total = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    return float((total - scores[np.arange(len(labels)), labels]).sum() + (values[1:] ** 2).sum() / (2 * PRIOR**2))


def _slopes(values: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (1 + C,) and Hessian (1 + C, 1 + C) of :func:`_loss`."""
    classes = logits.shape[1]
    likely = softmax(values[0] * logits + values[1:])
    residual = likely - np.eye(classes)[labels]
    mean = (likely * logits).sum(axis=1)
    gradient = np.append((residual * logits).sum(), residual.sum(axis=0) + values[1:] / PRIOR**2)
    curvature = np.zeros((1 + classes, 1 + classes))
    curvature[0, 0] = ((likely * logits**2).sum(axis=1) - mean**2).sum()
    curvature[0, 1:] = curvature[1:, 0] = (likely * (logits - mean[:, None])).sum(axis=0)
    curvature[1:, 1:] = np.diag(likely.sum(axis=0)) - likely.T @ likely + np.eye(classes) / PRIOR**2
    return gradient, curvature
