"""Drift without keeping photographs: whether what arrives still looks like what the bundle knows.

For each bundle, day and measure there are counts in a few bins: of the risk, the novelty, the quality and the named
class. Nothing else is kept, no photograph, answer, address or time of day; the counts live in memory, of the last
:data:`MOST_DAYS` days on which photographs came, and end with the process.

They are compared with the bundle's own counts where it has them, and else with the first :data:`BASELINE` photographs
that arrived. Days are joined, in turn and each once, until they hold :data:`WINDOW` photographs; then each measure is
compared once: by the population stability index (:func:`stability_index`), which says how large a shift is, and by the
Kolmogorov-Smirnov distance (:func:`distance_chance`), which says whether so few could show it by chance. Looking every
day would find something by chance alone, so the k-th comparison may spend 6 / (pi k) ** 2 of the level :data:`LEVEL`,
shared by the measures: all of them together, for ever, raise a false flag with a probability of at most 1 %.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from hierattn.bundle.bundle import Bundle
from hierattn.bundle.reference import CLASSES, RISK, RISK_EDGES, Counts, bin_of
from hierattn.deploy.predict.predictor import Diagnosis

MOST_DAYS = 60
WINDOW = 100
"""Photographs that a comparison needs."""
BASELINE = 500
"""The first photographs, which are what is usual where the bundle does not say."""
LEVEL = 0.01
LARGE = 0.25
"""A stability index from which a shift is large, by the usual rule; 0.1 is small."""
NOVELTY, QUALITY = "novelty", "quality"
MEASURES = (RISK, NOVELTY, QUALITY, CLASSES)
NOVELTY_EDGES = tuple(step / 10 for step in range(4, 15, 2))
"""Of the novelty over the bundle's threshold; from 1 on photographs are rejected."""
ORDERED = frozenset((RISK, NOVELTY))


def today() -> datetime.date:
    """In UTC."""
    return datetime.datetime.now(datetime.UTC).date()


@dataclass(frozen=True)
class Shift:
    """One measure of one window against what is usual.

    Attributes
    ----------
    index
        The population stability index; 0 is no shift.
    chance
        At most this probability has so large a distance where nothing changed.
    allowed
        Below it the distance counts as no chance; 0 before a comparison.
    """

    index: float
    chance: float
    allowed: float

    @property
    def flagged(self) -> bool:
        """Large, and no chance."""
        return self.index >= LARGE and self.chance < self.allowed


@dataclass(frozen=True)
class DriftState:
    """What a page and the metrics show of one bundle.

    Attributes
    ----------
    photographs
        Of the days that are kept.
    days
        Date -> photographs on it.
    usual_of
        Measure -> where its usual counts come from: ``bundle``, ``first photographs``, or empty while they are counted.
    comparisons
        Windows compared so far.
    last_day
        The last one of the last window; None before there was one.
    shifts
        Measure -> the last comparison.
    """

    photographs: int
    days: Mapping[datetime.date, int]
    usual_of: Mapping[str, str]
    comparisons: int
    last_day: datetime.date | None
    shifts: Mapping[str, Shift]

    @property
    def flagged(self) -> tuple[str, ...]:
        """The measures that drifted."""
        return tuple(name for name, shift in self.shifts.items() if shift.flagged)


