"""Fit what a bundle rejects: on a run's training images, with the threshold from its inner fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.own_images import OwnImages, spread_rows
from hierattn.deploy.export.rejection.no_lesion import make_pictures
from hierattn.deploy.export.rejection.novelty import (
    MIN_IMAGES,
    MOST_IMAGES,
    Novelty,
    Rejection,
    choose_threshold,
    describe_threshold,
    fit_layer,
    measure,
    summary,
)
from hierattn.image_spec import ImageSpec

MADE = 160
"""Pictures of each kind of skin without a lesion; fewer where there are fewer training images."""
STRENGTH = 0.01
"""Inverse of the penalty on the resemblance's weights: what it learns of drawings must not be by heart."""

FLATTEST = 0.1
"""Least spread of a feature, as a share of the mean: one that hardly varies would turn rounding into resemblance."""
STEEPEST = 100.0
"""Of the resemblance: how much of it one unit of relative rounding of all features may be worth, over the distance."""


@dataclass(frozen=True)
class FittedRejection:
    """What an export needs: the layer, and what the bundle says of it."""

    layer: Rejection
    description: dict[str, Any]


@dataclass(frozen=True)
class RejectionFeatures:
    """What a rejection is fitted on.

    Attributes
    ----------
    network
        That read the features.
    distance
        Fitted on the training images.
    lesions, labels
        Features before the classifier of the training images, (N, F), and their classes, (N,).
    made
        Kind of picture without one lesion -> the same features of its pictures, (M, F).
    inner, groups
        The inner fold's (stages' means, features before the classifier), and a number for each image's lesion.
    """

    network: CalibratedNetwork
    distance: Novelty
    lesions: np.ndarray
    labels: np.ndarray
    made: Mapping[str, np.ndarray]
    inner: tuple[np.ndarray, np.ndarray]
    groups: np.ndarray

    @classmethod
    def read(cls, network: CalibratedNetwork, own: OwnImages, seed: int = 0) -> RejectionFeatures:
        """Read them of a run's own images; ``seed`` is that of the pictures that are made."""
        rows = spread_rows(own.training, MOST_IMAGES)
        stages, lesions = read_features(network, own.images, rows)
        labels = own.labels[rows]
        made = make_pictures(own.take(rows), min(MADE, len(rows) // 8), np.random.default_rng(seed))
        return cls(
            network,
            fit_layer(stages, labels),
            lesions,
            labels,
            {kind: read_features(network, pictures)[1] for kind, pictures in made.items()},
            read_features(network, own.images, own.validation),
            own.groups[own.validation],
        )

    def fit(self, without: str = "") -> Rejection:
        """The rejection, with one kind of picture left out to be judged by."""
        made = [features for kind, features in self.made.items() if kind != without]
        return fit_resemblance(self.distance, self.lesions, self.labels, made, self.inner, self.groups)


def fit_rejection(
    model: nn.Module, own: OwnImages, spec: ImageSpec, classes: Sequence[str], seed: int = 0
) -> FittedRejection | None:
    """Fit on a run's training images, set the threshold on its inner fold, and measure it on the outer fold.

    Parameters
    ----------
    model
        The trained network, on the CPU.
    own
        The run's own images.
    spec
        The network's.
    classes
        Codes, in the order of the labels.
    seed
        Of the pictures that are made.

    Returns
    -------
    FittedRejection
        None for a network whose head averages no map, and where either part has fewer than
        :data:`~hierattn.deploy.export.rejection.novelty.MIN_IMAGES`.
    """
    network = CalibratedNetwork(model, spec, [0.0] * len(classes), heatmap=False).eval()
    if not network.source or min(len(own.training), len(own.validation)) < MIN_IMAGES:
        return None
    features = RejectionFeatures.read(network, own, seed)
    layer = features.fit()
    outer = read_features(network, own.images, own.test)
    return FittedRejection(
        layer, describe_threshold(measure(layer, *features.inner), measure(layer, *outer), own, classes)
    )


def fit_resemblance(
    distance: Novelty,
    lesions: np.ndarray,
    labels: np.ndarray,
    made: list[np.ndarray],
    inner: tuple[np.ndarray, np.ndarray],
    groups: np.ndarray,
) -> Rejection:
    """Tell lesions from pictures without one; every class and every kind counts alike.

    Parameters
    ----------
    distance
        What the resemblance is put on the scale of.
    lesions, labels
        Features before the classifier of training images, (N, F), and their classes, (N,).
    made
        The same features of each kind of picture, (M, F) each; none leaves the distance alone, and so do features that
        hardly differ between photographs, as an untrained network's: the exported graph would round them otherwise.
    inner, groups
        The inner fold's (stages' means, features before the classifier), and a number for each image's lesion. Both
        scores reject equally many of it, which puts the resemblance on the distance's scale: the medians are equal,
        and so are the values from which each rejects.
    """
    from sklearn.linear_model import LogisticRegression

    if not made:
        return Rejection(distance)
    vectors = np.concatenate([lesions, *made]).astype(np.float64)
    other = np.arange(len(vectors)) >= len(lesions)
    places = np.unique(labels, return_inverse=True)[1]
    weights = np.concatenate(
        [_alike(places), _alike(np.repeat(np.arange(len(made)), [len(kind) for kind in made]))]
    ) * len(vectors)
    middle, spread = vectors.mean(0), vectors.std(0)
    spread = np.maximum(spread, FLATTEST * spread.mean())
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit((vectors - middle) / spread, other, weights / 2)
    weight = fitted.coef_[0] / spread
    score, usual = (inner[1] - middle) @ weight, measure(distance, inner[0])
    ranks = np.maximum(rankdata(score, "max"), rankdata(usual, "max"))
    cut = choose_threshold(ranks, groups)
    most_score, most_usual = (values[rankdata(values, "max") < cut].max() for values in (score, usual))
    score_middle, usual_middle = np.median(score), np.median(usual)
    scale = (most_usual - usual_middle) / max(most_score - score_middle, 1e-6)
    if scale * np.linalg.norm(weight * middle) > STEEPEST * most_usual:  # features that are nearly the same for all
        return Rejection(distance)
    return Rejection(distance, scale * weight, middle, float(usual_middle - scale * score_middle))


def _alike(places: np.ndarray) -> np.ndarray:
    """Weights that add up to 1, the same for every place together."""
    counts = np.bincount(places)
    return 1 / (counts[places] * len(counts))


@torch.inference_mode()
def read_features(
    network: CalibratedNetwork, images: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Stages' means, (N, D), and features before the classifier, (N, F), of images or of some rows of them; float32."""
    chosen = np.arange(len(images)) if rows is None else rows
    parts = []
    for start in range(0, len(chosen), 64):
        batch = np.ascontiguousarray(images[chosen[start : start + 64]])
        features, _, stages = network.read(network.scale(torch.from_numpy(batch)))
        parts.append((summary(stages).numpy(), features.mean((2, 3)).numpy()))
    if not parts:
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
