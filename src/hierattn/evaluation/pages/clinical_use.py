"""What a report says of the advice in a clinic: its decision curves, and what it means at another prevalence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from hierattn import shares
from hierattn.evaluation.clinical_use.artefacts import Artefacts
from hierattn.evaluation.clinical_use.decision_curves import CANCER, CLINIC, DecisionCurve
from hierattn.evaluation.clinical_use.prevalence import PEOPLE, SETTINGS, AdviceByPrevalence
from hierattn.evaluation.measures.intervals import Estimate, Interval
from hierattn.evaluation.pages.figures import ACCENT, INK, SECOND, legend, log_odds, plain_axes
from hierattn.evaluation.report import Report
from hierattn.taxonomy.colours import PALETTE

OUTCOMES = {CLINIC: "a lesion that should be seen in a clinic", CANCER: "cancer"}
FIRST_CHOICE = 0.01
"""The prevalence that the page shows before a reader chooses one."""
PREVALENCE_LIMIT = (
    "This assumes one photograph of one lesion a person, and cancers and harmless lesions of the same kinds as here. "
    "In a screening cancers are earlier and smaller, so more would be missed; intervals do not cover that."
)
DASH = "–"


def net_benefit_figures(report: Report) -> dict[str, Figure]:
    """A figure an outcome, ``net_benefit_clinic`` and ``net_benefit_cancer``; none without a threshold."""
    curves = () if report.net_benefit is None else report.net_benefit.curves
    own = None if report.triage is None else report.triage.risk_threshold
    return {
        f"net_benefit_{curve.outcome}": _figure(curve, own if curve.outcome == CLINIC else None) for curve in curves
    }


FIGURE_TEXTS: dict[str, tuple[str, str]] = {
    f"net_benefit_{CLINIC}": (
        "Net benefit: lesions to be seen",
        "Across: the risk from which a clinic would want a lesion seen. Up: of 100 people, those rightly referred, "
        "less those referred in vain at the weight that this threshold gives them. The highest line is the best "
        "policy there; the band is the advice’s 95 % interval.",
    ),
    f"net_benefit_{CANCER}": (
        "Net benefit: cancer",
        "The same where cancer alone counts as found, and every other referral as in vain.",
    ),
}
"""Name of a figure -> its title, and what stands beneath it."""


def _figure(curve: DecisionCurve, own: float | None) -> Figure:
    figure, (axis,) = plain_axes(4.6, 4.0)
    x = log_odds(np.array(curve.thresholds))
    advice = _values(curve.advice)
    axis.axhline(0, color=INK, linewidth=1.2, linestyle=(0, (1, 1.5)), label="refer no one")
    axis.plot(x, _values(curve.refer_all), color=SECOND, linewidth=1.7, linestyle=(0, (5, 1.5)), label="refer everyone")
    axis.plot(
        x, _values(curve.risk), color=PALETTE[6][0], linewidth=1.7, linestyle=(0, (4, 1.5, 1, 1.5)),
        label="refer from this risk on",
    )  # fmt: skip
    axis.plot(x, advice, color=ACCENT, linewidth=2.2, label="follow the advice")
    if all(estimate.interval for estimate in curve.advice):
        ends = 100 * np.array([estimate.interval for estimate in curve.advice])
        axis.fill_between(x, ends[:, 0], ends[:, 1], color=ACCENT, alpha=0.16, linewidth=0)
    if own is not None and curve.thresholds[0] <= own <= curve.thresholds[-1]:
        shown = f"the advice’s threshold, {shares.setting(own)}"
        axis.axvline(float(log_odds(own)), color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label=shown)
    best = max(float(np.nanmax(_values(curve.risk))), float(np.nanmax(_values(curve.refer_all))), 1.0)
    axis.set(ylim=(-0.3 * best, 1.25 * best), xlabel="threshold of the clinic", ylabel="net benefit, of 100 people")
    ticks = [each for each in curve.thresholds if each in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)]
    axis.set_xticks([float(log_odds(tick)) for tick in ticks], [shares.setting(tick) for tick in ticks])
    legend(axis, loc="lower left", bbox_to_anchor=(-0.02, 1.0))
    return figure


def _values(estimates: Sequence[Estimate]) -> np.ndarray:
    """Of 100 people."""
    return 100 * np.array([np.nan if estimate.value is None else estimate.value for estimate in estimates])


def net_benefit_reading(report: Report) -> list[str]:
    """A sentence an outcome: at which thresholds the advice is worth more, and at which less."""
    return [] if report.net_benefit is None else [_reading(curve) for curve in report.net_benefit.curves]


def _reading(curve: DecisionCurve) -> str:
    known = [(place, estimate.interval) for place, estimate in enumerate(curve.gain) if estimate.interval]
    more = _thresholds(curve, [place for place, interval in known if interval[0] > 0])
    less = _thresholds(curve, [place for place, interval in known if interval[1] < 0])
    what = OUTCOMES[curve.outcome]
    if not more:
        first = (
            f"To find {what}, the advice is shown to be worth more than the better of referring everyone and no one "
        )
        first += "at no threshold"
    else:
        first = f"To find {what}, the advice is worth more than the better of referring everyone and no one {more}"
    return f"{first}, and less {less}." if less else f"{first}."


def _thresholds(curve: DecisionCurve, places: Sequence[int]) -> str:
    """Places of thresholds in words, a row of neighbours as a range.

    Only where the whole interval is on one side: elsewhere nothing is claimed.
    """
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    names = [
        " to ".join(dict.fromkeys(shares.setting(curve.thresholds[end]) for end in (run[0], run[-1]))) for run in runs
    ]
    return f"at a threshold of {' and '.join(names)}" if names else ""


def of_100(value: float | None, signed: bool = True) -> str:
    """A net benefit as true referrals of 100 people.

    >>> of_100(0.0123), of_100(-0.2), of_100(0.0004), of_100(None)
    ('+1.2', '−20.0', '+0.0', '–')
    """
    return DASH if value is None else f"{100 * value:{'+' if signed else ''}.1f}".replace("-", "−")


def span_of_100(interval: Interval | None) -> str:
    """An interval of a net benefit, of 100 people."""
    return DASH if interval is None else " to ".join(of_100(end, signed=False) for end in interval)


@dataclass(frozen=True)
class PrevalenceRow:
    """One prevalence in words: its name and setting, four figures with their intervals, and a sentence of it all."""

    name: str
    setting: str
    cells: tuple[tuple[str, str], ...]
    said: str
    first: bool


def prevalence_heads(advice: AdviceByPrevalence) -> tuple[str, ...]:
    """The heads of the table, the first one's included."""
    cases = _cases(advice)
    return (
        "prevalence",
        f"referred, of {PEOPLE:,} people",
        f"{cases} missed, of {PEOPLE:,}",
        f"of those referred, have {_case(advice)} (PPV)",
        "of the others, have none (NPV)",
    )


