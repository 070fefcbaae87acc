"""How often the advice flips when only the photograph changes, and the lesion does not (§5's use by patients).

Each image is predicted as it is and under every change of ``photo_changes.py`` at five severities, with the run's own
temperature and threshold. A flip is counted whichever way is right: two photographs of one mole should get one advice.
Flips are counted by photographs, and by lesions: of a lesion with several photographs, any that flips counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.intervals import Estimate, any_of_group, share_of
from hierattn.evaluation.measures.photo_changes import CHANGES, MIDDLE, change
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import defined
from hierattn.progress import Progress, silent

MOST_IMAGES = 600
"""More are left out: fifty-five passes over a large set would take hours and say the same."""

Answers = Callable[[np.ndarray], np.ndarray]
"""Images, uint8 (N, H, W, 3) -> the network's own probabilities, (N, C)."""


@dataclass(frozen=True)
class LesionFlips:
    """The same counted by lesions (groups): a lesion flips where any of its photographs does. None: undefined.

    Attributes
    ----------
    answer_flips, advice_flips
        Lesions with a photograph whose likeliest class, or whose advice, changes.
    sent_home
        Of the lesions with a photograph that belongs in a clinic and was referred, those with one sent home.
    """

    answer_flips: float
    advice_flips: Estimate
    sent_home: float | None


@dataclass(frozen=True)
class Flips:
    """What one severity of a change does to photographs; shares, None where they are undefined.

    Attributes
    ----------
    level
        The severity, in the change's unit.
    answer_flips
        Images whose likeliest class changes.
    balanced_accuracy
        On the changed images.
    advice_flips
        Images whose advice changes; undefined without a threshold.
    sent_home
        Of the images that belong in a clinic and were referred, the share that the change sends home: the flip that
        harms.
    sent_in
        Of those that do not and were not, the share that it refers.
    lesions
        The same by lesions; None in reports of older versions.
    """

    level: float
    answer_flips: float
    balanced_accuracy: float | None
    advice_flips: Estimate
    sent_home: float | None
    sent_in: float | None
    lesions: LesionFlips | None = None


@dataclass(frozen=True)
class ChangeFlips:
    """One kind of change, at five severities from slight to strong."""

    title: str
    unit: str
    severities: tuple[Flips, ...]


@dataclass(frozen=True)
class Robustness:
    """Every change at every severity; ``middle`` is the severity that stands for a change where one is wanted."""

    images: int
    groups: int
    middle: int
    balanced_accuracy: float | None
    seed: int
    changes: Mapping[str, ChangeFlips]


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


def measure_robustness(
    answer: Answers,
    images: np.ndarray,
    predictions: Predictions,
    calibration: Calibration,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Measure every change at every severity.

    Parameters
    ----------
    answer
        The model.
    images
        uint8, (N, H, W, 3).
    predictions
        Of these very images, unchanged.
    calibration
        Temperature and threshold; without a threshold only answers can flip.
    resamples, seed
        Of the bootstrap over groups; the changes are drawn from the seed as well.
    progress
        Told of passes done.
    """
    before = _Advice.of(predictions, calibration)
    passes = sum(len(kind.levels) for kind in CHANGES.values())
    tell = progress or silent
    changes: dict[str, ChangeFlips] = {}
    done = 0
    for name, kind in CHANGES.items():
        severities = []
        for severity, level in enumerate(kind.levels):
            changed = np.stack([change(name, image, severity, seed, number) for number, image in enumerate(images)])
            after = _Advice.of(replace(predictions, probabilities=answer(changed)), calibration)
            severities.append(_flips(level, predictions, before, after, resamples, seed))
            done += 1
            tell("changed photographs", done, passes)
        changes[name] = ChangeFlips(kind.title, kind.unit, tuple(severities))
    return Robustness(
        images=len(predictions),
        groups=len(np.unique(predictions.group_numbers)),
        middle=MIDDLE,
        balanced_accuracy=defined(metrics.balanced_accuracy(predictions.labels, predictions.probabilities)),
        seed=seed,
        changes=changes,
    )


@dataclass(frozen=True)
class _Advice:
    """What is said of each image, (N,): whether it is referred (None without a threshold), and the class."""

    sent: np.ndarray | None
    positive: np.ndarray
    answer: np.ndarray
    balanced: float | None

    @classmethod
    def of(cls, predictions: Predictions, calibration: Calibration) -> _Advice:
        positive, scores = risk(predictions, calibration.temperature, calibration.class_bias)
        sent = scores >= calibration.risk_threshold if calibration.has_threshold else None
        balanced = metrics.balanced_accuracy(predictions.labels, predictions.probabilities)
        return cls(sent, positive, predictions.predicted, defined(balanced))


def _flips(level: float, predictions: Predictions, before: _Advice, after: _Advice, resamples: int, seed: int) -> Flips:
    groups = np.unique(predictions.group_numbers, return_inverse=True)[1]
    answers = before.answer != after.answer
    of_lesions = any_of_group(answers, groups)
    if before.sent is None or after.sent is None:
        unknown = Estimate(None, None)
        lesions = LesionFlips(float(of_lesions.mean()), unknown, None)
        return Flips(level, float(answers.mean()), after.balanced, unknown, None, None, lesions)
    flips = before.sent != after.sent
    due, spared = before.sent & before.positive, ~before.sent & ~before.positive
    flipped = any_of_group(flips, groups)
    return Flips(
        level=level,
        answer_flips=float(answers.mean()),
        balanced_accuracy=after.balanced,
        advice_flips=share_of(flips, groups, resamples, seed),
        sent_home=float(flips[due].mean()) if due.any() else None,
        sent_in=float(flips[spared].mean()) if spared.any() else None,
        lesions=LesionFlips(
            answer_flips=float(of_lesions.mean()),
            advice_flips=share_of(flipped, np.arange(len(flipped)), resamples, seed),
            sent_home=float(any_of_group(flips & due, groups)[any_of_group(due, groups)].mean()) if due.any() else None,
        ),
    )
