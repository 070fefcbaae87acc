"""Which pictures does a bundle reject? The quality check and the novelty together, on lesions and on other things.

    python -m benchmarks.novelty runs/quicktest
    python -m benchmarks.novelty runs/isic --data prepared/isic --figure roc.svg --json novelty.json

The novelty is fitted on the run's training images and its threshold set on the inner fold, as ``hierattn export``
does; the outer fold's lesions are measured. The other pictures (``other_pictures.py``) set nothing. A prepared image
has the network's size, so that the quality check leaves out its "small" here, for lesions and other pictures alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from benchmarks.other_pictures import BARE_SKIN, NOT_SKIN
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from hierattn import metrics
from hierattn.deploy.export.novelty import MOST_IMAGES, Novelty, describe_threshold, fit_layer, measure, read_features
from hierattn.deploy.export.own_images import OwnImages, open_own_images, spread_rows
from hierattn.files import write_text
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint
from hierattn.preprocessing.photo_quality import judge_photo
from hierattn.run_folder import RunFolder

PICTURES = 40
_SEED = 1


def unfit(images: np.ndarray) -> np.ndarray:
    """Which of some pictures the quality check rejects for another reason than their size, bool (N,)."""
    return np.array([bool(set(judge_photo(image).problems) - {"small"}) for image in images])


def measure_kinds(checkpoint: Checkpoint, layer: Novelty) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each kind of other picture: its novelties, and which the quality check rejects."""
    model, spec, kinds = checkpoint.build(), checkpoint.image_spec, {}
    nothing = np.zeros(0, np.int64)
    for number, (name, draw) in enumerate({**NOT_SKIN, **BARE_SKIN}.items()):
        pictures = draw(np.random.default_rng([_SEED, number]), PICTURES)
        images = np.stack([spec.resize(picture) for picture in pictures])
        shown = OwnImages(images, *[np.zeros(len(images), np.int64)] * 2, nothing, nothing, nothing)
        values = measure(layer, read_features(model, shown, np.arange(len(images)), spec))
        kinds[name] = (values, unfit(images))
    return kinds


def draw_roc(lesions: np.ndarray, others: np.ndarray, unfit_lesions: np.ndarray, unfit_others: np.ndarray) -> Figure:
    """Share of other pictures rejected against that of lesions, by the novelty alone and with the quality check."""
    figure = Figure(figsize=(4.5, 4))
    axes = figure.subplots()
    for label, less, more in (
        ("novelty", lesions, others),
        ("with the quality check", np.where(unfit_lesions, np.inf, lesions), np.where(unfit_others, np.inf, others)),
    ):
        levels = np.unique(np.r_[less, more])[::-1]
        axes.plot([np.mean(less >= at) for at in levels], [np.mean(more >= at) for at in levels], label=label)
    axes.axvline(0.05, color="grey", linewidth=0.8)
    axes.axhline(0.95, color="grey", linewidth=0.8)
    axes.set(
        xlim=(0, 0.2), ylim=(0.6, 1.005), xlabel="lesions of the outer fold rejected", ylabel="other pictures rejected"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.set_major_locator(MultipleLocator(0.05))
    axes.legend(loc="lower right")
    figure.tight_layout()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    own, checkpoint = open_own_images(options.run, options.data), load_checkpoint(RunFolder(options.run).best)
    model, spec = checkpoint.build(), checkpoint.image_spec
    rows = spread_rows(own.training, MOST_IMAGES)
    layer = fit_layer(read_features(model, own, rows, spec), own.labels[rows])
    inner, lesions = (measure(layer, read_features(model, own, part, spec)) for part in (own.validation, own.test))
    described = describe_threshold(inner, lesions, own, checkpoint.classes)
    threshold, poor = described["threshold"], unfit(own.take(own.test))
    rejected = (lesions >= threshold) | poor
    of_class = {
        code: round(float(rejected[own.labels[own.test] == place].mean()), 4)
        for place, code in enumerate(checkpoint.classes)
        if (own.labels[own.test] == place).any()
    }
    report = {
        "threshold": threshold,
        "inner_fold": {"images": len(inner), "novelty": float(np.mean(inner >= threshold))},
        "outer_fold": {
            "images": len(lesions), "novelty": float(np.mean(lesions >= threshold)), "quality": float(poor.mean()),
            "together": float(rejected.mean()), "of_class": of_class,
        },
    }  # fmt: skip
    kinds = measure_kinds(checkpoint, layer)
    report["kinds"] = {
        name: {
            "pictures": len(values), "novelty": float(np.mean(values >= threshold)), "quality": float(bad.mean()),
            "together": float(np.mean((values >= threshold) | bad)),
        }
        for name, (values, bad) in kinds.items()
    }  # fmt: skip
    strange, bad = (np.concatenate([kinds[name][part] for name in NOT_SKIN]) for part in (0, 1))
    area = metrics.auc(np.r_[np.zeros(len(lesions)), np.ones(len(strange))] > 0, np.r_[lesions, strange])
    report["not_skin"] = {
        "pictures": len(strange), "novelty": float(np.mean(strange >= threshold)), "quality": float(bad.mean()),
        "together": float(np.mean((strange >= threshold) | bad)), "auc_of_the_novelty": float(np.ravel(area)[0]),
    }  # fmt: skip
    text = json.dumps(report, indent=1) + "\n"
    sys.stdout.write(text)
    if options.json:
        write_text(options.json, text)
    if options.figure:
        draw_roc(lesions, strange, poor, bad).savefig(options.figure)


if __name__ == "__main__":
    main()
