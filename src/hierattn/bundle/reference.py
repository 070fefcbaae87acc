"""What is usual for a bundle: counts of its answers on the inner fold, against which a service compares its days.

Counts alone: no photograph, no date and no person can be read back from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

RISK_EDGES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.7, 0.9)
"""Between the bins of the calibrated risk, in order."""
RISK, CLASSES = "risk", "classes"

Counts = Mapping[str, int]
"""Bin -> photographs in it; ordered bins are named by their numbers."""


def bin_of(value: float, edges: Sequence[float]) -> str:
    """The bin of a value: how many edges it has reached.

    >>> bin_of(0.015, RISK_EDGES), bin_of(0.95, RISK_EDGES)
    ('1', '9')
    """
    return str(sum(value >= edge for edge in edges))


def count_answers(codes: Sequence[str], risks: Iterable[float], labels: Iterable[str]) -> dict[str, dict[str, int]]:
    """Counts of the risk and of the classes that answers name first; every class has one, perhaps 0.

    >>> count_answers(("MEL", "NV"), [0.015, 0.95], ["NV", "MEL"])["classes"]
    {'MEL': 1, 'NV': 1}
    """
    risk, named = Counter(bin_of(value, RISK_EDGES) for value in risks), Counter(labels)
    bins = map(str, range(len(RISK_EDGES) + 1))
    return {RISK: {name: risk[name] for name in bins}, CLASSES: {code: named[code] for code in codes}}
