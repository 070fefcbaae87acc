"""Fit what a bundle rejects: to a run's training images, with the threshold from its inner fold."""

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
STRENGTH_ON_PHOTOGRAPHS = 0.1
"""The same for photographs of another kind, which are what will be met."""

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
class Resembled:
    """What one of the scores tells lesions from.

    Attributes
    ----------
    kinds
        Features before the classifier of each kind of picture, (M, F) each; all kinds count alike.
    strength
        Inverse of the penalty on the weights.
    """

    kinds: Sequence[np.ndarray]
    strength: float = STRENGTH


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
    others
        The same features of photographs of another kind, by set and source.
    inner, groups
        The inner fold's (stages' means, features before the classifier), and a number for each image's lesion.
    """

    network: CalibratedNetwork
    distance: Novelty
    lesions: np.ndarray
    labels: np.ndarray
    made: Mapping[str, np.ndarray]
    others: Sequence[Sequence[np.ndarray]]
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
            [
                [read_features(network, other.images, spread_rows(part, MOST_IMAGES))[1] for part in other.training]
                for other in own.others
            ],
            read_features(network, own.images, own.validation),
            own.groups[own.validation],
        )

    def fit(self, without: str = "") -> Rejection:
        """The rejection, with one kind of picture left out to be judged by."""
        resembled = [Resembled([features for kind, features in self.made.items() if kind != without])]
        resembled += [Resembled(kinds, STRENGTH_ON_PHOTOGRAPHS) for kinds in self.others]
        return fit_resemblance(self.distance, self.lesions, self.labels, resembled, self.inner, self.groups)


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
    outer, *others = (
        measure(layer, *read_features(network, images.images, rows))
        for images, rows in ((own, own.test), *((other, other.held) for other in own.others))
    )
    return FittedRejection(layer, describe_threshold(measure(layer, *features.inner), outer, own, classes, others))


def fit_resemblance(
    distance: Novelty,
    lesions: np.ndarray,
    labels: np.ndarray,
    resembled: Sequence[Resembled],
    inner: tuple[np.ndarray, np.ndarray],
    groups: np.ndarray,
) -> Rejection:
    """Tell lesions from what is to be rejected, by one score for each of ``resembled``.

    Parameters
    ----------
    distance
        What the scores are put on the scale of.
    lesions, labels
        Features before the classifier of training images, (N, F), and their classes, (N,), which count alike.
    resembled
        What has no pictures gets no score. Nor does what hardly differs from lesions in features that hardly differ
        between photographs, as an untrained network's: the exported graph would round them otherwise.
    inner, groups
        The inner fold's (stages' means, features before the classifier), and a number for each image's lesion. All
        scores reject equally many of it, which puts them on the distance's scale: the medians are equal, and so are
        the values from which each rejects.
    """
    usual, centre = measure(distance, inner[0]), lesions.mean(0, dtype=np.float64)
    weights = [_plane(lesions, labels, each) for each in resembled if len(each.kinds)]
    scores = [(inner[1] - centre) @ weight for weight in weights]
    ranks = np.stack([rankdata(values, "max") for values in (usual, *scores)])
    cut = choose_threshold(ranks.max(0), groups)
    most_usual, *most = (values[rank < cut].max() for values, rank in zip((usual, *scores), ranks, strict=True))
    usual_middle = np.median(usual)
    kept = []
    for weight, score, highest in zip(weights, scores, most, strict=True):
        middle = np.median(score)
        scale = (most_usual - usual_middle) / max(highest - middle, 1e-6)
        if scale * np.linalg.norm(weight * centre) <= STEEPEST * most_usual:
            kept.append((scale * weight, usual_middle - scale * middle))
    if not kept:
        return Rejection(distance)
    return Rejection(distance, np.stack([each for each, _ in kept], 1), centre, np.array([bias for _, bias in kept]))


def _plane(lesions: np.ndarray, labels: np.ndarray, resembled: Resembled) -> np.ndarray:
    """The weights, (F,), of a logistic regression that tells lesions from what they are not to resemble."""
    from sklearn.linear_model import LogisticRegression

    vectors = np.concatenate([lesions, *resembled.kinds]).astype(np.float64)
    other = np.arange(len(vectors)) >= len(lesions)
    places = np.unique(labels, return_inverse=True)[1]
    kinds = np.repeat(np.arange(len(resembled.kinds)), [len(kind) for kind in resembled.kinds])
    weights = np.concatenate([_alike(places), _alike(kinds)]) * len(vectors)
    spread = vectors.std(0)
    spread = np.maximum(spread, FLATTEST * spread.mean())
    whitened = (vectors - vectors.mean(0)) / spread
    fitted = LogisticRegression(C=resembled.strength, max_iter=1000).fit(whitened, other, weights / 2)
    return np.asarray(fitted.coef_[0] / spread)


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
