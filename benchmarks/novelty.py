"""Which pictures does a bundle reject? The quality check and the novelty together, on lesions and on other things.

    python -m benchmarks.novelty runs/quicktest
    python -m benchmarks.novelty runs/isic --data prepared/isic --figure roc.svg --json novelty.json

The rejection is fitted on the run's training images and its threshold set on the inner fold, as ``hierattn export``
does; the inner fold's lesions are measured, or with ``--outer`` the outer fold's, which is a look at it. The other
pictures (``other_pictures.py``) set nothing. Pictures of skin without one lesion are made of the inner fold's
photographs, and each kind is judged by a fit that has not seen this kind. A prepared image has the network's size, so
that the quality check leaves out its "small" here, for lesions and other pictures alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.other_pictures import BARE_SKIN, NOT_SKIN
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from hierattn import metrics
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.own_images import open_own_images
from hierattn.deploy.export.rejection.fit import RejectionFeatures, read_features
from hierattn.deploy.export.rejection.no_lesion import make_pictures
from hierattn.deploy.export.rejection.novelty import Rejection, choose_threshold, measure
from hierattn.files import write_text
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.preprocessing.photo_quality import judge_photo
from hierattn.run_folder import RunFolder

PICTURES = 100
_SEED = 1


def unfit(images: np.ndarray) -> np.ndarray:
    """Which of some pictures the quality check rejects for another reason than their size, bool (N,)."""
    return np.array([bool(set(judge_photo(image).problems) - {"small"}) for image in images])


def measure_kinds(
    network: CalibratedNetwork, layer: Rejection, spec: ImageSpec
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each kind of other picture: its novelties, and which the quality check rejects."""
    kinds = {}
    for number, (name, draw) in enumerate({**NOT_SKIN, **BARE_SKIN}.items()):
        pictures = draw(np.random.default_rng([_SEED, number]), PICTURES)
        images = np.stack([spec.resize(picture) for picture in pictures])
        kinds[name] = (measure(layer, *read_features(network, images)), unfit(images))
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
    axes.set(xlim=(0, 0.2), ylim=(0.6, 1.005), xlabel="lesions rejected", ylabel="other pictures rejected")
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
    parser.add_argument("--outer", action="store_true", help="measure lesions of the outer fold: a look at it")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    own, checkpoint = open_own_images(options.run, options.data), load_checkpoint(RunFolder(options.run).best)
    spec, codes = checkpoint.image_spec, checkpoint.classes
    network = CalibratedNetwork(checkpoint.build(), spec, [0.0] * len(codes), heatmap=False).eval()
    features = RejectionFeatures.read(network, own)
    inner, groups, distance = features.inner, features.groups, features.distance

    def fit(without: str = "") -> tuple[Rejection, float]:
        layer = features.fit(without)
        return layer, choose_threshold(measure(layer, *inner), groups)

    part = own.test if options.outer else own.validation
    (layer, threshold), poor = fit(), unfit(own.take(part))
    lesions = measure(layer, *read_features(network, own.images, part))
    rejected = (lesions >= threshold) | poor
    report: dict[str, Any] = {
        "threshold": threshold,
        "lesions": {
            "part": "outer fold" if options.outer else "inner fold", "images": len(part),
            "novelty": float(np.mean(lesions >= threshold)), "quality": float(poor.mean()),
            "together": float(rejected.mean()),
            "of_class": {
                code: round(float(rejected[own.labels[part] == place].mean()), 4)
                for place, code in enumerate(codes)
                if (own.labels[part] == place).any()
            },
        },
        "no_lesion": {},
    }  # fmt: skip
    by_distance = choose_threshold(measure(distance, inner[0]), groups)
    for kind, pictures in make_pictures(own.take(own.validation), PICTURES, np.random.default_rng(_SEED)).items():
        (layer_without, at), values, bad = fit(kind), read_features(network, pictures), unfit(pictures)
        strange = measure(layer_without, *values) >= at
        report["no_lesion"][kind] = {
            "pictures": len(pictures), "by_distance_alone": float(np.mean(measure(distance, values[0]) >= by_distance)),
            "novelty": float(strange.mean()), "quality": float(bad.mean()), "together": float((strange | bad).mean()),
        }  # fmt: skip
    kinds = measure_kinds(network, layer, spec)
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
