"""Recalibration at home: temperature, prior shift and threshold of a model from a clinic's own cases with truth.

Elsewhere cameras, patients and the share of each diagnosis differ, so that 80 % no longer means 80 %, and the threshold
of the advice sends too many or too few. From about 100 cases, calibrated answers are divided by a temperature and
shifted by a bias a class (``class_bias.py``), which is what another mix of diagnoses changes. Both are kept only where
they would have helped on cases that they were not fitted on (:func:`crossed_gain`).

The threshold moves up only on proof, and down on less: see :func:`choose_home_threshold`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from hierattn import metrics
from hierattn.errors import DataError
from hierattn.evaluation.measures.calibration import (
    TARGET_SENSITIVITY,
    Calibration,
    ThresholdFigures,
    calibrate,
    fit_temperature,
    measure_threshold,
    risk,
)
from hierattn.evaluation.measures.class_bias import all_right, fit_class_bias
from hierattn.evaluation.measures.conformal import TARGET_COVERAGES, fit_threshold
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS
from hierattn.evaluation.measures.thresholds import CONFIDENCE, choose_by_lesion, choose_safe_threshold, safe_share
from hierattn.evaluation.predictions import Predictions

PROVEN, LOWERED, KEPT = "proven", "lowered", "kept"
PARTS = 5
"""Into which the cases are cut to see whether a new calibration helps."""


@dataclass(frozen=True)
class HomeCases:
    """What so many cases can show, before anything is fitted.

    Attributes
    ----------
    images, lesions, positives
        Photographs, lesions or patients, and those of them that should be seen in a clinic.
    advice
        How the present advice does on them, with 95 % intervals.
    confidence
        With which a new threshold would reach the target for new lesions; 0: the positives are too few for any.
    wanted
        The fewest positives for that confidence without a threshold that rests on one lesion.
    """

    images: int
    lesions: int
    positives: int
    advice: ThresholdFigures
    confidence: float
    wanted: int


@dataclass(frozen=True)
class Recalibration:
    """New settings, for answers that the parent gives.

    Attributes
    ----------
    temperature, class_bias
        Applied to the parent's calibrated answers, by :func:`~hierattn.evaluation.measures.calibration.calibrate`; 1
        and zeros where they would not help.
    threshold
        Of the risk of the new answers.
    rule
        :data:`PROVEN`, :data:`LOWERED` or :data:`KEPT`, see :func:`choose_home_threshold`.
    confidence
        That new lesions reach the target sensitivity; 0 unless proven.
    gain
        Negative log-likelihood that a new calibration saves on cases that it was not fitted on, in nats an image.
    advice
        How the new advice does on the very cases that it was fitted on: flattering.
    prediction_sets
        Target coverage -> the probability from which a class joins a set, fitted on the new answers.
    answers_temperature
        In the place of ``temperature`` where a question is answered; None where nothing is asked. The bias is shared:
        it follows from the mix of diagnoses. See :func:`fit_answers_temperature`.
    """

    temperature: float
    class_bias: tuple[float, ...]
    threshold: float
    rule: str
    confidence: float
    gain: float
    advice: ThresholdFigures
    prediction_sets: dict[float, float]
    answers_temperature: float | None = None

    @property
    def changed(self) -> bool:
        """Whether the photograph's answers change, and not the threshold alone."""
        return self.temperature != 1 or any(self.class_bias)

    @property
    def changed_with_answers(self) -> bool:
        """Whether what is said where a question is answered changes."""
        return self.answers_temperature is not None and (self.changed or self.answers_temperature != 1)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The parent's answers, recalibrated, (N, C) -> (N, C)."""
        return calibrate(probabilities, self.temperature, self.class_bias) if self.changed else probabilities


