"""Pictures of balancing: the distribution (Fig. 2), copies beside their originals (Fig. 10), what was kept (Fig. 11).

``distribution.svg`` and ``undersampling.png`` hold no photograph. ``oversampling.png`` does: keep it where the data is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from hierattn.data.balance.oversampling import Change, apply_change
from hierattn.data.balance.report import BalanceReport, ClassBalance
from hierattn.data.balance.selection import Selection
from hierattn.data.balance.undersampling import keep_random
from hierattn.data.prepare.contact_sheet import contact_sheet
from hierattn.data.prepared_set.packed import DISTRIBUTION, OVERSAMPLING, PICTURES, UNDERSAMPLING, PackedSet

_MOST_ROWS = 12
"""Classes that are drawn one by one: those that lose most."""
_INK, _LINE, _FAINT = "#1b1f24", "#c9ced6", "#1b1f2466"
_COPIES_SHOWN, _PARENTS_SHOWN = 5, 8
_FIXED: Any = {"svg.hashsalt": "hierattn", "svg.fonttype": "path"}  # the same figure is the same bytes


def draw_pictures(
    folder: Path,
    packed: PackedSet,
    selection: Selection,
    features: np.ndarray | None,
    report: BalanceReport,
) -> list[Path]:
    """Write the pictures of one balancing into ``pictures/``.

    Parameters
    ----------
    folder
        The set that is being made.
    packed
        The set that is balanced.
    selection
        Which of its images stay, and which are copied.
    features
        (images of the set, columns); None where no hardness was estimated: then there is no projection to draw.
    report
        The counts, target and seed.
    """
    (folder / PICTURES).mkdir(exist_ok=True)
    rows = selection.rows
    labels = np.array([packed.records[row].label for row in rows])
    colours = {each.code: each.colour for each in packed.taxonomy.classes}
    written = [folder / DISTRIBUTION]
    with rc_context(_FIXED):
        figure = distribution_figure(
            report.classes, f"target {report.target} a class, {report.protocol} protocol", colours
        )
        figure.savefig(written[0], metadata={"Date": None})
    crowded = [code for code, count in report.classes.items() if count.dropped]
    crowded = sorted(sorted(crowded, key=lambda code: -report.classes[code].dropped)[:_MOST_ROWS])
    if features is not None and crowded:
        shown = np.isin(labels, crowded)
        by_chance = np.zeros(len(labels), bool)
        by_chance[keep_random(labels, report.target, report.seed)] = True
        figure = undersampling_figure(
            project(features[rows[shown]]),
            labels[shown],
            {"random": by_chance[shown], "hardness": selection.kept[shown]},
            colours,
        )
        written.append(folder / UNDERSAMPLING)
        figure.savefig(written[-1], dpi=110)
    if len(selection.parents):
        written.append(folder / OVERSAMPLING)
        Image.fromarray(oversampling_sheet(packed, selection.parents, selection.changes)).save(written[-1])
    return written


def distribution_figure(classes: Mapping[str, ClassBalance], title: str, colour_of: Mapping[str, str]) -> Figure:
    """Images a class before and after (Fig. 2), with the imbalance ratio of each (§3.2.2)."""
    before = [count.before for count in classes.values()]
    after = [count.after for count in classes.values()]
    copies = [count.copies for count in classes.values()]
    figure = Figure(figsize=(min(9 + 0.3 * max(len(classes) - 12, 0), 40), 3.4), layout="constrained")
    figure.suptitle(title, color=_INK, fontsize=11)
    left, right = figure.subplots(1, 2, sharey=True)
    colours = [colour_of[code] for code in classes]
    _bars(left, list(classes), before, colours, f"before: imbalance {_ratio(before)}")
    _bars(right, list(classes), after, colours, f"after: imbalance {_ratio(after)}; hatched: copies")
    kept = [total - made for total, made in zip(after, copies, strict=True)]
    right.bar(range(len(classes)), copies, bottom=kept, color="none", edgecolor="#ffffff", hatch="///", linewidth=0)
    left.set_ylabel("images", color=_INK)
    return figure


def _bars(axis: Axes, codes: list[str], heights: list[int], colours: list[str], title: str) -> None:
    axis.bar(range(len(codes)), heights, color=colours)
    turned = 90 if len(codes) > _MOST_ROWS or max(map(len, codes)) > 5 else 0
    for place, height in enumerate(heights):
        axis.text(place, height, str(height), ha="center", va="bottom", fontsize=8, color=_INK, rotation=turned)
    axis.set_title(title, fontsize=10, color=_INK)
    step = -(-len(codes) // 120)
    axis.set_xticks(range(0, len(codes), step), [code[:14] for code in codes[::step]], rotation=turned)
    _plain(axis)


def _ratio(counts: Sequence[int]) -> str:
    return f"{max(counts) / min(counts):.1f}"


def undersampling_figure(
    points: np.ndarray,
    labels: np.ndarray,
    kept: Mapping[str, np.ndarray],
    colours: Mapping[str, str],
    most: int = 20_000,
) -> Figure:
    """What each way of under-sampling keeps and drops (Fig. 11).

    Parameters
    ----------
    points
        (images, 2), a projection of the features of the under-sampled classes.
    labels
        (images,).
    kept
        Way -> bool, (images,).
    colours
        Code -> colour.
    most
        Points drawn of each panel, at even distances in the images' order: more only cover one another.

    Returns
    -------
    Figure
        A column for "before" and each way. The first row has all classes together, as the paper draws them; each
        further row has one class: kept in its colour, dropped as faint crosses.
    """
    codes = sorted(set(labels.tolist()))
    step = max(1, -(-len(points) // most))
    points, labels = points[::step], labels[::step]
    ways: dict[str, Any] = {"before": np.ones(len(labels), bool)} | {
        name: flags[::step] for name, flags in kept.items()
    }
    figure = Figure(figsize=(3.6 * len(ways), 2.9 * (1 + len(codes))), layout="constrained")
    grid = figure.subplots(1 + len(codes), len(ways), sharex=True, sharey=True, squeeze=False)
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    for column, (way, flags) in enumerate(ways.items()):
        for code in codes:
            own = (labels == code) & flags
            grid[0, column].scatter(points[own, 0], points[own, 1], s=3, color=colours[code], linewidths=0, label=code)
        grid[0, column].set_title(f"{way}: {int(flags.sum())} of {len(flags)}", fontsize=10, color=_INK)
        for row, code in enumerate(codes, start=1):
            _kept_and_dropped(grid[row, column], points, labels == code, flags, (code, colours[code]))
    grid[0, 0].legend(fontsize=8, frameon=False, markerscale=4, loc="upper left", labelcolor=_INK)
    grid[0, 0].set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))  # shared by all
    for axis in grid.flat:
        _plain(axis)
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def _kept_and_dropped(axis: Axes, points: np.ndarray, own: np.ndarray, flags: np.ndarray, of: tuple[str, str]) -> None:
    code, colour = of
    axis.scatter(points[own & ~flags, 0], points[own & ~flags, 1], s=7, marker="x", color=_FAINT, linewidths=0.5)
    axis.scatter(points[own & flags, 0], points[own & flags, 1], s=4, color=colour, linewidths=0)
    axis.set_title(
        f"{code}: {int((own & flags).sum())} kept, {int((own & ~flags).sum())} dropped", fontsize=9, color=_INK
    )


def project(features: np.ndarray) -> NDArray[np.float64]:
    """The first two principal components of the standardised features: (images, columns) -> (images, 2).

    Of the columns' correlations, batch by batch, so that memory does not grow with the images. Signs are fixed: the
    largest weight of each component is positive.
    """
    count, columns = features.shape
    starts = range(0, count, 8192)
    mean = sum(features[s : s + 8192].sum(axis=0, dtype=np.float64) for s in starts) / count
    products = np.zeros((columns, columns))
    for start in starts:
        centred = features[start : start + 8192].astype(np.float64) - mean
        products += centred.T @ centred
    spread = np.sqrt(np.diag(products) / count)
    scale = np.divide(1, spread, out=np.zeros(columns), where=spread > 1e-12)
    _, vectors = np.linalg.eigh(products * np.outer(scale, scale))
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.concatenate([(features[s : s + 8192] - mean) * scale @ axes for s in starts])


def oversampling_sheet(packed: PackedSet, parents: np.ndarray, changes: Sequence[Change]) -> NDArray[np.uint8]:
    """Originals, each followed by copies (Fig. 10): of every class one, and then more of the same."""
    by_parent: dict[int, list[int]] = {}
    for number, row in enumerate(parents.tolist()):
        by_parent.setdefault(row, []).append(number)
    by_class: dict[str, list[int]] = {}
    for row in sorted(by_parent, key=lambda row: (-len(by_parent[row]), row)):
        by_class.setdefault(packed.records[row].label, []).append(row)
    longest = max(map(len, by_class.values()))
    turns = [of_class[k] for k in range(longest) for _, of_class in sorted(by_class.items()) if k < len(of_class)]
    turns = turns[:_PARENTS_SHOWN]
    each = min(_COPIES_SHOWN, *(len(by_parent[row]) for row in turns))
    images, captions = [], []
    for row in turns:
        shown = by_parent[row][:each]
        images += [packed.images[row], *(apply_change(packed.images[row], changes[number]) for number in shown)]
        captions += [f"{packed.records[row].label}, original", *(f"copy {n}" for n in range(1, each + 1))]
    return contact_sheet([np.asarray(image) for image in images], 1 + each, captions)


def _plain(axis: Axes) -> None:
    axis.tick_params(colors=_INK, labelsize=8, length=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_LINE)
