"""The layers of the package, read from the contract that the import linter holds it to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from drawing import ACCENT, INK, LINE, new_figure
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

DOES = {
    "cli": "one thin file a command",
    "serve": "web service; without torch",
    "benchmarks": "speeds, as ratios",
    "audit": "labels to look at again",
    "deploy": "export; the predictor, without torch",
    "evaluation": "reads checkpoints; figures and report",
    "training": "recipe, loop, augmentation",
    "models": "the paper's parts, and its peers",
    "data": "from a published set to a prepared set; without torch",
    "preprocessing": "one photograph: crop, cleaning, quality",
    "tracking": "a run in TensorBoard, MLflow, Weights & Biases",
    "bundle": "the exported file's format",
    "run_folder": "the run folder's format",
    "hub": "files of Hugging Face",
    "metrics": "accuracy, AUC",
    "image_spec": "size, pixels",
    "taxonomy": "classes",
    "shares": "with intervals",
    "notebook_html": "what it shows",
    "files": "every write, whole or none",
    "progress": "how far long work is",
    "processes": "started, watched, ended",
    "errors": "one line each: came, wanted, do",
}


def layers(pyproject: Path) -> list[list[str]]:
    """Module names, a list a layer, the highest first."""
    contracts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[name.strip(" ()").removeprefix("hierattn.") for name in re.split(r"[|:]", row)] for row in rows]


def draw(pyproject: Path) -> Figure:
    """A row a layer; imports point down only."""
    rows = layers(pyproject)
    figure = new_figure(0.62 * len(rows) + 0.5)
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_xlim(0, 10)
    axis.set_ylim(-len(rows) - 0.1, 0.2)
    for row, names in enumerate(rows):
        width = 9.2 / len(names)
        for column, name in enumerate(names):
            box = FancyBboxPatch(
                (0.1 + column * width, -row - 0.8), width - 0.2, 0.7,
                boxstyle="round,pad=0.02", facecolor="white", edgecolor=ACCENT if row else INK, lw=1.6,
            )  # fmt: skip
            axis.add_patch(box)
            text = name if name not in DOES else f"{name}: {DOES[name]}" if len(names) == 1 else f"{name}\n{DOES[name]}"
            axis.text(
                0.1 + (column + 0.5) * width - 0.1, -row - 0.45, text,
                ha="center", va="center", fontsize=9 if len(names) == 1 else 7.5, color=INK,
            )  # fmt: skip
    axis.annotate("", (9.7, -len(rows) + 0.2), (9.7, -0.1), arrowprops={"arrowstyle": "->", "color": LINE, "lw": 2})
    return figure
