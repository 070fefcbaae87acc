"""Is the photograph unlike everything that the network was trained on, or no lesion at all? Fitted at export (§5).

The novelty is the largest of two scores or more, and rejects from one threshold on.

**The distance** is Mahalanobis'. Each stage's map is averaged over its places; the averages of all stages are one
vector f, 192 values in HierAttn_xs. Of the training images every class has a mean m_c, and all share one covariance S
(shrunk, Ledoit and Wolf 2004)::

    distance = min over classes c of sqrt((f - m_c)' S^-1 (f - m_c) / length of f)

About 1 is usual. In S every class counts alike: naevi are most of the images and look alike, and by their spread
alone melanomas would pass for strange.

**The resemblance** is a logistic regression on the features that the classifier reads. It tells training images from
pictures of skin without one lesion that are made of them (:mod:`~hierattn.deploy.export.rejection.no_lesion`), because
the distance sees defects and what is no skin, but hardly healthy skin or a rash. It is put on the distance's scale so
that both reject equally many of the inner fold.

Photographs of **another kind** (:class:`~hierattn.deploy.export.own_images.OtherKind`), where there are any, are
separated in the same way, each set by a score of its own: one plane for them and the drawings together finds fewer.

From the threshold on the advice is to take another photograph. The inner fold sets it, cautiously, because its few
images are only a sample: see :func:`choose_threshold`.

Alternatives were measured (docs/lab-notes.md): the energy of the logits separated lesions from drawings and everyday
photographs worse than chance, and the distance in the features before the classifier was no better at four times the
size.

References
----------
Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018.
Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.deploy.export.own_images import OwnImages
from hierattn.evaluation.measures.thresholds import safe_share

REJECTED = 0.05
"""Largest share of new lesions to reject."""

CONFIDENCE = 0.9
"""That the threshold keeps to :data:`REJECTED`, over the draw of the inner fold."""

MIN_IMAGES = 40
"""In the training part and in the inner fold; with fewer there is no novelty."""

MOST_IMAGES = 1600
"""Of the training images that are looked at, spread evenly over them."""

WIDEST = 256
"""Longest vector whose covariance is stored; a longer one is put on its first directions first."""

DIRECTIONS = 64

NARROWEST = 1e-3
"""Least spread of a direction, as a share of the features' size. A hardly trained network's features vary by little
more than float32 rounds, otherwise on each processor: in units of such a spread, rounding would pass for strangeness.
The released models' narrowest direction has ten times as much."""


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


