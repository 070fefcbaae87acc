"""Calibration and triage (§5): a temperature and a risk threshold, fitted on the inner fold, measured on the outer.

A network's probabilities are usually overconfident. Dividing its logits by one temperature T (Guo et al.,
ICML 2017) corrects that and changes no order of the classes, so no top-1 answer. A bias a class (``class_bias.py``)
may be added on request. The triage ``risk`` of a photograph is the summed calibrated probability of
the classes that the taxonomy refers; from the threshold on, the advice is to see a clinic. Where the taxonomy says
nothing of referral there is no threshold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.measures.class_bias import COOLEST, HOTTEST, all_right, fit_class_bias, softmax
from hierattn.evaluation.measures.intervals import Estimate, Interval, Statistic, bootstrap, share_interval
from hierattn.evaluation.measures.thresholds import CONFIDENCE, SourceThreshold, attained, choose_by_source
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import from_plain, to_plain
from hierattn.files import write_json

FORMAT_VERSION = 2
"""Of ``calibration.json``. Version 1 had no ``format_version``, and ``wished_sensitivity`` and ``sure``."""
RENAMED = {"wished_sensitivity": "target_sensitivity", "sure": "confidence"}
TARGET_SENSITIVITY = 0.95
_SMALLEST = float(np.finfo(np.float64).tiny)


def calibrate(probabilities: np.ndarray, temperature: float, class_bias: Sequence[float] = ()) -> np.ndarray:
    """What the softmax would have given with ``temperature``, from what it gave without, (N, C) -> (N, C).

    The logarithm of a softmax is its logits but for a constant, so that nothing is lost. ``class_bias``, where there
    is one, is added to the logits once they are divided.

    >>> calibrate(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    if not len(probabilities) or (temperature == 1 and not len(class_bias)):  # as they are, to the last bit
        return np.asarray(probabilities, np.float64)
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    return softmax(logits + np.asarray(class_bias, np.float64) if len(class_bias) else logits)


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature of least negative log-likelihood.

    The likelihood is convex in 1 / T, so that its slope has one sign change, which bisection on log T finds to the
    last bits. Where every answer is right the likelihood grows for ever as T falls and has no maximum: such data say
    nothing about the network's confidence, and T stays 1. T is kept within 0.05 to 50. ``weights`` of the images, (N,),
    are all the same where none are given.

    Raises
    ------
    DataError
        Without any image.
    """
    if not len(labels):
        raise DataError("no validation image to calibrate on: wanted some in the inner fold; prepare the set again")
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
    if all_right(logits, labels):
        return 1.0
    of_truth = logits[np.arange(len(labels)), labels]

    def overconfident(temperature: float) -> bool:
        # The slope of the NLL in 1 / T: the expected logit under the model, less the true class's.
        slopes = (softmax(logits, temperature) * logits).sum(axis=1) - of_truth
        return float(np.average(slopes, weights=weights)) > 0

    low, high = math.log(COOLEST), math.log(HOTTEST)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if overconfident(math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)


def error_by_chance(probabilities: np.ndarray, *, bins: int = 15, draws: int = 1000, seed: int = 0) -> Estimate:
    """The expected calibration error that probabilities of this kind have where each of them is exactly right.

    The error is a sum of distances, so it is above zero for a perfect model too, and the higher the fewer the
    photographs. An error within the interval is no sign of wrong probabilities; one goal for sets of all sizes is none.

    Parameters
    ----------
    probabilities
        As calibrated, (N, C); rows sum to 1.
    bins
        As for :func:`~hierattn.metrics.expected_calibration_error`.
    draws
        How often it is drawn whether each top answer is right, by its own probability.
    seed
        Of the draws.

    Returns
    -------
    Estimate
        The mean of the draws and the span of their middle 95 %; None without photographs.

    >>> sure = np.array([[0.9, 0.1]] * 50)
    >>> error_by_chance(sure).value < error_by_chance(sure[:10]).value
    True
    """
    if not len(probabilities):
        return Estimate.of(math.nan, None)
    confidence = np.asarray(probabilities, np.float64).max(axis=1)
    place, generator = metrics.bin_of(confidence, bins), np.random.default_rng(seed)
    gaps = (np.bincount(place, (generator.random(len(place)) < confidence) - confidence) for _ in range(draws))
    errors = np.array([np.abs(gap).sum() / len(place) for gap in gaps])
    low, high = np.percentile(errors, (2.5, 97.5))
    return Estimate.of(float(errors.mean()), (float(low), float(high)))


def risk(
    predictions: Predictions, temperature: float, class_bias: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(whether the true class belongs to the triage group, bool (N,); the summed calibrated risk, (N,))."""
    calibrated = calibrate(predictions.probabilities, temperature, class_bias)
    return metrics.group_scores(predictions.labels, calibrated, predictions.classes, predictions.taxonomy.triage_group)


@dataclass(frozen=True)
class ThresholdFigures:
    """How the threshold does on one fold: shares with their 95 % intervals over groups, and on how much.

    ``sensitivity`` is the share of the triage group that is referred, ``specificity`` the share of the rest that is
    not; ``interval`` belongs to the first. A share is nan and an interval None where a fold has no such image.
    """

    sensitivity: float
    interval: Interval | None
    specificity: float
    specificity_interval: Interval | None
    images: int
    groups: int
    positives: int

    @property
    def estimates(self) -> tuple[Estimate, Estimate]:
        """Sensitivity and specificity, each with its interval."""
        return Estimate.of(self.sensitivity, self.interval), Estimate.of(self.specificity, self.specificity_interval)

    @property
    def missed(self) -> int:
        """Images of the triage group that are not referred."""
        return self.positives - round(self.sensitivity * self.positives) if self.positives else 0

    @property
    def false_alarms(self) -> int:
        """Images of the rest that are referred."""
        others = self.images - self.positives
        return others - round(self.specificity * others) if others else 0


@dataclass(frozen=True)
class Calibration:
    """What ``calibration.json`` holds, and an export takes along.

    Attributes
    ----------
    temperature
        Divides the logits.
    risk_threshold
        ``risk >= risk_threshold`` refers; nan where the validation fold has no image of the triage group, or
        nothing is said of referral.
    target_sensitivity
        What the threshold was set for.
    validation, test
        How it does where it was set (flattering) and on the outer fold (honest; None before it was measured).
    fitted_on
        In words.
    class_bias
        Added to the divided logits, one a class in the order of the columns; empty is none.
    confidence
        That the sensitivity for new lesions is at least the target, 0 to below 1; 0: it holds for new lesions only
        half the time, as in earlier versions.
    sources
        Where the inner fold holds several: what each asks of the threshold, which is the lowest of these.
    answers_temperature
        In the place of ``temperature`` where something is answered; None where nothing is asked.
    """

    temperature: float
    risk_threshold: float
    target_sensitivity: float
    validation: ThresholdFigures
    test: ThresholdFigures | None
    fitted_on: str
    class_bias: tuple[float, ...] = ()
    confidence: float = 0.0
    sources: tuple[SourceThreshold, ...] = ()
    answers_temperature: float | None = None

    @property
    def has_threshold(self) -> bool:
        """Whether there is a threshold at all."""
        return not math.isnan(self.risk_threshold)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The network's own probabilities, calibrated, (N, C) -> (N, C)."""
        return calibrate(probabilities, self.temperature, self.class_bias)


def advice_shares(positive: np.ndarray, referred: np.ndarray) -> Statistic:
    """Weights (resamples, N) -> sensitivity and specificity (resamples, 2); both parameters are bool, (N,)."""
    kept = np.stack([positive & referred, positive, ~positive & ~referred, ~positive], axis=1).astype(np.float64)

    def shares(weights: np.ndarray) -> np.ndarray:
        counts = weights @ kept  # (resamples, 4)
        below = counts[:, 1::2]
        return np.divide(counts[:, 0::2], below, out=np.full(below.shape, np.nan), where=below > 0)

    return shares


def measure_threshold(
    predictions: Predictions,
    temperature: float,
    threshold: float,
    resamples: int,
    seed: int,
    class_bias: Sequence[float] = (),
) -> ThresholdFigures:
    """How ``threshold`` does on ``predictions``, with intervals by group."""
    positive, scores = risk(predictions, temperature, class_bias)
    referred = scores >= threshold if not math.isnan(threshold) else np.zeros(len(scores), bool)

    shares = advice_shares(positive, referred)
    groups = predictions.group_numbers
    values = shares(np.ones((1, len(predictions))))[0]
    draws = bootstrap(shares, groups, resamples, seed)
    if math.isnan(threshold):
        values, draws = np.full(2, np.nan), np.zeros((0, 0))
    sizes = [len(np.unique(groups[positive])), len(np.unique(groups[~positive]))]
    intervals = [share_interval(float(values[k]), draws[:, k] if draws.size else draws, sizes[k]) for k in range(2)]
    return ThresholdFigures(
        sensitivity=float(values[0]),
        interval=intervals[0],
        specificity=float(values[1]),
        specificity_interval=intervals[1],
        images=len(predictions),
        groups=len(np.unique(groups)),
        positives=int(positive.sum()),
    )


def fit_calibration(
    validation: Predictions,
    *,
    target_sensitivity: float = TARGET_SENSITIVITY,
    confidence: float = CONFIDENCE,
    per_class: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Fit temperature and threshold on ``validation`` alone. No test image can reach this function.

    ``confidence``: that new lesions reach the target sensitivity, see ``thresholds.py``. ``per_class`` fits a bias a
    class together with the temperature: see ``class_bias.py`` for what that costs. Of several sources, each weighs the
    same in the temperature, and the worst one sets the threshold
    (:func:`~hierattn.evaluation.measures.thresholds.choose_by_source`).

    Raises
    ------
    DataError
        Without any validation image.
    UsageError
        For several sources with ``per_class``: its biases would be those of the largest.
    """
    sources = validation.sources
    if sources and per_class:
        raise UsageError("--class-bias on a set of several sources: wanted a set of one; leave the option out")
    bias: tuple[float, ...] = ()
    weights = _alike(sources) if sources else None
    temperature = fit_temperature(validation.labels, validation.probabilities, weights)
    if per_class:
        temperature, bias = fit_class_bias(validation.labels, validation.probabilities, temperature)
    positive, scores = risk(validation, temperature, bias)
    groups = validation.group_numbers
    threshold, of_each = choose_by_source(positive, scores, groups, sources, target_sensitivity, confidence)
    folds = [str(fold) for fold in np.unique(validation.folds)]
    inner = (
        f"inner validation fold ({folds[0]}), which also chose the epoch"
        if len(folds) == 1
        else f"inner validation folds ({', '.join(folds)}), each answered by the run of this recipe that was not "
        "trained on it"
    )
    return Calibration(
        temperature=temperature,
        risk_threshold=threshold,
        target_sensitivity=target_sensitivity,
        validation=measure_threshold(validation, temperature, threshold, resamples, seed, bias),
        test=None,
        fitted_on=(
            f"the {len(validation)} original images of the {inner}; the test fold took no part{_said_of(of_each)}"
        ),
        class_bias=bias,
        confidence=attained(len(np.unique(groups[positive])), target_sensitivity, confidence),
        sources=of_each,
    )


def _alike(sources: Sequence[str]) -> np.ndarray:
    """A weight for each image, so that every source weighs the same."""
    numbers = np.unique(sources, return_inverse=True)[1]
    shares: np.ndarray = 1 / np.bincount(numbers)[numbers]
    return shares


def _said_of(sources: Sequence[SourceThreshold]) -> str:
    if not sources:
        return ""
    known = [source for source in sources if not math.isnan(source.threshold)]
    each = ", ".join(
        f"{source.source} {source.threshold:.3f}"
        + ("" if source.confidence else f" from {source.lesions} lesions, too few for the confidence")
        for source in known
    )
    few = ", ".join(f"{source.source} ({source.lesions})" for source in sources if math.isnan(source.threshold))
    said = "; each source weighs the same in the temperature"
    said += f"; the threshold is the lowest that a source needs ({each})" if known else ""
    return said + (f"; too few lesions that should be seen for a threshold of its own: {few}" if few else "")


def evaluate_calibration(
    calibration: Calibration, test: Predictions, *, resamples: int = 1000, seed: int = 0
) -> Calibration:
    """The same calibration, with how it does on images that had no part in it."""
    measured = measure_threshold(
        test, calibration.temperature, calibration.risk_threshold, resamples, seed, calibration.class_bias
    )
    return replace(calibration, test=measured)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write ``calibration.json``."""
    write_json(path, {"format_version": FORMAT_VERSION, **to_plain(calibration)})


def read_calibration(path: Path) -> Calibration:
    """Read ``calibration.json``, of this version or an earlier one.

    Raises
    ------
    TableError
        Where it is missing or damaged.
    """
    if not path.is_file():
        raise TableError(f"no calibration at {path}: wanted one from 'hierattn evaluate RUN'; run that first")
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        version = plain.get("format_version", 1)
        if version > FORMAT_VERSION:
            raise ValueError(f"format version {version}, wanted at most {FORMAT_VERSION}: update hierattn")
        return calibration_from(plain, version)
    except (AttributeError, TypeError, ValueError) as error:
        raise TableError(f"{path} is not a calibration ({error}); evaluate the run again") from None


def calibration_from(plain: Mapping[str, Any], version: int) -> Calibration:
    """A calibration from its plain values.

    Raises
    ------
    ValueError
        Where a value is missing or out of its range.
    """
    calibration = from_plain(Calibration, rename_version_1(plain) if version == 1 else plain)
    if not (math.isfinite(calibration.temperature) and calibration.temperature > 0):
        raise ValueError(f"temperature {calibration.temperature}, wanted above 0")
    if not all(map(math.isfinite, calibration.class_bias)):
        raise ValueError(f"class bias {calibration.class_bias}, wanted numbers")
    return calibration


def rename_version_1(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the keys of today's version."""
    return {RENAMED.get(key, key): value for key, value in plain.items()}
