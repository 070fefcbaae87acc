"""Triage (§5): from calibrated probabilities to one of four plain advices.

The paper: MEL, BCC, ACK, SCC or VASC with more than 50 % -> go to a clinic, otherwise nothing to fear. Five classes can
share the risk with each of them under 50 %, and the second half is not supported by the evidence. So the default rule,
``"risk"``, holds the SUMMED calibrated risk of those five against a threshold that was set for a target sensitivity;
the paper's own rule stays available as ``"paper"``, without its last sentence.

============== ======================================================== =======================================
level          rule "risk"                                              rule "paper"
============== ======================================================== =======================================
see_soon       risk >= threshold and risk >= 50 %                       one of the five above 50 %
have_checked   either of the two; or below both without a calibration   never
watch          below both                                               none of the five above 50 %
retake         the photograph is unfit, whatever the numbers say        the same
============== ======================================================== =======================================

A model without a calibration has no threshold, and its percentages mean little: it never advises to wait and watch
under the rule "risk". Answers to a bundle's questions may raise the advice, and never lower what the photograph alone
gives (:func:`not_lowered`). No level says that nothing is wrong, because no photograph can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from hierattn.bundle.thresholds import TriageSettings
from hierattn.deploy.predict.advice_texts import language_texts
from hierattn.errors import UsageError
from hierattn.preprocessing.photo_quality import PhotoQuality
from hierattn.shares import of_hundred, told_apart

Rule = Literal["risk", "paper"]
Level = Literal["see_soon", "have_checked", "watch", "retake"]
RULES: tuple[str, ...] = get_args(Rule)
LEVELS: tuple[str, ...] = get_args(Level)
"""The most urgent first."""

HALF = 0.5
"""§5's "more than 50 % possibility"."""

UNFIT_LEVEL: Level = "retake"
RISK_LEVELS: tuple[Level, Level, Level] = ("watch", "have_checked", "see_soon")
"""Rule "risk": the level by how many of its two limits, the bundle's threshold and :data:`HALF`, the risk reaches."""
UNCALIBRATED_LEVELS: tuple[Level, Level] = ("have_checked", "see_soon")
"""The same where the bundle has no threshold, and :data:`HALF` is the one limit."""


@dataclass(frozen=True)
class Advice:
    """What to do next, in a patient's words.

    Attributes
    ----------
    level
        ``see_soon``, ``have_checked``, ``watch`` or ``retake``.
    rule
        ``risk`` or ``paper``.
    calibrated
        Whether the rule's threshold came from a calibration.
    title, why, next_steps, limits
        The texts, in ``language``: one line each, ``next_steps`` several.
    """

    level: Level
    rule: Rule
    calibrated: bool
    title: str
    why: str
    next_steps: tuple[str, ...]
    limits: tuple[str, ...]
    language: str = "en"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "level": self.level,
            "rule": self.rule,
            "calibrated": self.calibrated,
            "language": self.language,
            "title": self.title,
            "why": self.why,
            "next_steps": list(self.next_steps),
            "limits": list(self.limits),
        }


def not_lowered(advice: Advice | None, photo_alone: Advice | None) -> Advice | None:
    """The advice that is given: answers never lower what the photograph alone gives.

    ``advice`` is with the answers. Where it is less urgent, the photograph's stands, and says so.
    """
    if advice is None or photo_alone is None or LEVELS.index(advice.level) <= LEVELS.index(photo_alone.level):
        return advice
    said = language_texts(advice.language)["note.answers_kept"]
    return replace(photo_alone, why=f"{photo_alone.why} {said}", limits=advice.limits)


@dataclass(frozen=True)
class Verdict:
    """A level and the key of its reason in :mod:`~hierattn.deploy.predict.advice_texts`."""

    level: Level
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)


def decide(
    probabilities: Mapping[str, float],
    risk: float | None,
    settings: TriageSettings,
    quality: PhotoQuality,
    rule: str = "risk",
) -> Verdict | None:
    """The level of the table above; None for a photograph that is fit, where ``risk`` is None.

    Raises
    ------
    UsageError
        For an unknown rule.
    """
    if rule not in RULES:
        raise UsageError(f"triage rule {rule!r}: wanted one of {', '.join(RULES)}")
    if not quality.ok:
        return Verdict(UNFIT_LEVEL, "unfit")
    if risk is None:
        return None
    if rule == "paper":
        highest = max((value for code, value in probabilities.items() if code in settings.group), default=0.0)
        return Verdict("see_soon" if highest > HALF else "watch", "paper_above" if highest > HALF else "paper_below")
    if settings.threshold is None:
        return Verdict(UNCALIBRATED_LEVELS[risk >= HALF], "uncalibrated", {"risk": risk})
    numbers = {"risk": risk, "threshold": settings.threshold}
    above = (risk >= settings.threshold) + (risk >= HALF)
    return Verdict(RISK_LEVELS[above], "risk_above" if risk >= settings.threshold else "risk_below", numbers)


def advise(
    probabilities: Mapping[str, float],
    risk: float | None,
    settings: TriageSettings,
    quality: PhotoQuality,
    *,
    rule: str = "risk",
    language: str = "en",
    answered: bool = False,
) -> Advice | None:
    """The advice for one photograph; None for one that is fit, where ``risk`` is None.

    Parameters
    ----------
    probabilities
        Code -> calibrated probability.
    risk
        Their sum over ``settings.group``; None where nothing is said of which classes need a doctor.
    settings
        The bundle's.
    quality
        Of the photograph. Where it is not ``ok`` the advice is to retake it, whatever the numbers.
    rule
        ``"risk"`` or ``"paper"``.
    language
        ``"en"``, ``"pt"`` or ``"zh"``.
    answered
        Whether the numbers are of the photograph and answers beside it: the limits then say so.

    Raises
    ------
    UsageError
        For an unknown rule or language.
    """
    texts = language_texts(language)
    verdict = decide(probabilities, risk, settings, quality, rule)
    if verdict is None:
        return None
    numbers = dict(zip(verdict.numbers, told_apart(*verdict.numbers.values()), strict=True))
    steps = [texts[f"problem.{name}"] for name in quality.problems]
    steps += texts[f"level.{verdict.level}.next"].splitlines()
    return Advice(
        level=verdict.level,
        rule="paper" if rule == "paper" else "risk",
        calibrated=settings.threshold is not None,
        title=texts[f"level.{verdict.level}.title"],
        why=texts[f"why.{verdict.reason}"].format(**numbers),
        next_steps=tuple(steps),
        limits=_limits(texts, settings, rule, answered),
        language=language,
    )


def _limits(texts: Mapping[str, str], settings: TriageSettings, rule: str, answered: bool) -> tuple[str, ...]:
    lines = [texts["limits.answered" if answered else "limits.general"]]
    if not settings.group:  # the photograph is unfit: no percentages are shown
        return (*lines, texts["limits.device"])
    if settings.threshold is None:
        lines.append(texts["limits.uncalibrated"])
    elif rule == "risk" and settings.sensitivity is not None and settings.interval is not None:
        low, high = settings.interval
        measured = {
            "sensitivity": f"{of_hundred(settings.sensitivity)} %",
            "low": f"{of_hundred(low)} %",
            "high": f"{of_hundred(high)} %",
            "images": str(settings.images),
        }
        lines.append(texts["limits.measured"].format(**measured))
    else:
        lines.append(texts["limits.unmeasured"])
    return (*lines, texts["limits.device"])