def examine_cases(
    cases: Predictions, parent: Calibration, *, confidence: float = CONFIDENCE, resamples: int = 1000
) -> HomeCases:
    """What these cases can show of the parent, and how certain a new threshold could be.

    Parameters
    ----------
    cases
        The parent's calibrated answers with the truth.
    parent
        Its calibration, of temperature 1: target sensitivity and threshold count.
    confidence
        That new lesions shall reach the target sensitivity.
    resamples
        Of the intervals.

    Raises
    ------
    DataError
        With fewer lesions than any figure can be read from, or where nothing is said of referral.
    """
    groups, lesions = cases.group_numbers, len(np.unique(cases.group_numbers))
    if not parent.has_threshold:
        raise DataError("the model has no threshold of the advice, so that there is none to set anew: evaluate its run")
    if lesions < FEWEST_GROUPS:
        raise DataError(
            f"{lesions} lesions or patients with truth: wanted {FEWEST_GROUPS} at least, and better 100; collect more"
        )
    positive, _ = risk(cases, 1.0)
    positives = len(np.unique(groups[positive]))
    target = parent.target_sensitivity
    return HomeCases(
        images=len(cases),
        lesions=lesions,
        positives=positives,
        advice=measure_threshold(cases, 1.0, parent.risk_threshold, resamples, 0),
        confidence=confidence if safe_share(positives, 1 - target, confidence) > 0 else 0.0,
        wanted=fewest_positives(target, confidence),
    )


def fewest_positives(target: float = TARGET_SENSITIVITY, confidence: float = CONFIDENCE) -> int:
    """So many lesions prove a threshold that may leave one of them out.

    >>> fewest_positives(0.95, 0.8)
    59
    """
    return next(count for count in range(1, 100_000) if safe_share(count, 1 - target, confidence) > 0)


def recalibrate(
    cases: Predictions,
    parent: Calibration,
    *,
    told: Predictions | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = 1000,
    seed: int = 0,
) -> Recalibration:
    """New settings from own cases; the arguments are those of :func:`examine_cases`.

    ``told`` are the answers of a model that asks, to those cases of which a question was answered; ``cases`` are then
    what the photographs alone say. None for a model that asks nothing.

    Raises
    ------
    DataError
        As :func:`examine_cases` does.
    """
    examine_cases(cases, parent, confidence=confidence, resamples=0)
    labels, before, groups = cases.labels, cases.probabilities, cases.group_numbers
    # Without a wrong answer the surest is the likeliest, in every part too: nothing to learn from.
    gain = 0.0 if all_right(before, labels) else crossed_gain(labels, before, groups, seed)
    temperature, bias = _fit(labels, before) if gain > 0 else (1.0, ())
    after = calibrate(before, temperature, bias) if gain > 0 else before
    positive, old = metrics.group_scores(labels, before, cases.classes, cases.taxonomy.triage_group)
    _, new = metrics.group_scores(labels, after, cases.classes, cases.taxonomy.triage_group)
    threshold, rule = choose_home_threshold(positive, old, new, groups, parent, confidence)
    of_truth = after[np.arange(len(labels)), labels]
    return Recalibration(
        temperature=temperature,
        class_bias=bias,
        threshold=threshold,
        rule=rule,
        confidence=confidence if rule == PROVEN else 0.0,
        gain=gain,
        advice=measure_threshold(cases, temperature, threshold, resamples, seed, bias),
        prediction_sets={target: fit_threshold(of_truth, groups, target) for target in TARGET_COVERAGES},
        answers_temperature=None if told is None else fit_answers_temperature(told, temperature, bias, seed),
    )


def _fit(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, tuple[float, ...]]:
    return fit_class_bias(labels, probabilities, fit_temperature(labels, probabilities))


