"""The figures of a report: ROC (Fig. 8), confusion, learning curves, reliability, risk. None holds a photograph.

Every class has one colour everywhere, its taxonomy's, and its own dashes where there are few. With many classes those
that must not be missed are named in a figure, and then the most frequent. A legend stands above its axes, where it
covers nothing. ``svg`` writes the colours as CSS variables, so that a page can show one drawing on light and on dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from hierattn import metrics
from hierattn.evaluation.measures.abstention import risk_coverage
from hierattn.evaluation.measures.calibration import Calibration, risk
from hierattn.evaluation.measures.robustness import Robustness
from hierattn.evaluation.pages.drawn_names import drawn_names
from hierattn.evaluation.predictions import Predictions
from hierattn.files import atomic_file
from hierattn.run_folder import epoch_number
from hierattn.shares import fraction, percent, setting
from hierattn.taxonomy.built_in import class_like
from hierattn.taxonomy.colours import PALETTE
from hierattn.taxonomy.records import Taxonomy

INK, LINE, ACCENT, SECOND = "#1b1f24", "#c9ced6", "#0b6e8a", "#b4530a"
DASHES: tuple[Any, ...] = (
    (0, (5, 1.5)),
    "-",
    (0, (1, 1.2)),
    (0, (4, 1.5, 1, 1.5)),
    "-",
    (0, (2.5, 1.5)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    (0, (3, 3)),
)
"""Of the colours of the palette, in its order."""
MOST_CURVES = 8
"""Classes that a figure names; of more, the :data:`NAMED` that matter most and the mean over all."""
NAMED = 6
LEGEND_SIZE, LEGEND_WIDTH = 8.5, 0.95
"""Of the letters, in points; the share of a figure's width that a legend may take."""
MOST_IN_CELLS = 12
"""Classes whose confusion matrix has its counts written in it."""


def css_variables(taxonomy: Taxonomy | None = None) -> dict[str, str]:
    """Colour on a light page -> the variable of the style sheet that holds it, on a dark one too."""
    variables = {INK: "--ink", LINE: "--line", ACCENT: "--accent", SECOND: "--second"}
    variables |= {light: f"--hue-{number}" for number, (light, _) in enumerate(PALETTE)}
    for number, each in enumerate(() if taxonomy is None else taxonomy.classes):
        variables[each.colour.lower()] = f"--class-{number}"
    return variables


