"""Fig. 7 (accuracy against parameters), Fig. 8 (ROC of every model), and an ablation's bars, in the house's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hierattn import metrics
from hierattn.evaluation.comparison.entrant import Entrant
from hierattn.evaluation.pages.drawn_names import drawn_names
from hierattn.evaluation.pages.figure_labels import Mark, side_by_side, write_labels
from hierattn.evaluation.pages.figures import ACCENT, INK, LINE, SECOND, legend, plain_axes
from hierattn.shares import fraction
from hierattn.taxonomy.colours import PALETTE

LINES: tuple[tuple[str, Any], ...] = (
    (ACCENT, "-"),
    (PALETTE[4][0], "-"),
    (PALETTE[0][0], (0, (5, 1.5))),
    (PALETTE[5][0], (0, (2.5, 1.5))),
    (PALETTE[6][0], (0, (6, 1.5, 1, 1.5, 1, 1.5))),
    (PALETTE[2][0], (0, (1, 1.2))),
    (PALETTE[3][0], (0, (4, 1.5, 1, 1.5))),
    (PALETTE[1][0], (0, (3, 3))),
    (PALETTE[7][0], (0, (8, 2))),
)
"""Colour and dashes of each model's curve: the pages' own colour for the first, then the palette's, those that
are far from one another first."""
BESIDE = 0.03
"""How far apart marks of nearly one size stand, as a share of it."""
TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
GRID = np.linspace(0, 1, 501)


def accuracy_parameters_figure(comparison: Mapping[str, Any]) -> Figure:
    """Fig. 7: balanced accuracy with its interval against millions of parameters, the first model in another colour."""
    figure, (axis,) = plain_axes(5.2, 5.1)
    rows = [row for row in comparison["rows"] if row["balanced_accuracy"]["value"] is not None]
    places = side_by_side([row["parameters"] / 1e6 for row in rows], BESIDE)
    marks = []
    names = drawn_names([row["name"] for row in rows], "model", 24)
    for number, (row, millions) in enumerate(zip(rows, places, strict=True)):
        value, known = row["balanced_accuracy"]["value"], row["balanced_accuracy"]["interval"]
        low, high = known or (value, value)
        colour = ACCENT if number == 0 else SECOND
        axis.errorbar(
            [millions], [value], yerr=[[value - low], [high - value]], fmt="o", color=colour, markersize=6,
            capsize=2, elinewidth=1.2,
        )  # fmt: skip
        marks.append(Mark(millions, value, low, high, names[number], colour))
    axis.set(xscale="log", xlabel="parameters, millions", ylabel="balanced accuracy")
    known_sizes = [row["parameters"] / 1e6 for row in rows] or [1.0]
    least, most = min(known_sizes) / 1.25, max(known_sizes) * 1.45
    ticks = [tick for tick in TICKS if least <= tick <= most] or [round(min(known_sizes), 2)]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlim(least, most)
    axis.margins(y=0.12)  # room for names above and below the intervals
    axis.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))  # 2.5 % would be written as 2 %
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    write_labels(axis, marks)
    return figure


def models_roc_figure(entrants: Sequence[Entrant]) -> Figure:
    """Fig. 8: a ROC curve a model. Which average the paper draws it does not say: here it is the mean over classes.

    The sensitivities of all one-versus-rest curves are averaged at each false-positive rate, every class alike.
    """
    figure, (axis,) = plain_axes(5.2, 5.1)
    axis.plot([0, 1], [0, 1], color=LINE, linewidth=1, label="chance")
    names = drawn_names([entrant.name for entrant in entrants], "model", 24)
    for number, entrant in enumerate(entrants):
        curve, area = mean_roc(entrant)
        colour, dashes = LINES[number % len(LINES)]
        axis.plot(
            GRID, curve, color=colour, linestyle=dashes, linewidth=2.2 if number == 0 else 1.6,
            label=f"{names[number]}  {fraction(area)}",
        )  # fmt: skip
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="sensitivity, mean over classes")
    axis.set_aspect("equal")
    legend(axis, "model  macro AUC")
    return figure


def mean_roc(entrant: Entrant) -> tuple[np.ndarray, float]:
    """Mean sensitivity over the classes present at each false-positive rate of ``GRID``, and the macro AUC."""
    predictions = entrant.predictions
    curves = []
    for index in range(len(predictions.classes)):
        positive = predictions.labels == index
        if positive.all() or not positive.any():
            continue
        false_rate, true_rate, _ = metrics.roc_curve(positive, predictions.probabilities[:, index])
        # Where the curve rises straight up, its upper end counts.
        last = np.append(false_rate[1:] != false_rate[:-1], True)
        curves.append(np.interp(GRID, false_rate[last], true_rate[last]))
    mean = np.mean(curves, axis=0) if curves else np.full(len(GRID), np.nan)
    return mean, metrics.macro_auc(predictions.labels, predictions.probabilities)


def bars_figure(comparison: Mapping[str, Any]) -> Figure:
    """An ablation: balanced accuracy of every variant with its interval, and a dot a fold."""
    rows = comparison["rows"]
    figure, (axis,) = plain_axes(5.6, 0.9 + 0.62 * len(rows))
    for place, row in enumerate(rows):
        value, known = row["balanced_accuracy"]["value"], row["balanced_accuracy"]["interval"]
        if value is None:
            continue
        axis.barh(place, value, height=0.55, color=ACCENT if place == 0 else SECOND, alpha=0.55)
        if known is not None:
            axis.plot(known, [place, place], color=INK, linewidth=1.6)
        dots = [share for share in row["of_folds"] if share is not None]
        axis.plot(dots, np.full(len(dots), place), "o", color=INK, markersize=3.5, alpha=0.6)
    axis.set_yticks(range(len(rows)), drawn_names([row["name"] for row in rows], "variant", 24))
    axis.set(xlim=(0, 1), xlabel="balanced accuracy; line: 95 % interval, dots: folds")
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    return figure
