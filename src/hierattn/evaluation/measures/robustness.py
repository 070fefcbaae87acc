"""How often the advice flips when only the photograph changes, and the lesion does not (§5's use by patients).

Each image is judged as it is and under every change of ``photo_changes.py`` at five severities, with the run's own
temperature and threshold. A flip is counted whichever way is right: two photographs of one mole should get one advice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from hierattn import metrics
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.class_bias import softmax
from hierattn.evaluation.measures.intervals import bootstrap, share_interval
from hierattn.evaluation.measures.photo_changes import CHANGES, MIDDLE, change
from hierattn.evaluation.predictions import Predictions
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import predict_logits

MOST_IMAGES = 600
"""More are not judged: fifty-five passes over a large set would take hours and say the same."""

Answers = Callable[[np.ndarray], np.ndarray]
"""Images, uint8 (N, H, W, 3) -> the network's own probabilities, (N, C)."""


def answers_of(model: nn.Module, spec: ImageSpec, *, device: str = "cpu", batch_size: int = 64) -> Answers:
    """How a model answers."""

    def answer(images: np.ndarray) -> np.ndarray:
        logits = predict_logits(model, images, np.arange(len(images)), spec, batch_size=batch_size, device=device)
        return softmax(logits)

    return answer


def choose_rows(predictions: Predictions, most: int = MOST_IMAGES, seed: int = 0) -> np.ndarray:
    """Row numbers to test, in order: all, or ``most`` of them drawn by whole groups.

    One photograph a group is drawn first, so that as many lesions as possible are heard.
    """
    if len(predictions) <= most:
        return np.arange(len(predictions))
    shuffled = np.random.default_rng(seed).permutation(len(predictions))
    _, first = np.unique(predictions.group_numbers[shuffled], return_index=True)
    rest = np.setdiff1d(np.arange(len(shuffled)), first)
    return np.sort(shuffled[np.concatenate([np.sort(first), rest])[:most]])


def judge_robustness(
    answer: Answers,
    images: np.ndarray,
    predictions: Predictions,
    calibration: Calibration,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Judge every change at every severity.

    Parameters
    ----------
    answer
        The model.
    images
        uint8, (N, H, W, 3).
    predictions
        Of these very images, unchanged.
    calibration
        Temperature and threshold; without a threshold (nan) only answers can flip.
    resamples, seed
        Of the bootstrap over groups; the changes are drawn from the seed as well.
    progress
        Hears of (passes done, passes in all).

    Returns
    -------
    dict
        ``images, groups, middle`` and ``changes``: name -> ``title, unit`` and ``severities``, each with ``level,
        advice_flips, sent_home, sent_in, answer_flips`` (shares; the first with its interval over groups) and
        ``balanced_accuracy``. ``sent_home`` counts, of those that belong in a clinic and were sent, the share that the
        change sends home: the flip that harms.
    """
    before = _Advice.of(predictions, calibration)
    passes = sum(len(kind.levels) for kind in CHANGES.values())
    found: dict[str, Any] = {}
    done = 0
    for name, kind in CHANGES.items():
        rows = []
        for severity, level in enumerate(kind.levels):
            changed = np.stack([change(name, image, severity, seed, number) for number, image in enumerate(images)])
            after = _Advice.of(_with(predictions, answer(changed)), calibration)
            rows.append({"level": level, **_compared(predictions, before, after, resamples, seed)})
            done += 1
            if progress is not None:
                progress(done, passes)
        found[name] = {"title": kind.title, "unit": kind.unit, "severities": rows}
    return {
        "images": len(predictions),
        "groups": len(np.unique(predictions.group_numbers)),
        "middle": MIDDLE,
        "balanced_accuracy": metrics.balanced_accuracy(predictions.labels, predictions.probabilities),
        "seed": seed,
        "changes": found,
    }


@dataclass(frozen=True)
class _Advice:
    """What is said of each image, (N,): whether it is sent to a clinic (None without a threshold), and the class."""

    sent: np.ndarray | None
    positive: np.ndarray
    answer: np.ndarray
    balanced: float

    @classmethod
    def of(cls, predictions: Predictions, calibration: Calibration) -> _Advice:
        positive, scores = risk(predictions, calibration.temperature, calibration.class_bias)
        known = not np.isnan(calibration.risk_threshold)
        sent = scores >= calibration.risk_threshold if known else None
        balanced = metrics.balanced_accuracy(predictions.labels, predictions.probabilities)
        return cls(sent, positive, predictions.predicted, balanced)


def _with(predictions: Predictions, probabilities: np.ndarray) -> Predictions:
    """The same images with other answers."""
    return Predictions(
        predictions.images,
        predictions.classes,
        probabilities,
        predictions.labels,
        predictions.folds,
        predictions.groups,
    )


def _compared(predictions: Predictions, before: _Advice, after: _Advice, resamples: int, seed: int) -> dict[str, Any]:
    rows: dict[str, Any] = {
        "answer_flips": float((before.answer != after.answer).mean()),
        "balanced_accuracy": after.balanced,
        "advice_flips": {"value": None, "interval": None},
        "sent_home": None,
        "sent_in": None,
    }
    if before.sent is None or after.sent is None:
        return rows
    flips = before.sent != after.sent
    groups = predictions.group_numbers
    draws = bootstrap(lambda weights: (weights @ flips / weights.sum(axis=1))[:, None], groups, resamples, seed)
    value = float(flips.mean())
    known = share_interval(value, draws[:, 0] if draws.size else draws, len(np.unique(groups)))
    due, spared = before.sent & before.positive, ~before.sent & ~before.positive
    rows["advice_flips"] = {"value": value, "interval": known}
    rows["sent_home"] = float(flips[due].mean()) if due.any() else None
    rows["sent_in"] = float(flips[spared].mean()) if spared.any() else None
    return rows