def fit_answers_temperature(told: Predictions, temperature: float, bias: tuple[float, ...], seed: int = 0) -> float:
    """The temperature where a question is answered, under the bias that the photographs alone have fitted.

    ``temperature``, the photographs' own, with fewer than FEWEST_GROUPS lesions of which something is answered, where
    another does not help on cases that it was not fitted on, and where every answer is right.

    Parameters
    ----------
    told
        The parent's calibrated answers where a question is answered, with the truth.
    temperature, bias
        Of the photographs alone.
    seed
        Deals the lesions to the parts.
    """
    labels, before, groups = told.labels, told.probabilities, told.group_numbers
    if len(np.unique(groups)) < FEWEST_GROUPS or all_right(before, labels):
        return temperature

    def loss(value: float, rows: np.ndarray) -> np.ndarray:
        of_truth = calibrate(before[rows], value, bias)[np.arange(rows.sum()), labels[rows]]
        return np.asarray(-np.log(np.maximum(of_truth, metrics.SMALLEST_PROBABILITY)))

    def fit(rows: np.ndarray) -> float:
        found = minimize_scalar(lambda log: loss(math.exp(log), rows).mean(), bounds=(-3, 3), method="bounded")
        return math.exp(found.x)

    part = _parts(groups, seed)
    saved = np.zeros(len(labels))
    for each in range(PARTS):
        out = part == each
        if out.any() and not out.all():
            saved[out] = loss(temperature, out) - loss(fit(~out), out)
    return fit(np.ones(len(labels), bool)) if saved.mean() > 0 else temperature


def _parts(groups: np.ndarray, seed: int) -> np.ndarray:
    """The part of each image, whole lesions in one."""
    return np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups] % PARTS


def crossed_gain(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, seed: int = 0) -> float:
    """Nats an image that a new calibration saves on cases it was not fitted on: by five parts of whole lesions.

    Parameters
    ----------
    labels, probabilities
        (N,) and (N, C).
    groups
        A number for each image's lesion or patient, from 0, (N,).
    seed
        Deals the lesions to the parts.
    """
    part = _parts(groups, seed)
    saved = np.zeros(len(labels))
    for each in range(PARTS):
        out = part == each
        if out.any() and not out.all():
            after = calibrate(probabilities[out], *_fit(labels[~out], probabilities[~out]))
            rows = np.arange(out.sum()), labels[out]
            smallest = metrics.SMALLEST_PROBABILITY
            saved[out] = np.log(np.maximum(after[rows], smallest) / np.maximum(probabilities[out][rows], smallest))
    return float(saved.mean())


def choose_home_threshold(
    positive: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    groups: np.ndarray,
    parent: Calibration,
    confidence: float = CONFIDENCE,
) -> tuple[float, str]:
    """The threshold of the new risk, and by which rule. It never rests on one lesion, which may be labelled wrongly.

    ==================================== ==================================================================
    lesions that should be seen          the threshold
    ==================================== ==================================================================
    enough for the confidence (59)       :data:`PROVEN`: the tolerance bound, be it higher or lower than before
    from 20 (1 / (1 - target)) on        :data:`LOWERED`: the plain one of these lesions where it is the lower
    fewer, or where that is not lower    :data:`KEPT`: the one that refers as many of these cases as before
    ==================================== ==================================================================

    Parameters
    ----------
    positive
        Which should be seen, bool (N,).
    old, new
        The parent's risk and the new one, (N,).
    groups
        A number for each image's lesion or patient, (N,).
    parent
        Target sensitivity, and the threshold of the old risk.
    confidence
        Of the tolerance bound.
    """
    target, lesions = parent.target_sensitivity, len(np.unique(groups[positive]))
    if safe_share(lesions, 1 - target, confidence) > 0:
        return choose_safe_threshold(positive, new, groups, target, confidence), PROVEN
    referred = int((old >= parent.risk_threshold).sum())
    kept = float(np.sort(new)[::-1][referred - 1]) if referred else math.inf
    if lesions * (1 - target) >= 1 - 1e-9:
        plain = choose_by_lesion(positive, new, groups, target)
        if plain < kept:
            return plain, LOWERED
    # With the answers as they were the threshold is too, to the last bit; nobody referred is no reason to refer no one.
    unchanged = np.array_equal(old, new) or not referred
    return parent.risk_threshold if unchanged else kept, KEPT
