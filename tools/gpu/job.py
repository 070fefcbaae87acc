"""What a training process is told. No torch: the process that watches it needs none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DIVERGED, FULL = 3, 4
"""Exit statuses: the loss is not finite; the memory is full."""


@dataclass
class Job:
    """What the process is told, as JSON.

    Attributes
    ----------
    part
        ``student``, ``paper`` or ``teacher-0``, ``teacher-1``, ...
    table
        The settings of the part.
    until
        Seconds since 1970 at which everything must be saved.
    mode
        The way to begin with: ``eager``, ``default`` (compiled) or ``graphs`` (compiled, with recorded graphs); with
        ``+teachers`` behind it the teachers are compiled too.
    only_steps
        End after so many steps and keep nothing: to try whether a way works.
    """

    part: str
    table: dict[str, Any]
    pack: str
    work: str
    out: str
    until: float
    device: str = "cuda"
    mode: str = "eager"
    mode_file: str = ""
    teachers: list[str] = field(default_factory=list)
    start: str = ""
    previous: list[str] = field(default_factory=list)
    parent: int = 0
    save_every: float = 60.0
    largest: int = 16_000_000
    only_steps: int = 0
