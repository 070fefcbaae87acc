"""The README's picture: a photograph goes in; probabilities, advice and evidence come out."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import numpy as np
from drawing import ACCENT, INK, LINE, SECOND, new_figure, plain
from matplotlib.figure import Figure
from PIL import Image

from hierattn.bundle.bundle import FEWEST_CELLS
from hierattn.deploy.predict.heatmap_picture import overlay
from hierattn.deploy.predict.predictor import Predictor
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT


def draw(bundle: Path, photo: Path) -> Figure:
    """What ``hierattn predict`` answers for one rendered lesion."""
    answer = Predictor.load(bundle)(photo, heatmap=True)
    with Image.open(photo) as opened:
        picture = np.asarray(opened.convert("RGB"))
    figure = new_figure(4.3)
    above, below = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    given, why = above.subplots(1, 2)
    given.imshow(picture)
    given.set_title("in: a photograph (rendered)", fontsize=10, color=INK)
    heatmap = answer.heatmap_of(answer.label)
    few = min(heatmap.shape) < FEWEST_CELLS
    why.imshow(overlay(picture, heatmap))
    why.set_title(f"out: evidence for {answer.label}{', too coarse to tell' if few else ''}", fontsize=10, color=INK)
    plain(given)
    plain(why)
    bars, words = below.subplots(1, 2, width_ratios=[1.35, 1])
    shown = sorted(answer.probabilities.items(), key=lambda item: item[1])[-5:]
    colours = [SECOND if code in EIGHT.triage_group else ACCENT for code, _ in shown]
    bars.barh([EIGHT.by_code[code].name for code, _ in shown], [value for _, value in shown], color=colours)
    for row, (_, value) in enumerate(shown):
        bars.text(value + 0.02, row, percent(value), fontsize=8, va="center", color=INK)
    bars.set_xlim(0, 1.18)
    bars.set_xticks([])
    bars.tick_params(labelsize=8, length=0, colors=INK)
    for side in bars.spines.values():
        side.set_color(LINE)
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    words.set_axis_off()
    words.text(0, 0.95, f"risk {percent(answer.risk)}", fontsize=11, weight="bold", color=INK, va="top")
    words.text(0, 0.72, fill(answer.advice.title, 24), fontsize=10, color=SECOND, va="top", weight="bold")
    words.text(0, 0.2, "Not a medical device.", fontsize=8, color=INK, va="top")
    return figure
