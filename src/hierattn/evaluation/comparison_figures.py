"""Fig. 7 (accuracy against parameters), Fig. 8 (ROC of every model), and an ablation's bars, in the house's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hierattn import metrics
from hierattn.evaluation.contestant import Contestant
from hierattn.evaluation.figures import ACCENT, CLASS_COLOURS, CLASS_DASHES, INK, LINE, SECOND, legend, plain_axes

COLOURS = (ACCENT, SECOND, *CLASS_COLOURS.values())
DASHES = ("-", "-", *CLASS_DASHES.values())
GRID = np.linspace(0, 1, 501)


def accuracy_parameters_figure(comparison: Mapping[str, Any]) -> Figure:
    """Fig. 7: balanced accuracy with its interval against millions of parameters; hollow marks are the paper's."""
    figure, (axis,) = plain_axes(6.4, 4.6)
    rows = [row for row in comparison["rows"] if row["balanced_accuracy"]["value"] is not None]
    for number, row in enumerate(rows):
        value, known = row["balanced_accuracy"]["value"], row["balanced_accuracy"]["interval"]
        low, high = known or (value, value)
        millions = row["parameters"] / 1e6
        colour = COLOURS[number % len(COLOURS)]
        axis.errorbar(
            [millions], [value], yerr=[[value - low], [high - value]], fmt="o", color=colour, markersize=7,
            capsize=3, elinewidth=1.4, label=row["name"],
        )  # fmt: skip
    axis.set(xlabel="parameters, millions", ylabel="balanced accuracy")
    axis.set_xlim(0, max([row["parameters"] / 1e6 for row in rows], default=1) * 1.15)
    axis.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))  # 2.5 % would be written as 2 %
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    legend(axis, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def models_roc_figure(contestants: Sequence[Contestant]) -> Figure:
    """Fig. 8: a ROC curve a model. Which average the paper draws it does not say: here it is the mean over classes.

    The sensitivities of all one-versus-rest curves are averaged at each false-positive rate, every class alike.
    """
    figure, (axis,) = plain_axes(5.2, 5.1)
    axis.plot([0, 1], [0, 1], color=LINE, linewidth=1, label="chance")
    for number, contestant in enumerate(contestants):
        curve, area = mean_roc(contestant)
        axis.plot(
            GRID, curve, color=COLOURS[number % len(COLOURS)], linestyle=DASHES[number % len(DASHES)], linewidth=1.7,
            label=f"{contestant.name}  {area:.3f}",
        )  # fmt: skip
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="sensitivity, mean over classes")
    axis.set_aspect("equal")
    legend(axis, loc="lower right", title="model  macro AUC", title_fontproperties={"size": 9})
    return figure


def mean_roc(contestant: Contestant) -> tuple[np.ndarray, float]:
    """Mean sensitivity over the classes present at each false-positive rate of ``GRID``, and the macro AUC."""
    predictions = contestant.predictions
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
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.set(xlim=(0, 1), xlabel="balanced accuracy; line: 95 % interval, dots: folds")
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    return figure