def plain_axes(width: float, height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of ``rows`` plain axes under one another, in inches, and in the house's style."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]
    for axis in axes:
        axis.tick_params(colors=INK, labelsize=9, length=0, pad=5)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(LINE)
        axis.grid(color=LINE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.xaxis.label.set_color(INK)
        axis.yaxis.label.set_color(INK)
    return figure, axes


def legend(axis: Axes, title: str = "", **where: Any) -> None:
    """A plain legend, where anything was drawn that has a name: above the axes, in two columns where they have room.

    The figure grows by the legend's height, so that the axes keep their size. ``where`` places it elsewhere.
    """
    labels = axis.get_legend_handles_labels()[1]
    if not labels:
        return
    # From the figure's left edge, not the axes': names of rows left of the axes may take half of the width.
    across = blended_transform_factory(axis.get_figure(root=True).transFigure, axis.transAxes)  # type: ignore[union-attr]
    place = where or {
        "loc": "lower left", "bbox_to_anchor": (0.02, 1.0), "bbox_transform": across, "borderaxespad": 0.3
    }  # fmt: skip
    for columns in (2, 1) if len(labels) > 2 and not where else (1,):
        drawn = axis.legend(
            fontsize=LEGEND_SIZE, frameon=False, labelcolor=INK, handlelength=2.4, columnspacing=1.2, ncols=columns,
            title=title or None, title_fontproperties={"size": LEGEND_SIZE}, alignment="left", **place,
        )  # fmt: skip
        drawn.get_title().set_color(INK)
        extent, figure = drawn.get_window_extent(), drawn.get_figure(root=True)
        if extent.width < LEGEND_WIDTH * figure.bbox.width:  # type: ignore[union-attr]
            break
    if not where:
        figure.set_figheight(figure.get_figheight() + extent.height / figure.dpi)  # type: ignore[union-attr]


def roc_figure(predictions: Predictions) -> Figure:
    """One-versus-rest ROC curve of every class that is present (§4.1.3, Fig. 8)."""
    figure, (axis,) = plain_axes(4.6, 4.5)
    areas = metrics.auc_per_class(predictions.labels, predictions.probabilities)
    axis.plot([0, 1], [0, 1], color=LINE, linewidth=1, label="chance")
    present = np.flatnonzero(~np.isnan(areas))
    named = _named(predictions, present)
    melanoma, grid = class_like(predictions.taxonomy, "MEL"), np.linspace(0, 1, 201)
    labels, curves = drawn_names(predictions.classes), []
    for index in [*named, *(other for other in present.tolist() if other not in named)]:
        each = predictions.taxonomy.classes[index]
        false_rate, true_rate, _ = metrics.roc_curve(predictions.labels == index, predictions.probabilities[:, index])
        last = np.append(false_rate[1:] != false_rate[:-1], True)  # where it rises straight up, its upper end counts
        curves.append(np.interp(grid, false_rate[last], true_rate[last]))
        if index not in named:
            continue
        axis.plot(
            false_rate,
            true_rate,
            color=each.colour,
            linestyle=DASHES[_palette_place(each.colour, named.index(index))],
            linewidth=2.4 if each.code == melanoma else 1.6,
            label=f"{labels[index]}  {fraction(areas[index])}",
        )
    if len(named) < len(present):
        mean = float(metrics.macro_auc_of(areas))
        axis.plot(
            grid, np.mean(curves, axis=0), color=INK, linewidth=2.4, label=f"mean of {len(present)}  {fraction(mean)}"
        )
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="sensitivity")
    axis.set_aspect("equal")
    legend(axis, "class  AUC")
    return figure


def _named(predictions: Predictions, present: np.ndarray) -> list[int]:
    """The classes that a figure names, in their order: of many, melanoma, cancers and what is referred come first.

    Of those alike in that, the most frequent come first.
    """
    if len(present) <= MOST_CURVES:
        return list(map(int, present))
    taxonomy = predictions.taxonomy
    images, melanoma = np.bincount(predictions.labels, minlength=len(taxonomy.classes)), class_like(taxonomy, "MEL")

    def weight(index: int) -> tuple[bool, bool, bool, int]:
        code = taxonomy.codes[index]
        malignant = taxonomy.by_code[code].malignancy == "malignant"
        return code != melanoma, not malignant, code not in taxonomy.triage_group, -int(images[index])

    return sorted(map(int, present), key=weight)[:NAMED]


def _palette_place(colour: str, index: int) -> int:
    """The place of a colour in the palette; of another one, by the class's place among those that are named."""
    lights = [light for light, _ in PALETTE]
    return lights.index(colour.lower()) if colour.lower() in lights else index % len(DASHES)


def confusion_figure(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts, shaded by the share of the true class (row); annotated where there are few classes."""
    matrix, classes = np.asarray(matrix), drawn_names(classes)
    count = len(classes)
    if count > MOST_IN_CELLS:
        return _large_confusion(matrix, classes)
    figure, (axis,) = plain_axes(1.2 + 0.72 * count, 0.8 + 0.62 * count)
    totals = matrix.sum(axis=1)
    for row in range(count):
        for column in range(count):
            share = matrix[row, column] / totals[row] if totals[row] else 0.0
            colour = ACCENT if row == column else SECOND
            axis.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=0.65 * share, linewidth=0))
            if not matrix[row, column]:
                continue
            text = f"{matrix[row, column]}\n{percent(share)}"
            axis.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=INK)
    axis.set(xlim=(0, count), ylim=(count, 0), xlabel="predicted", ylabel="true class")
    turned = 90 if max(map(len, classes)) > 6 else 0
    axis.set_xticks(np.arange(count) + 0.5, classes, rotation=turned)
    axis.set_yticks(np.arange(count) + 0.5, [f"{code}  ({n})" for code, n in zip(classes, totals, strict=True)])
    axis.grid(visible=False)
    return figure


def _large_confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Shades alone; as many labels as can be read."""
    count = len(classes)
    side = min(max(6.0, 0.3 * count), 18.0)
    figure, (axis,) = plain_axes(side + 1.4, side + 1.2)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    own = np.eye(count, dtype=bool)
    colours = np.where(own[..., None], _rgb(ACCENT), _rgb(SECOND))
    pixels = np.concatenate([colours, np.sqrt(shares)[..., None] * 0.85], axis=2)  # the root: rare mistakes show
    axis.imshow(pixels, extent=(0, count, count, 0), interpolation="nearest", aspect="equal")
    step = -(-count // 100)
    places = range(0, count, step)
    size = 8 if count <= 40 else 6
    axis.set_xticks(np.add(places, 0.5), [classes[place] for place in places], rotation=90, fontsize=size)
    axis.set_yticks(np.add(places, 0.5), [f"{classes[place]}  ({totals[place, 0]})" for place in places], fontsize=size)
    axis.set(xlabel="predicted", ylabel="true class")
    axis.grid(visible=False)
    return figure


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def learning_figure(curve: Mapping[str, Sequence[float | None]], best_epoch: int | None = None) -> Figure:
    """Loss, and the validation figures, over epochs; a line marks the epoch whose weights are kept."""
    figure, (above, below) = plain_axes(4.6, 4.5, rows=2)
    epochs = [epoch_number(int(epoch or 0)) for epoch in curve["epoch"]]
    marker = "o" if len(epochs) == 1 else ""
    lines = (
        (above, "train_loss", "training", LINE_STYLES[0]),
        (above, "validation_loss", "inner fold", LINE_STYLES[1]),
        (below, "train_top1", "top-1, training", LINE_STYLES[0]),
        (below, "validation_top1", "top-1, inner fold", LINE_STYLES[1]),
        (below, "validation_balanced_accuracy", "balanced accuracy", LINE_STYLES[2]),
        (below, "validation_macro_auc", "macro AUC", LINE_STYLES[3]),
    )
    for axis, column, label, style in lines:
        if column in curve:
            values = [np.nan if value is None else value for value in curve[column]]
            axis.plot(epochs, values, label=label, marker=marker, linewidth=1.7, **style)
    for axis in (above, below):
        if best_epoch is not None:
            axis.axvline(epoch_number(best_epoch), color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(epochs) == 1:
            axis.set(xlim=(epochs[0] - 1, epochs[0] + 1), xticks=epochs, ylim=(0, 1.1 * axis.get_ylim()[1]))
        legend(axis)
    above.set_ylabel("loss")
    below.set(xlabel="epoch", ylabel="share", ylim=(0, 1.02))
    return figure


LINE_STYLES: tuple[dict[str, Any], ...] = (
    {"color": PALETTE[5][0], "linestyle": (0, (2.5, 1.5))},
    {"color": ACCENT, "linestyle": "-"},
    {"color": SECOND, "linestyle": "-"},
    {"color": PALETTE[6][0], "linestyle": (0, (5, 1.5))},
)


def reliability_figure(predictions: Predictions, calibration: Calibration, bins: int = 10) -> Figure:
    """Confidence against accuracy before and after the calibration, and how many images lie where."""
    figure, (above, below) = plain_axes(4.6, 4.5, rows=2)
    above.get_gridspec().set_height_ratios([3, 1])  # type: ignore[union-attr]
    above.plot([0, 1], [0, 1], color=LINE, linewidth=1, label="perfect")
    stages: tuple[tuple[Any, str, dict[str, Any], int], ...] = (
        (predictions.probabilities, "as trained", LINE_STYLES[0], -1),
        (calibration.apply(predictions.probabilities), "calibrated", LINE_STYLES[1], 1),
    )
    if calibration.temperature == 1 and not calibration.class_bias:  # nothing changes: both would be one line
        stages = stages[1:]
    for probabilities, label, style, side in stages:
        confidence, accuracy, images = metrics.reliability_bins(predictions.labels, probabilities, bins)
        above.plot(confidence, accuracy, marker="o", markersize=4, linewidth=1.7, label=label, **style)
        centres = (np.arange(bins) + 0.5) / bins + side * 0.21 / bins
        below.bar(centres, images, width=0.38 / bins, color=style["color"])
    above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
    below.set(xlim=(0, 1), xlabel="confidence in the answer", ylabel="images")
    legend(above)
    return figure


RISK_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)


def risk_figure(predictions: Predictions, calibration: Calibration) -> Figure:
    """Calibrated risk of lesions that should be seen in a clinic (upwards) and of the rest (downwards); the threshold.

    Cancers have a colour of their own where the taxonomy knows them and refers more than them.

    The axis is in log-odds, so that a risk of 1 % and one of 10 % stand as far apart as 90 % and 99 %.
    """
    figure, (axis,) = plain_axes(4.6, 3.6)
    positive, scores = risk(predictions, calibration.temperature, calibration.class_bias)
    edges = np.linspace(log_odds(RISK_TICKS[0]), log_odds(RISK_TICKS[-1]), 37)
    taxonomy, drawn = predictions.taxonomy, {1: np.zeros(len(edges) - 1), -1: np.zeros(len(edges) - 1)}
    cancer = np.isin(predictions.labels, [predictions.classes.index(code) for code in taxonomy.malignant])
    parts = [(positive, positive, 1, SECOND, "to be seen in a clinic"), (~positive, ~positive, -1, ACCENT, "the rest")]
    if taxonomy.malignant and taxonomy.malignant < taxonomy.triage_group:
        parts[:1] = [
            (cancer, positive, 1, SECOND, "cancer"),
            (positive & ~cancer, positive, 1, PALETTE[0][0], "no cancer, to be seen in a clinic"),
        ]
    for rows, of, sign, colour, label in parts:
        counts = np.histogram(np.clip(log_odds(scores[rows]), edges[0], edges[-1]), edges)[0]
        shares, label = sign * counts / max(int(of.sum()), 1), f"{label} ({rows.sum()})"
        below, drawn[sign] = drawn[sign], drawn[sign] + shares
        axis.stairs(drawn[sign], edges, baseline=below, fill=True, color=colour, label=label)
    axis.axhline(0, color=LINE, linewidth=1)
    if calibration.has_threshold:
        where = float(np.clip(log_odds(calibration.risk_threshold), edges[0], edges[-1]))
        shown = f"threshold {setting(calibration.risk_threshold)}"
        axis.axvline(where, color=INK, linewidth=1.4, linestyle=(0, (4, 2)), label=shown)
    ticks = [tick for tick in RISK_TICKS if tick not in (0.001, 0.999)]
    axis.set_xticks([float(log_odds(tick)) for tick in ticks], [setting(tick) for tick in ticks])
    axis.set(xlabel="calibrated risk", ylabel="share of the group")
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * abs(value):.6g} %")
    legend(axis)
    return figure


def risk_coverage_figure(predictions: Predictions, calibration: Calibration) -> Figure:
    """Error among the answers given, against the share given, the most confident first: what abstention gains."""
    figure, (axis,) = plain_axes(4.6, 4.5)
    calibrated = calibration.apply(predictions.probabilities)
    right = predictions.predicted == predictions.labels
    answered, error = risk_coverage(right, calibrated.max(axis=1) if len(predictions) else np.zeros(0))
    axis.plot(answered, error, color=ACCENT, linewidth=2, label="least confident left out")
    if len(error):
        axis.axhline(error[-1], color=LINE, linewidth=1.2, label="left out at random")
    axis.set(
        xlim=(0, 1.01),
        ylim=(0, None),
        xlabel="share of photographs answered",
        ylabel="share of these answers that is wrong",
    )
    for part in (axis.xaxis, axis.yaxis):
        part.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    legend(axis)
    return figure


def robustness_figure(robustness: Robustness) -> Figure:
    """How often the advice (or, without a threshold, the answer) flips, by change and severity."""
    figure, (axis,) = plain_axes(4.6, 4.0)
    colours = [*(light for light, _ in PALETTE), INK, ACCENT, SECOND]
    dashes = [*DASHES, "-", "-", (0, (4, 2))]
    for number, kind in enumerate(robustness.changes.values()):
        advice = [row.advice_flips.value for row in kind.severities]
        answers: list[float | None] = [row.answer_flips for row in kind.severities]
        flips = answers if advice[0] is None else advice
        axis.plot(
            np.arange(1, len(flips) + 1), np.array(flips, float), color=colours[number % len(colours)],
            linestyle=dashes[number % len(dashes)], linewidth=1.7, marker="o", markersize=3.5, label=kind.title,
        )  # fmt: skip
    axis.set(xlabel="severity", ylabel="photographs whose advice changes", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    legend(axis)
    return figure


def log_odds(share: Any) -> Any:
    """The place of a share, or of an array, on an axis on which 1 and 10 % are as far apart as 90 and 99 %."""
    clipped = np.clip(share, 1e-9, 1 - 1e-9)
    return np.log(clipped / (1 - clipped))


def _place(figure: Figure) -> None:
    """Give everything in the figure its place, once for all of its files.

    While a figure has a layout engine, each file draws it twice and places everything anew: half of the time that a
    report takes.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)


def svg(figure: Figure, label: str, taxonomy: Taxonomy | None = None) -> str:
    """The figure as an ``<svg>`` element to stand inside a page: text stays text, colours become CSS variables.

    Parameters
    ----------
    figure
        Drawn with this module's colours.
    label
        What a screen reader says.
    taxonomy
        Of the classes whose colours are in it.
    """
    _place(figure)
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "hierattn"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[\w.]+_\d+"', "", text)
    text = re.sub(r"(font: [\d.]+px)[^;\"]*", r"\1 system-ui, sans-serif", text)
    variables = css_variables(taxonomy)
    text = re.sub(
        r"#[0-9a-f]{6}\b", lambda hit: f"var({variables[hit[0]]}, {hit[0]})" if hit[0] in variables else hit[0], text
    )
    safe = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', rf'<svg role="img" aria-label="{safe}" \1', text, count=1
    )


def save_figures(folder: Path, figures: Mapping[str, Figure], *, pixels: bool = True) -> None:
    """Write each figure as ``NAME.svg`` and, with ``pixels``, ``NAME.png`` (150 dots an inch), on white."""
    for name, figure in figures.items():
        _place(figure)
        if pixels:
            with atomic_file(folder / f"{name}.png") as part:
                figure.savefig(part, format="png", dpi=150, facecolor="#ffffff", metadata={"Software": None})
        with rc_context({"svg.hashsalt": "hierattn"}), atomic_file(folder / f"{name}.svg") as part:
            figure.savefig(part, format="svg", facecolor="#ffffff", metadata={"Date": None, "Creator": None})


def draw_figures(
    predictions: Predictions,
    calibration: Calibration,
    curve: Mapping[str, Sequence[float | None]],
    best_epoch: int | None = None,
) -> dict[str, Figure]:
    """Every figure of a report by name; ``risk`` only where classes are referred, ``learning_curves`` with a log."""
    matrix = metrics.confusion_matrix(predictions.labels, predictions.probabilities)
    figures = {
        "roc": roc_figure(predictions),
        "confusion_matrix": confusion_figure(matrix, predictions.classes),
        "reliability": reliability_figure(predictions, calibration),
        **({"risk": risk_figure(predictions, calibration)} if predictions.taxonomy.has_referral else {}),
        "risk_coverage": risk_coverage_figure(predictions, calibration),
    }
    if curve.get("epoch"):
        figures["learning_curves"] = learning_figure(curve, best_epoch)
    return figures
