"""§4.1.1, Table 4: the learning rate over the paper's 500 epochs: ``python docs/figures/schedule.py``.

Both curves are the package's own functions, at a tenth of an epoch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import ACCENT, INK, SECOND, chart, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hierattn.training.optimisation.schedule import learning_rate_with_transfer
from hierattn.training.recipe import Recipe

FROZEN = 30


def draw() -> Figure:
    """Above: all 500 epochs. Below: the first 80, where the two differ."""
    figure = new_figure(4.6)
    whole, start = figure.subplots(2, 1)
    for axis, last in ((whole, Recipe().optimiser.epochs), (start, 80)):
        _curves(axis, last)
    whole.legend(frameon=False, fontsize=8)
    start.axvspan(0, FROZEN, color=SECOND, alpha=0.1, lw=0)
    start.text(FROZEN / 2, 0.00008, "transferred layers frozen", ha="center", fontsize=8, color=SECOND)
    start.set_xlabel("epoch", fontsize=9, color=INK)
    return figure


def _curves(axis: Axes, last: int) -> None:
    chart(axis)
    rules, epochs = Recipe().optimiser, np.linspace(0, last, 10 * last + 1)
    for frozen, colour, name in ((0, ACCENT, "from random weights"), (FROZEN, SECOND, "with transfer")):
        rates = [
            learning_rate_with_transfer(
                float(epoch),
                epochs=rules.epochs,
                frozen_epochs=frozen,
                peak=rules.learning_rate,
                final=rules.final_learning_rate,
                warmup_epochs=rules.warmup_epochs,
            )
            for epoch in epochs
        ]
        axis.plot(epochs, rates, color=colour, lw=1.5, label=name)
    axis.set_ylim(0, 1.1 * rules.learning_rate)
    axis.set_ylabel("learning rate", fontsize=9, color=INK)


if __name__ == "__main__":
    target = Path(__file__).resolve().parents[1] / "images" / "schedule.png"
    draw().savefig(target, dpi=180, metadata={"Software": None})
    print(target)
