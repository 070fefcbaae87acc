"""Fig. 7's picture of all that is published: balanced accuracy against the number of parameters, one picture a set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hierattn.evaluation.comparison.paper_numbers import TABLE_1
from hierattn.evaluation.pages.figure_labels import Mark, side_by_side, write_labels
from hierattn.evaluation.pages.figures import ACCENT, INK, LINE, SECOND, legend, plain_axes
from hierattn.evaluation.records import to_plain
from hierattn.files import atomic_file
from hierattn.shares import hundredths
from tools.results.published import COMPARISON, published_runs

FIGURES = "figures"
SETS = {
    "two-sources": "Dermoscopy of two sources: HAM10000 (HAM) and other clinics of ISIC 2019 (OTHER), 8 classes",
    "isic2019-ham": "Dermoscopy: the HAM10000 part of ISIC 2019, 8 classes",
    "pad-ufes-20": "Phone photographs: PAD-UFES-20, 6 classes",
}
"""Folder under results/ -> what it is; another folder is called by its name."""

PICTURE = "Balanced accuracy with its interval against the number of parameters; hollow: the paper's own points"


@dataclass(frozen=True)
class Point:
    """One mark of the picture.

    Attributes
    ----------
    name
        Of the model, and of the recipe where that is another.
    parameters
        Of the network.
    value, interval
        Balanced accuracy; for the paper's marks its top-1 accuracy, without an interval.
    kind
        ``alone`` (a run published by itself), ``compared`` (a row of a comparison) or ``paper``.
    """

    name: str
    parameters: float
    value: float
    interval: tuple[float, float] | None
    kind: str


def is_phone(name: str) -> bool:
    """Whether a set is of phone photographs, which have a column of their own in the paper's Table 1."""
    return name.startswith("pad")


def sets_of(results: Path) -> list[str]:
    """The sets that have results, those of :data:`SETS` first."""
    names = {run.path.parent.name for run in published_runs(results)}
    return [*(name for name in SETS if name in names), *sorted(names - set(SETS))]


def points(results: Path, name: str) -> list[Point]:
    """Every mark of the picture of one set: runs alone, rows of honest comparisons of models, and the paper's."""
    marks = [
        _point(run.path.name, run.report.provenance.parameters, to_plain(run.report.balanced_accuracy), "alone")
        for run in published_runs(results)
        if run.path.parent.name == name
    ]
    alone = {(mark.parameters, mark.value) for mark in marks}  # a comparison of these says nothing new of each
    for path in sorted((results / name).glob(f"comparison-*/{COMPARISON}")):
        for comparison in json.loads(path.read_text(encoding="utf-8"))["comparisons"]:
            models = {row["model"] for row in comparison["rows"]}
            if comparison["protocol"] != "honest" or len(models) < 2:
                continue  # the paper's protocol, or an ablation of one model
            rows = [_point(row["name"], row["parameters"], row["balanced_accuracy"], "compared")
                    for row in comparison["rows"]]  # fmt: skip
            marks += [row for row in rows if (row.parameters, row.value) not in alone]
    for row in TABLE_1.values():
        accuracy = row.pad if is_phone(name) else row.isic
        if accuracy is not None and row.parameters is not None:
            marks.append(Point(row.title, row.parameters * 1e6, accuracy / 100, None, "paper"))
    return marks


def _point(name: str, parameters: float, figure: Mapping[str, Any], kind: str) -> Point:
    interval = figure["interval"]
    return Point(name, float(parameters), figure["value"], None if interval is None else tuple(interval), kind)


LOOKS = {
    "alone": ("D", ACCENT, "runs published alone, each by the recipe of its name"),
    "compared": ("o", SECOND, "models of one comparison, all trained alike"),
}
"""Kind of mark -> its shape, its colour, and what the legend says."""

BESIDE = 0.022
"""How far apart marks of one size stand, as a share of their size, so that each interval is seen."""


def accuracy_size_figure(marks: list[Point], title: str) -> Figure:
    """Fig. 7's shape: balanced accuracy with its interval against parameters (logarithmic); hollow: the paper's."""
    figure, (axis,) = plain_axes(8.2, 5.4)
    placed: list[Mark] = []
    ours = sorted((mark for mark in marks if mark.kind in LOOKS), key=lambda mark: (mark.kind, mark.value, mark.name))
    for point, x in zip(ours, side_by_side([mark.parameters for mark in ours], BESIDE), strict=True):
        marker, colour, words = LOOKS[point.kind]
        low, high = point.interval or (point.value, point.value)
        axis.errorbar(
            [x], [point.value], yerr=[[point.value - low], [high - point.value]], fmt=marker,
            color=colour, markersize=6, capsize=2, elinewidth=1.2,
            label=None if any(mark.colour == colour for mark in placed) else words,
        )  # fmt: skip
        placed.append(Mark(x, point.value, low, high, f"{point.name}  {hundredths(point.value, 1)}", colour))
    paper = [mark for mark in marks if mark.kind == "paper"]
    axis.plot(
        [mark.parameters for mark in paper], [mark.value for mark in paper], "s", markerfacecolor="none",
        markeredgecolor=INK, markersize=6, linestyle="",
        label="the paper's top-1, by another protocol: does not compare",
    )  # fmt: skip
    placed += [Mark(mark.parameters, mark.value, mark.value, mark.value, "", INK) for mark in paper]
    _dress(axis, title, largest=max((mark.parameters for mark in marks), default=0.0))
    write_labels(axis, placed)
    return figure


def _dress(axis: Axes, title: str, largest: float) -> None:
    """Scales, ticks, title and legend."""
    axis.set_xscale("log")
    axis.set(xlabel="parameters", ylabel="balanced accuracy, 95 % interval", title=title, ylim=(None, 1.0))
    axis.title.set(fontsize=10, color=INK)
    shown = (1e6, 2e6, 3e6, 5e6)
    axis.set_xticks(shown, [f"{value / 1e6:g} M" for value in shown])
    axis.set_xticks([], minor=True)
    axis.set_xlim(0.9e6, max(7.5e6, 1.3 * largest))
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    axis.spines["bottom"].set_color(LINE)
    legend(axis, loc="upper left", bbox_to_anchor=(-0.02, -0.12))


def write_pictures(results: Path, folder: Path | None = None) -> None:
    """Draw each set's picture on white, text as text, in ``folder``; in ``results/figures`` where it is None."""
    for name in sets_of(results):
        figure = accuracy_size_figure(points(results, name), SETS.get(name, name))
        path = (folder or results / FIGURES) / f"accuracy-size-{name}.svg"
        with atomic_file(path) as part, rc_context({"svg.hashsalt": "hierattn", "svg.fonttype": "none"}):
            figure.savefig(part, format="svg", facecolor="#ffffff", metadata={"Date": None, "Creator": None})