class DriftWatch:
    """Counts what one bundle answers; threads may share it.

    Parameters
    ----------
    bundle
        The bundle.
    clock
        Gives the day.
    """

    def __init__(self, bundle: Bundle, clock: Callable[[], datetime.date] = today) -> None:
        self._bundle, self._clock, self._lock = bundle, clock, Lock()
        self._own: dict[str, Counter[str]] = {name: Counter(counts) for name, counts in bundle.reference.items()}
        self._first: dict[str, Counter[str]] = {}
        self._days: deque[tuple[datetime.date, dict[str, Counter[str]]]] = deque(maxlen=MOST_DAYS)
        self._window: dict[str, Counter[str]] = {}
        self._comparisons = 0
        self._last_day: datetime.date | None = None
        self._shifts: dict[str, Shift] = {}

    def note(self, diagnosis: Diagnosis) -> None:
        """Count one answer."""
        bins = bins_of(diagnosis, self._bundle.novelty_threshold)
        with self._lock:
            self._turn(self._clock())
            for name, place in bins.items():
                self._days[-1][1].setdefault(name, Counter())[place] += 1
                if name not in self._own and self._first.setdefault(name, Counter()).total() < BASELINE:
                    self._first[name][place] += 1
                elif self._usual(name) is not None:
                    self._window.setdefault(name, Counter())[place] += 1

    def state(self) -> DriftState:
        """As it is now; a day that has ended is closed first."""
        with self._lock:
            if self._days:
                self._turn(self._clock())
            days = {day: counts.get(QUALITY, Counter()).total() for day, counts in self._days}
            sources = {
                name: "bundle" if name in self._own else "first photographs" if self._usual(name) is not None else ""
                for name in MEASURES
            }
            return DriftState(sum(days.values()), days, sources, self._comparisons, self._last_day, dict(self._shifts))

    def _usual(self, name: str) -> Counter[str] | None:
        if name in self._own:
            return self._own[name] if self._own[name].total() else None
        first = self._first.get(name, Counter())
        return first if first.total() >= BASELINE else None

    def _turn(self, day: datetime.date) -> None:
        """Begin a day where a new one has come; what the window holds by then is compared, if it is enough."""
        if self._days and self._days[-1][0] == day:
            return
        if self._days and max((counts.total() for counts in self._window.values()), default=0) >= WINDOW:
            self._compare(self._days[-1][0])
        self._days.append((day, {}))

    def _compare(self, day: datetime.date) -> None:
        self._comparisons += 1
        allowed = LEVEL * 6 / (math.pi * self._comparisons) ** 2 / len(MEASURES)
        for name, counts in self._window.items():
            usual = self._usual(name)
            if usual is not None and counts.total() >= WINDOW:
                chance = distance_chance(usual, counts, ordered=name in ORDERED)
                self._shifts[name] = Shift(stability_index(usual, counts), chance, allowed)
        # A measure that has not enough yet goes on: unfit photographs count for the quality alone.
        self._window = {name: counts for name, counts in self._window.items() if counts.total() < WINDOW}
        self._last_day = day


def bins_of(diagnosis: Diagnosis, novelty_threshold: float | None) -> dict[str, str]:
    """Measure -> bin of one answer. An unfit photograph has no risk and no class."""
    quality = diagnosis.quality
    bins = {QUALITY: quality.problems[0] if quality.problems else "ok"}
    if novelty_threshold and "novelty" in quality.values:
        bins[NOVELTY] = bin_of(float(quality.values["novelty"]) / novelty_threshold, NOVELTY_EDGES)
    if not diagnosis.unfit:
        bins[CLASSES] = diagnosis.label
        if diagnosis.risk is not None:
            bins[RISK] = bin_of(diagnosis.risk, RISK_EDGES)
    return bins


def stability_index(usual: Counts, counts: Counts) -> float:
    """The population stability index: sum of (p - q) log(p / q); each bin has half a photograph more.

    >>> stability_index({"a": 50, "b": 50}, {"a": 500, "b": 500}) < 1e-4
    True
    """
    bins = sorted({*usual, *counts})
    shares = [
        [(each.get(name, 0) + 0.5) / (sum(each.values()) + 0.5 * len(bins)) for name in bins]
        for each in (usual, counts)
    ]
    return sum((now - before) * math.log(now / before) for before, now in zip(*shares, strict=True))


def distance_chance(usual: Counts, counts: Counts, *, ordered: bool) -> float:
    """At most the probability of so large a Kolmogorov-Smirnov distance where both are of one distribution.

    Bins without an order are each compared with all others, and the smallest probability is multiplied by their number.
    With bins, the test is on the safe side.
    """
    bins = sorted({*usual, *counts}, key=lambda name: int(name) if ordered else name)
    totals = sum(usual.values()), sum(counts.values())
    shares = [[each.get(name, 0) / total for name in bins] for each, total in zip((usual, counts), totals, strict=True)]
    if ordered:
        shares = [[math.fsum(each[: place + 1]) for place in range(len(bins))] for each in shares]
    distance = max(abs(before - now) for before, now in zip(*shares, strict=True))
    tests = 1 if ordered else len(bins)
    return min(1.0, tests * kolmogorov(distance * math.sqrt(totals[0] * totals[1] / sum(totals))))


def kolmogorov(scaled: float) -> float:
    """The probability that Kolmogorov's statistic exceeds ``scaled``, for many observations.

    >>> round(kolmogorov(1.3581), 3)
    0.05
    """
    if scaled < 0.2:
        return 1.0
    terms = ((-1) ** (j - 1) * math.exp(-2 * (j * scaled) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))