class Rejection(nn.Module):
    """(batch, D), (batch, F) -> (batch,): the largest of the distance and K resemblances to what is to be rejected.

    Parameters
    ----------
    distance
        Of the stages' means, D values.
    weights, centre, biases
        (F, K), (F,) and (K,): ``(features - centre) @ weights + biases`` of the features before the classifier are the
        resemblances, on the distance's scale. Where there are none, the distance alone counts. The centre is taken
        off first because large products that cancel would lose digits.
    """

    weights: Tensor
    centre: Tensor
    biases: Tensor

    def __init__(
        self,
        distance: Novelty,
        weights: np.ndarray | None = None,
        centre: np.ndarray | None = None,
        biases: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.distance, self.resembles = distance, weights is not None
        for name, values in (("weights", weights), ("centre", centre), ("biases", biases)):
            # Not torch.tensor of an empty array, whose stride is 0: ExecuTorch refuses that.
            kept = torch.zeros(0) if values is None else torch.tensor(np.asarray(values, np.float32))
            self.register_buffer(name, kept, persistent=False)

    def forward(self, stages: Tensor, pooled: Tensor) -> Tensor:
        """(batch, D), (batch, F) -> (batch,)."""
        distance: Tensor = self.distance(stages)
        if not self.resembles:
            return distance
        return torch.maximum(distance, ((pooled - self.centre) @ self.weights + self.biases).amax(1))


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
    present, places = np.unique(labels, return_inverse=True)
    means = np.stack([reduced[places == place].mean(axis=0) for place in range(len(present))])
    weights = 1 / np.bincount(places)[places]  # every class counts alike
    apart = (reduced - means[places]) * np.sqrt(weights / weights.mean())[:, None]
    covariance = LedoitWolf(assume_centered=True).fit(apart).covariance_
    values, vectors = np.linalg.eigh(covariance)
    narrowest = max(values.max() * 1e-9, NARROWEST**2 * np.square(centre).mean())
    whitening = vectors / np.sqrt(np.maximum(values, narrowest))
    return Novelty(centre, basis @ whitening, means @ whitening)


def choose_threshold(
    values: np.ndarray, groups: np.ndarray, target: float = REJECTED, confidence: float = CONFIDENCE
) -> float:
    """The least value that at most ``target`` of new lesions exceed, with that ``confidence``.

    The plain quantile of a few hundred images holds for new lesions only half the time. So the share that may
    reach the threshold here is a tolerance bound, as for the triage's threshold
    (:mod:`hierattn.evaluation.measures.thresholds`). Photographs of one lesion tell little more than one: every group
    weighs the same, and the groups are what is counted.

    Parameters
    ----------
    values
        The inner fold's novelty, (N,), one or more.
    groups
        A number for each image's lesion or patient, (N,).
    target
        Largest share of new lesions to reject; above 0, below 1.
    confidence
        That new lesions keep to it, over the draw of the inner fold; above 0, below 1.

    Returns
    -------
    float
        Just above the largest value where none may be rejected here; with fewer than 45 groups (for 5 % and 0.9) even
        that guarantees nothing.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    allowed = safe_share(len(sizes), target, confidence)
    order = np.argsort(-values, kind="stable")  # from the strangest down
    above = np.cumsum(1 / (sizes[numbers[order]] * len(sizes)))
    kept = np.flatnonzero(above > allowed + 1e-12)  # the first of these must not be rejected
    return float(np.nextafter(np.float32(values[order[kept[0]]]), np.float32(np.inf)))


def describe_threshold(
    validation: np.ndarray,
    test: np.ndarray,
    own: OwnImages,
    classes: Sequence[str],
    others: Sequence[np.ndarray] = (),
) -> dict[str, Any]:
    """Set the threshold on the inner fold's novelty and measure it on the outer fold.

    Parameters
    ----------
    validation, test
        The novelty of all images of ``own.validation`` and ``own.test``, in their order.
    own
        Whose groups and classes count.
    classes
        Codes, in the order of the labels.
    others
        The novelty of what each of ``own.others`` holds back.
    """
    threshold = choose_threshold(validation, own.groups[own.validation])
    rejected, labels = test >= threshold, own.labels[own.test]
    kinds = [
        {"name": kind.name, "images": len(values), "rejected": float(np.mean(values >= threshold))}
        for kind, values in zip(own.others, others, strict=True)
    ]
    more = ", and to photographs of another kind" if kinds else ""
    return {
        "threshold": threshold,
        "method": f"distance to the nearest class, and resemblance to skin without a lesion{more}; docs/bundle.md",
        "target": REJECTED,
        "confidence": CONFIDENCE,
        "rejected": float(np.mean(rejected)) if len(test) else None,
        "rejected_of_class": {
            code: float(np.mean(rejected[labels == place]))
            for place, code in enumerate(classes)
            if (labels == place).any()
        },
        "images": len(test),
        **({"other_kinds": kinds} if kinds else {}),
    }


@torch.inference_mode()
def measure(layer: nn.Module, *features: np.ndarray) -> np.ndarray:
    """What a layer says of vectors, (N, D) each -> (N,)."""
    if not len(features[0]):
        return np.zeros(0)
    return np.asarray(layer(*map(torch.from_numpy, features)).numpy(), np.float64)
