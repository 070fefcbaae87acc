"""The nearest training photographs beside the mistakes that a report shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.embedding import Embedder
from hierattn.evaluation.pages.gallery import Near, may_show, thumbnail
from hierattn.evaluation.predict import Network
from hierattn.evaluation.similar.features import features_of_rows
from hierattn.evaluation.similar.search import Searched, trained_rows
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.progress import Progress

BESIDE = 4
"""Training photographs beside a mistake."""
SIDE = 72
"""Pixels a side of each: about 2 KB."""


def training_set(trained: TrainedRun, packed: PackedSet, gallery: bool) -> PackedSet:
    """The set that a run was trained on, to show photographs of, beside those of ``packed``; to be called before work.

    Raises
    ------
    UsageError
        Where photographs of people would be shown, and ``gallery`` does not allow it.
    DataError
        Where it is not there.
    """
    own = packed if packed.manifest_sha256 == trained.manifest_sha256 else trained.open_own_set()
    if not gallery and not (may_show(own) and may_show(packed)):
        raise UsageError("--similar shows photographs of people in the report: wanted --gallery too, or no --similar")
    return own


def neighbours_of(
    trained: TrainedRun, own: PackedSet, network: Network, images: np.ndarray, progress: Progress | None = None
) -> Callable[[int], tuple[Near, ...]]:
    """What gives the nearest training photographs of a row of ``images``.

    Parameters
    ----------
    trained, own
        The run, and the set that it was trained on, beside which its features are kept.
    network
        The run's.
    images
        Of the set that is judged, uint8 (N, size, size, 3).
    progress
        Told of training photographs, for the step ``features``.
    """
    rows = trained_rows(trained.folder, trained.checkpoint, own)
    how: dict[str, Any] = {"device": network.device, "progress": progress}
    searched = Searched(own, rows, features_of_rows(trained.folder, own, rows, **how))
    embedder = Embedder(network.model, network.spec, network.device)

    def near(row: int) -> tuple[Near, ...]:
        found = searched.nearest(embedder(images, [row])[0], BESIDE)
        return tuple(Near(thumbnail(own.images[one], SIDE), own.records[one].label, away) for one, away in found)

    return near
