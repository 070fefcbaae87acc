"""§5: what a temperature does to stated probabilities, and where the threshold of the advice lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import ACCENT, INK, LINE, SECOND, chart, new_figure
from matplotlib.figure import Figure

from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import calibrate, read_calibration
from hierattn.evaluation.predictions import read_predictions
from hierattn.metrics import expected_calibration_error, reliability_bins
from hierattn.taxonomy.built_in import EIGHT


def draw(evaluation: Path) -> Figure:
    """Above: stated against observed. Below: the risk of lesions that should be seen and of the others."""
    files = EvaluationFolder(evaluation)
    predictions, calibration = read_predictions(files.predictions, EIGHT), read_calibration(files.calibration)
    stated = predictions.probabilities
    after = calibrate(stated, calibration.temperature)
    figure = new_figure(5.6)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.25, 1])
    chart(upper)
    upper.plot([0, 1], [0, 1], color=LINE)
    for values, colour, name in ((stated, SECOND, "before"), (after, ACCENT, "after")):
        confidence, accuracy, count = reliability_bins(predictions.labels, values, 10)
        filled = count > 0
        error = expected_calibration_error(predictions.labels, values)
        upper.plot(confidence[filled], accuracy[filled], color=colour, lw=1)
        label = f"{name} the temperature, ECE {error:.3f}"
        upper.scatter(
            confidence[filled], accuracy[filled], 3 * count[filled] ** 0.75, color=colour, label=label, alpha=0.8
        )
    upper.set_xlabel("stated probability of the first class; larger dots are more photographs", fontsize=9, color=INK)
    upper.set_ylabel("share that was right", fontsize=9, color=INK)
    upper.legend(fontsize=9, frameon=False)
    chart(lower)
    group = [index for index, code in enumerate(predictions.classes) if code in EIGHT.triage_group]
    risk = after[:, group].sum(1)
    seen = np.isin(predictions.labels, group)
    edges = np.linspace(0, 1, 21)
    lower.hist(
        [risk[~seen], risk[seen]], edges, stacked=True, color=[LINE, SECOND], label=["other lesions", "should be seen"]
    )
    threshold = calibration.risk_threshold
    if threshold is not None:
        lower.axvline(threshold, color=INK, linestyle=":", linewidth=1.4)
        reached = (risk[seen] >= threshold).mean()
        lower.set_title(
            f"threshold {threshold:.2f}: {reached:.0%} of those that should be seen reach it", fontsize=9, color=INK
        )
    lower.set_yscale("symlog", linthresh=10)
    lower.set_xlabel("risk: summed probability of MEL, BCC, ACK, SCC, VASC", fontsize=9, color=INK)
    lower.set_ylabel("photographs", fontsize=9, color=INK)
    lower.legend(fontsize=9, frameon=False, loc="upper center")
    return figure
