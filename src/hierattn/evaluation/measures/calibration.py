"""Calibration and triage (§5): a temperature and a risk threshold, fitted on the inner fold, judged on the outer.

A network's probabilities are usually too sure of themselves. Dividing its logits by one temperature T (Guo et al.,
ICML 2017) corrects that and changes no order of the classes, so no top-1 answer. A bias a class (``class_bias.py``)
may be added on request. The triage ``risk`` of a photograph is the summed calibrated probability of
``lesions.TRIAGE_GROUP``; from the threshold on, the advice is to see a clinic.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import DataError, TableError
from hierattn.evaluation.measures.class_bias import fit_class_bias, softmax
from hierattn.evaluation.measures.intervals import Interval, bootstrap, share_interval
from hierattn.evaluation.measures.thresholds import SURE, attained, choose_safe_threshold
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy import TRIAGE_GROUP

WISHED_SENSITIVITY = 0.95
COOLEST, HOTTEST = 0.05, 50.0
_SMALLEST = float(np.finfo(np.float64).tiny)


def calibrate(probabilities: np.ndarray, temperature: float, class_bias: Sequence[float] = ()) -> np.ndarray:
    """What the softmax would have given with ``temperature``, from what it gave without, (N, C) -> (N, C).

    The logarithm of a softmax is its logits but for a constant, so that nothing is lost. ``class_bias``, where there
    is one, is added to the logits once they are divided.

    >>> calibrate(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    if not len(probabilities):
        return np.asarray(probabilities, np.float64)
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    return softmax(logits + np.asarray(class_bias, np.float64) if len(class_bias) else logits)


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature of least negative log-likelihood.

    The likelihood is convex in 1 / T, so that its slope has one sign change, which bisection on log T finds to the
    last bits. Where every answer is right the likelihood grows for ever as T falls and has no maximum: such data say
    nothing about how sure the network may be, and T stays 1. T is kept within 0.05 to 50.

    Raises
    ------
    DataError
        Without any image.
    """
    if not len(labels):
        raise DataError("no validation image to calibrate on: wanted some in the inner fold; prepare the set again")
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
    of_truth = logits[np.arange(len(labels)), labels]
    if (of_truth >= logits.max(axis=1)).all():
        return 1.0

    def too_sure(temperature: float) -> bool:
        # The slope of the NLL in 1 / T: the expected logit under the model, less the true class's.
        return float(((softmax(logits, temperature) * logits).sum(axis=1) - of_truth).mean()) > 0

    low, high = math.log(COOLEST), math.log(HOTTEST)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if too_sure(math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)


def risk(
    predictions: Predictions, temperature: float, class_bias: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(whether the true class belongs to the triage group, bool (N,); the summed calibrated risk, (N,))."""
    calibrated = calibrate(predictions.probabilities, temperature, class_bias)
    return metrics.group_scores(predictions.labels, calibrated, predictions.classes, TRIAGE_GROUP)


@dataclass(frozen=True)
class OperatingPoint:
    """How the threshold does on one fold: shares with their 95 % intervals over groups, and on how much.

    ``sensitivity`` is the share of the triage group that is referred, ``specificity`` the share of the rest that is
    not; ``interval`` belongs to the first. A share is nan and an
    interval None where a fold has no such image.
    """

    sensitivity: float
    interval: Interval | None
    specificity: float
    specificity_interval: Interval | None
    images: int
    groups: int
    positives: int


@dataclass(frozen=True)
class Calibration:
    """What ``calibration.json`` holds, and an export takes along.

    Attributes
    ----------
    temperature
        Divides the logits.
    risk_threshold
        ``risk >= risk_threshold`` refers; nan where the validation fold has no image of the triage group.
    wished_sensitivity
        What the threshold was set for.
    validation, test
        How it does where it was chosen (flattering) and on the untouched fold (honest; None before it was measured).
    fitted_on
        In words.
    class_bias
        Added to the divided logits, one a class in the order of the columns; empty is none.
    sure
        How sure one may be that new lesions keep the wished sensitivity; 0: an even bet, as of earlier versions.
    """

    temperature: float
    risk_threshold: float
    wished_sensitivity: float
    validation: OperatingPoint
    test: OperatingPoint | None
    fitted_on: str
    class_bias: tuple[float, ...] = ()
    sure: float = 0.0

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The network's own probabilities, calibrated, (N, C) -> (N, C)."""
        return calibrate(probabilities, self.temperature, self.class_bias)


def measure(
    predictions: Predictions,
    temperature: float,
    threshold: float,
    resamples: int,
    seed: int,
    class_bias: Sequence[float] = (),
) -> OperatingPoint:
    """How ``threshold`` does on ``predictions``, with intervals by group."""
    positive, scores = risk(predictions, temperature, class_bias)
    referred = scores >= threshold if not math.isnan(threshold) else np.zeros(len(scores), bool)

    def shares(weights: np.ndarray) -> np.ndarray:
        kept = np.stack([positive & referred, positive, ~positive & ~referred, ~positive], axis=1).astype(np.float64)
        counts = weights @ kept  # (resamples, 4)
        below = counts[:, 1::2]
        return np.divide(counts[:, 0::2], below, out=np.full(below.shape, np.nan), where=below > 0)

    groups = predictions.group_numbers
    values = shares(np.ones((1, len(predictions))))[0]
    draws = bootstrap(shares, groups, resamples, seed)
    if math.isnan(threshold):
        values, draws = np.full(2, np.nan), np.zeros((0, 0))
    sizes = [len(np.unique(groups[positive])), len(np.unique(groups[~positive]))]
    intervals = [share_interval(float(values[k]), draws[:, k] if draws.size else draws, sizes[k]) for k in range(2)]
    return OperatingPoint(
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
    wished_sensitivity: float = WISHED_SENSITIVITY,
    sure: float = SURE,
    per_class: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Fit temperature and threshold on ``validation`` alone. No test image can reach this function.

    ``sure``: how sure the threshold is to be of the wish on new lesions, see ``thresholds.py``. ``per_class`` fits a
    bias a class together with the temperature: see ``class_bias.py`` for what that costs.

    Raises
    ------
    DataError
        Without any validation image.
    """
    bias: tuple[float, ...] = ()
    temperature = fit_temperature(validation.labels, validation.probabilities)
    if per_class:
        temperature, bias = fit_class_bias(validation.labels, validation.probabilities, temperature)
    positive, scores = risk(validation, temperature, bias)
    groups = validation.group_numbers
    threshold = choose_safe_threshold(positive, scores, groups, wished_sensitivity, sure)
    folds = ", ".join(str(fold) for fold in np.unique(validation.folds))
    return Calibration(
        temperature=temperature,
        risk_threshold=threshold,
        wished_sensitivity=wished_sensitivity,
        validation=measure(validation, temperature, threshold, resamples, seed, bias),
        test=None,
        fitted_on=(
            f"the {len(validation)} original images of the inner validation fold ({folds}), which also chose the "
            "epoch; the test fold took no part"
        ),
        class_bias=bias,
        sure=attained(len(np.unique(groups[positive])), wished_sensitivity, sure),
    )


def judged_on(calibration: Calibration, test: Predictions, *, resamples: int = 1000, seed: int = 0) -> Calibration:
    """The same calibration, with how it does on images that had no part in it."""
    measured = measure(
        test, calibration.temperature, calibration.risk_threshold, resamples, seed, calibration.class_bias
    )
    return replace(calibration, test=measured)


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Plain values; nan becomes None. ``class_bias`` and ``sure`` stand there only where there is one."""
    plain: dict[str, Any] = undefined_as_none(asdict(calibration))
    for name in ("class_bias", "sure"):
        if not plain[name]:
            del plain[name]
    return plain


def undefined_as_none(value: Any) -> Any:
    """Nested plain values with None for nan, numpy's numbers as Python's and tuples as lists: what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): undefined_as_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [undefined_as_none(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write ``calibration.json``, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(to_json(calibration), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_calibration(path: Path) -> Calibration:
    """Read ``calibration.json``.

    Raises
    ------
    TableError
        Where it is missing or damaged.
    """
    if not path.is_file():
        raise TableError(f"no calibration at {path}: wanted one from 'hierattn evaluate RUN'; run that first")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        temperature = float(values["temperature"])
        if not (math.isfinite(temperature) and temperature > 0):
            raise ValueError(f"temperature {temperature}")
        return Calibration(
            temperature=temperature,
            risk_threshold=_number(values["risk_threshold"]),
            wished_sensitivity=float(values["wished_sensitivity"]),
            validation=_operating_point(values["validation"]),
            test=None if values["test"] is None else _operating_point(values["test"]),
            fitted_on=str(values["fitted_on"]),
            class_bias=_bias(values.get("class_bias", ())),
            sure=float(values.get("sure", 0.0)),
        )
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is not a calibration ({error}); evaluate the run again") from None


def _bias(values: Sequence[Any]) -> tuple[float, ...]:
    bias = tuple(float(value) for value in values)
    if not all(math.isfinite(value) for value in bias):
        raise ValueError(f"class bias {bias}")
    return bias


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _operating_point(values: Mapping[str, Any]) -> OperatingPoint:
    fields = dict(values)
    for name in ("sensitivity", "specificity"):
        fields[name] = _number(fields[name])
    for name in ("interval", "specificity_interval"):
        if fields[name] is not None:
            low, high = fields[name]
            fields[name] = (float(low), float(high))
    return OperatingPoint(**fields)
