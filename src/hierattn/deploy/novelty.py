"""Is the photograph unlike everything that the network learnt from? A Mahalanobis distance, fitted at export (§5).

Each stage's map is averaged over its places; the averages of all stages are one vector f, 192 values in HierAttn_xs. Of
the training images every class has a mean m_c, and all share one covariance S (shrunk, Ledoit and Wolf 2004)::

    novelty = min over classes c of sqrt((f - m_c)' S^-1 (f - m_c) / length of f)

About 1 is usual. From the threshold on, which the inner fold sets, the advice is to take another photograph.

Two rivals were measured on rendered lesions against drawings and everyday photographs (docs/lab-notes.md): the energy
of the logits told them apart worse than a coin does, and the features before the classifier no better than these for
four times the room. What this cannot tell is skin without a lesion.

References
----------
Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.deploy.own_images import OwnImages, spread_rows
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit

TURNED_AWAY = 0.04
"""Share of the inner fold that the threshold turns away; set under 5 %, so that other folds stay under it too."""

MIN_IMAGES = 40
"""In the training part and in the inner fold; with fewer there is no novelty."""

MOST_IMAGES = 800
"""Of the training images that are looked at, spread evenly over them."""

WIDEST = 256
"""Longest vector whose covariance is stored; a longer one is put on its first directions first."""

DIRECTIONS = 64


class Novelty(nn.Module):
    """(batch, D) -> (batch,): distance to the nearest class's mean, in units of the training images' own spread.

    Parameters
    ----------
    centre
        Taken off first, (D,).
    whitening
        (D, k): makes the covariance of the training images the identity.
    means
        Of the classes, whitened, (C, k).
    """

    centre: Tensor
    whitening: Tensor
    means: Tensor

    def __init__(self, centre: np.ndarray, whitening: np.ndarray, means: np.ndarray) -> None:
        super().__init__()
        for name, values in (("centre", centre), ("whitening", whitening), ("means", means)):
            self.register_buffer(name, torch.tensor(np.asarray(values, np.float32)), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, D) -> (batch,)."""
        whitened = (features - self.centre) @ self.whitening  # (batch, k)
        apart = whitened.unsqueeze(1) - self.means  # (batch, C, k)
        squared: Tensor = (apart * apart).mean(2)  # (batch, C)
        return squared.amin(1).sqrt()


@dataclass(frozen=True)
class FittedNovelty:
    """What an export needs: the layer, and what the bundle says of it."""

    layer: Novelty
    description: dict[str, Any]


def summary(maps: Sequence[Tensor]) -> Tensor:
    """The mean of each channel of each map: [(batch, C_i, H_i, W_i), ...] -> (batch, sum of C_i)."""
    return torch.cat([one.mean((2, 3)) for one in maps], dim=1)


def fit_layer(features: np.ndarray, labels: np.ndarray) -> Novelty:
    """Fit on the training images' vectors, (N, D), and their classes, (N,).

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> layer = fit_layer(generator.normal(size=(500, 3)), np.zeros(500, int))
    >>> layer(torch.zeros(1, 3)).item() < 0.3 < 5 < layer(torch.full((1, 3), 9.0)).item()
    True
    """
    from sklearn.covariance import LedoitWolf

    features = np.asarray(features, np.float64)
    centre = features.mean(axis=0)
    basis = np.eye(features.shape[1])
    if features.shape[1] > WIDEST:
        basis = np.linalg.svd(features - centre, full_matrices=False)[2][:DIRECTIONS].T
    reduced = (features - centre) @ basis
    known, places = np.unique(labels, return_inverse=True)
    means = np.stack([reduced[places == place].mean(axis=0) for place in range(len(known))])
    covariance = LedoitWolf(assume_centered=True).fit(reduced - means[places]).covariance_
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(np.maximum(values, values.max() * 1e-9))
    return Novelty(centre, basis @ whitening, means @ whitening)


def choose_threshold(values: np.ndarray, turned_away: float = TURNED_AWAY) -> float:
    """The value that ``turned_away`` of ``values`` reach, the inner fold's."""
    return float(np.quantile(values, 1 - turned_away))


def describe_threshold(validation: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Set the threshold on the inner fold's novelty, (N,), and say how the untouched fold's, (M,), does with it."""
    threshold = choose_threshold(validation)
    return {
        "threshold": threshold,
        "method": "Mahalanobis distance of the stages' means to the nearest class; docs/bundle.md",
        "turned_away": float(np.mean(test >= threshold)) if len(test) else None,
        "images": len(test),
    }


def fit_novelty(model: nn.Module, own: OwnImages, spec: ImageSpec) -> FittedNovelty:
    """Fit on a run's training images, set the threshold on its inner fold, and measure it on the untouched one."""
    training = spread_rows(own.training, MOST_IMAGES)
    layer = fit_layer(read_features(model, own, training, spec), own.labels[training])
    validation, test = (
        measure(layer, read_features(model, own, spread_rows(rows, MOST_IMAGES // 2), spec))
        for rows in (own.validation, own.test)
    )
    return FittedNovelty(layer, describe_threshold(validation, test))


@torch.inference_mode()
def measure(layer: Novelty, features: np.ndarray) -> np.ndarray:
    """The novelty of vectors, (N, D) -> (N,)."""
    if not len(features):
        return np.zeros(0)
    return np.asarray(layer(torch.from_numpy(features)).numpy(), np.float64)


@torch.inference_mode()
def read_features(model: nn.Module, own: OwnImages, rows: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """:func:`summary` of some images, (len(rows), D), float32."""
    reader = cast(Any, model)
    parts = []
    for batch in own.batches(rows, 64):
        values = normalise(to_unit(torch.from_numpy(batch), spec.size), spec)
        maps = reader.forward_stages(values) if hasattr(model, "forward_stages") else [reader.features(values)]
        parts.append(summary(maps).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
