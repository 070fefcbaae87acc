"""How tables for people print a figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hierattn.shares import fraction


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """Three digits, and the 95 % interval in brackets where there is one; a dash where nothing was measured.

    >>> with_interval(0.5, (0.25, 0.75)), with_interval(None, None)
    ('0.500 (0.250 to 0.750)', '–')
    """
    if value is None:
        return "–"
    return fraction(value) + ("" if interval is None else f" ({' to '.join(map(fraction, interval))})")


def figure(values: Mapping[str, Any] | None) -> str:
    """:func:`with_interval` of ``{"value": ..., "interval": ...}``, as a report has it; a dash for None."""
    return "–" if values is None else with_interval(values["value"], values["interval"])


def sensitivity(measured: Mapping[str, Any]) -> str:
    """The sensitivity of an operating point, as a calibration has it."""
    return with_interval(measured["sensitivity"], measured["interval"])


def specificity(measured: Mapping[str, Any]) -> str:
    """The specificity of an operating point, as a calibration has it."""
    return with_interval(measured["specificity"], measured["specificity_interval"])
