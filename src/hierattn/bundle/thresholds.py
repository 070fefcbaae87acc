"""What a bundle says of its own triage: the referral group, the threshold, and how the threshold did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TriageSettings:
    """What a bundle says of its own triage.

    Attributes
    ----------
    group
        Codes whose probabilities add up to the risk; those that the taxonomy refers. Empty: nothing is said
        of referral, and there is no risk, threshold or advice.
    threshold
        ``risk >= threshold`` refers. None where the model was never calibrated, or ``group`` is empty.
    target_sensitivity
        What the threshold was set for on the inner validation fold, e.g. 0.95.
    sensitivity, interval
        Measured on the outer fold where there was one, with its 95 % interval.
    images
        On how many images that was measured, 0 where it was not.
    """

    group: tuple[str, ...] = ()
    threshold: float | None = None
    target_sensitivity: float | None = None
    sensitivity: float | None = None
    interval: tuple[float, float] | None = None
    images: int = 0
