"""§3.3.1: one SCADW block's channels before and after same channel attention, with the weight of each."""

from __future__ import annotations

import numpy as np
from drawing import INK, Example, new_figure, show, watch
from matplotlib.figure import Figure


def draw(example: Example, shown: int = 5) -> Figure:
    """Channels from the least to the most weighted, of the last early block."""
    attention = example.model.early[-1].attention
    before, after = (np.asarray(one[0]) for one in watch(attention, example.model, example.batch))  # (C, H, W)
    weights = 1 / (1 + np.exp(-before.mean((1, 2))))
    order = np.argsort(weights)[np.linspace(0, len(weights) - 1, shown).round().astype(int)]
    limits = (float(before[order].min()), float(before[order].max()))

    figure = new_figure(4.0)
    rows = figure.subfigures(2, 1, height_ratios=[1.1, 2])
    left, right = rows[0].subplots(1, 2, width_ratios=[1, 2.4])
    show(left, example.photo, f"rendered {example.label}")
    right.bar(range(len(weights)), np.sort(weights), color="#9aa3ad", width=1)
    right.set_ylim(0, 1)
    right.axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
    right.set_title(f"weight of each of the {len(weights)} channels", fontsize=9, color=INK)
    right.set_xticks([])
    right.tick_params(labelsize=8, length=0)
    right.spines[["top", "right"]].set_visible(False)
    maps = rows[1].subplots(2, shown)
    for column, channel in enumerate(order):
        show(maps[0, column], before[channel], f"× {weights[channel]:.2f}", limits)
        show(maps[1, column], after[channel], "", limits)
    maps[0, 0].set_ylabel("before", fontsize=9)
    maps[1, 0].set_ylabel("after", fontsize=9)
    return figure