def prevalence_rows(advice: AdviceByPrevalence) -> list[PrevalenceRow]:
    """Every prevalence that a reader may choose."""
    rows = []
    for row in advice.rows:
        counts = [
            _texts(each, lambda count: shares.thousandths(count / PEOPLE)) for each in (row.referrals, row.missed)
        ]
        right = [_texts(each, lambda share: shares.hundredths(share, 1)) for each in (row.ppv, row.npv)]
        found = shares.thousandths(row.prevalence - (row.missed.value or 0) / PEOPLE)
        name = shares.setting(row.prevalence)
        rows.append(
            PrevalenceRow(
                name=name,
                setting=SETTINGS.get(row.prevalence, ""),
                cells=(*counts, *((f"{share} %" if share != DASH else share, span) for share, span in right)),
                said=f"{name}: of {PEOPLE:,} people {counts[0][0]} are referred, {found} of them with {_case(advice)}; "
                f"{counts[1][0]} {_cases(advice)} are missed.",
                first=row.prevalence == FIRST_CHOICE,
            )
        )
    return rows


def _texts(estimate: Estimate, write: Callable[[float], str]) -> tuple[str, str]:
    """A figure and its interval."""
    ends = DASH if estimate.interval is None else " to ".join(map(write, estimate.interval))
    return (DASH if estimate.value is None else write(estimate.value)), ends


def _case(advice: AdviceByPrevalence) -> str:
    return "cancer" if advice.cancer else "what should be seen"


def _cases(advice: AdviceByPrevalence) -> str:
    return "cancers" if advice.cancer else "cases"


def artefact_lines(artefacts: Artefacts | None) -> list[str]:
    """What flips the advice, as lines of Markdown, each with its end; none where it was not measured."""
    if artefacts is None:
        return []

    def shown(estimate: Estimate) -> str:
        if estimate.value is None:
            return DASH
        ends = "" if estimate.interval is None else f" ({' to '.join(map(shares.fraction, estimate.interval))})"
        return f"{shares.fraction(estimate.value)}{ends}"

    lines = [
        "",
        f"Drawn on {artefacts.images} photographs of {artefacts.lesions} lesions, {artefacts.cancers} of which have a "
        "cancer that is referred. The control is as large at every spatial frequency, without a shape. Shares of "
        "lesions, 95 % intervals.",
        "",
        "| thing on the photograph | pixels, RMS | advice changes | control | difference | cancers lost | control |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind in artefacts.kinds.values():
        figures = (kind.flips, kind.control_flips, kind.more_flips, kind.cancers_lost, kind.control_lost)
        lines.append(f"| {kind.title} | {kind.size:.0f} | {' | '.join(map(shown, figures))} |")
    return [f"{line}\n" for line in lines]
