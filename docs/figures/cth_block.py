"""§3.3.2, Fig. 5: how a CTH block unfolds its map, what a token attends to, and what comes out."""

from __future__ import annotations

import numpy as np
import torch
from drawing import INK, PLACES, Example, new_figure, plain, show, strength, watch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hierattn.models.cth import CTH, unfold_patches


def attention_of(block: CTH, tokens: Tensor) -> Tensor:
    """Softmax scores of the first layer, mean over its heads: (sequences, N, d) -> (sequences, N, N)."""
    layer = block.transformer.layers[0]
    sequences, count, dim = tokens.shape
    heads = layer.attention.heads
    qkv = layer.attention.qkv(layer.attention_norm(tokens))
    query, key, _ = qkv.reshape(sequences, count, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(2, 3) / (dim // heads) ** 0.5
    return scores.softmax(-1).mean(1)


def draw(example: Example) -> Figure:
    """The first stage's block: its map is the largest."""
    block = example.model.stages[0].cth
    left = watch(block, example.model, example.batch)[1]
    dense = watch(block.to_tokens, example.model, example.batch)[1]  # (1, d, H, W)
    tokens = unfold_patches(dense, block.patch)  # (4, N, d)
    rows, columns = dense.shape[2] // block.patch, dense.shape[3] // block.patch
    with torch.no_grad():
        attention = attention_of(block, tokens)
    asking = (rows // 2) * columns + columns // 2

    figure = new_figure(5.6)
    parts = figure.subfigures(3, 1)
    photo, whole, out = parts[0].subplots(1, 3)
    show(photo, example.photo, f"rendered {example.label}")
    show(whole, strength(dense), f"map of d = {dense.shape[1]}, {dense.shape[2]} × {dense.shape[3]}")
    _mark_places(whole, dense.shape[2], dense.shape[3], block.patch)
    show(out, strength(left), "the block's output")
    norms = tokens.square().mean(2).sqrt().reshape(-1, rows, columns)
    limits = (float(norms.min()), float(norms.max()))
    places = parts[1].subplots(1, len(tokens))
    parts[1].suptitle(f"unfolded: four sequences of {rows * columns} tokens, one a place in the patch", fontsize=9)
    for place, axis in enumerate(places):
        show(axis, np.asarray(norms[place]), "", limits)
        _frame(axis, PLACES[place])
    answers = parts[2].subplots(1, len(tokens))
    parts[2].suptitle("what the token marked × attends to, in its own sequence", fontsize=9)
    for place, axis in enumerate(answers):
        weights = np.asarray(attention[place, asking]).reshape(rows, columns)
        axis.imshow(weights, cmap="Greys", vmin=0)
        axis.plot(asking % columns, asking // columns, "x", color=PLACES[place], markersize=9, markeredgewidth=2)
        plain(axis)
        _frame(axis, PLACES[place])
        axis.set_title(f"largest {weights.max():.2f}", fontsize=8, color=INK)
    return figure


def _mark_places(axis, height: int, width: int, patch: int) -> None:
    for row in range(height):
        for column in range(width):
            colour = PLACES[(row % patch) * patch + column % patch]
            axis.add_patch(Rectangle((column - 0.36, row - 0.36), 0.72, 0.72, fill=False, edgecolor=colour, lw=1.6))


def _frame(axis, colour: str) -> None:
    for side in axis.spines.values():
        side.set_color(colour)
        side.set_linewidth(2.5)
