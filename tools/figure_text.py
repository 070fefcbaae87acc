"""How tables for people print a figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hierattn.evaluation.measures.calibration import ThresholdFigures
from hierattn.evaluation.measures.intervals import Estimate


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """Three digits, and the 95 % interval in brackets where there is one; a dash where nothing was measured.

    >>> with_interval(0.5, (0.25, 0.75)), with_interval(None, None)
    ('0.500 (0.250 to 0.750)', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})")


def figure(estimate: Estimate) -> str:
    """:func:`with_interval` of an estimate, as a report has it."""
    return with_interval(estimate.value, estimate.interval)


def sensitivity(measured: ThresholdFigures | None) -> str:
    """The sensitivity at a threshold, as a calibration has it; a dash where it was not measured."""
    return with_interval(None, None) if measured is None else with_interval(measured.sensitivity, measured.interval)


def specificity(measured: Mapping[str, Any]) -> str:
    """The specificity of an operating point, as a calibration has it."""
    return with_interval(measured["specificity"], measured["specificity_interval"])
