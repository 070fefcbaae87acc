"""What of an evaluation is attached to a tracked run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path


@dataclass(frozen=True)
class Results:
    """The results of one evaluation.

    Attributes
    ----------
    name
        Of the evaluation's folder: ``evaluation``, or ``evaluation-NAME`` on an external set.
    figures
        The headline.
    files
        Reports. The caller leaves out those that show photographs of people.
    pictures
        The figures, as PNG.
    """

    name: str
    figures: Mapping[str, float]
    files: tuple[Path, ...]
    pictures: tuple[Path, ...]

    @classmethod
    def of(cls, name: str, figures: Mapping[str, float | None], files: Iterable[Path], drawn: Path) -> Results:
        """Without figures that are not defined, and with every PNG in the folder ``drawn``."""
        defined = {key: value for key, value in figures.items() if value is not None and isfinite(value)}
        return cls(name, defined, tuple(files), tuple(sorted(drawn.glob("*.png"))))
