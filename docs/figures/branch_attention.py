"""§3.3.3, Fig. 6: three stages, pooled to 1, 3 and 5 pixels a side, assembled to 6 x 6."""

from __future__ import annotations

import numpy as np
import torch
from drawing import INK, PLACES, Example, new_figure, show, strength
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch.nn import functional as F


def draw(example: Example) -> Figure:
    """Each stage's map and what is pooled from it; below, the pixels in their order."""
    with torch.no_grad():
        stages = example.model.forward_stages(example.batch)
        assembled = example.model.branch(stages)  # (1, sum of C, 6, 6)
    sizes = sorted(set(example.model.branch.pools))
    figure = new_figure(6.8)
    above, below = figure.subfigures(2, 1, height_ratios=[1.75, 1])
    grid = above.subplots(len(stages), 1 + len(sizes))
    for row, stage in enumerate(stages):
        maps = [stage, *(F.adaptive_avg_pool2d(stage, size) for size in sizes)]
        limits = (0.0, float(strength(stage).max()))
        for column, one in enumerate(maps):
            title = f"{one.shape[2]} × {one.shape[3]}" if column or row else f"stage 1: {one.shape[2]} × {one.shape[3]}"
            title = f"stage {row + 1}: {title}" if row and not column else title
            show(grid[row, column], strength(one), title, limits)
        grid[row, 0].set_ylabel(f"{stage.shape[1]} channels", fontsize=9)
    photo, pixels = below.subplots(1, 2)
    show(photo, example.photo, f"rendered {example.label}")
    show(pixels, strength(assembled), f"assembled: {assembled.shape[1]} channels, {_side(assembled)}")
    for index, source in enumerate(np.repeat(range(len(example.model.branch.pools)), _counts(example))):
        row, column = divmod(index, assembled.shape[3])
        pixels.add_patch(Rectangle((column - 0.4, row - 0.4), 0.8, 0.8, fill=False, edgecolor=PLACES[source % 4], lw=2))
    names = [f"{size}×{size}" for size in example.model.branch.pools]
    for index, name in enumerate(names):
        pixels.text(assembled.shape[3] - 0.2, index * 1.2, name, color=PLACES[index % 4], fontsize=10, weight="bold")
    pixels.set_xlabel("the colour tells which pooling a pixel is of", fontsize=8, color=INK)
    return figure


def _counts(example: Example) -> list[int]:
    return [size * size for size in example.model.branch.pools]


def _side(assembled: torch.Tensor) -> str:
    return f"{assembled.shape[2]} × {assembled.shape[3]}"
