"""A graph in a lower precision than float32, and what that costs, measured on the held-out outer fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hierattn import metrics
from hierattn.bundle.bundle import INPUT, NOVELTY, PROBABILITIES, RISK
from hierattn.deploy.export.int8 import store_as_float16, store_as_int8, store_mixed
from hierattn.deploy.export.own_images import OwnImages, PackedImages, spread_rows
from hierattn.deploy.export.rejection.novelty import describe_threshold
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.deploy.predict.session import open_session
from hierattn.errors import DataError, UsageError

if TYPE_CHECKING:
    import onnx

CALIBRATION_IMAGES = 256
"""Training images that give the ranges of the activations."""

INNER_IMAGES = 400
"""Images of the inner fold on which layers are chosen."""

PARITY_IMAGES = 500
"""Images of the outer fold that are compared with PyTorch one by one; the loss is measured on all of it."""


_STORED: dict[str, Callable[[onnx.ModelProto], int]] = {
    "float16": store_as_float16,
    "int8-weights": store_as_int8,
    "mixed": store_mixed,
}
"""Precision -> what stores a graph's weights in it; what is computed stays float32."""


@dataclass(frozen=True)
class Answers:
    """A graph's answers for N images: probabilities (N, C), risk (N,), novelty (N,) or None."""

    probabilities: np.ndarray
    risk: np.ndarray
    novelty: np.ndarray | None

    @property
    def classes(self) -> np.ndarray:
        """The most probable class of each, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1))


@dataclass(frozen=True)
class Lowered:
    """A graph in a lower precision, ready to be published.

    Attributes
    ----------
    graph
        Without metadata.
    wrapped
        The checkpoint, its description completed by the precision and what it costs.
    images
        Of the outer fold, uint8 RGB, to be compared with PyTorch one by one.
    """

    graph: onnx.ModelProto
    wrapped: Wrapped
    images: list[np.ndarray]


def check_measurable(own: OwnImages | None, precision: str) -> OwnImages:
    """The images that a lower precision is fitted and measured on.

    Raises
    ------
    UsageError
        Where there are none.
    DataError
        Where the inner or the outer fold is empty.
    """
    if own is None:
        raise UsageError(f"precision {precision}: wanted the run's own images, to measure what it costs")
    if not len(own.test) or not len(own.validation):
        raise DataError("no image in the outer or the inner fold: wanted both, to measure what is lost")
    return own


def lower_precision(exact: onnx.ModelProto, wrapped: Wrapped, precision: str, own: OwnImages) -> Lowered:
    """Put a float32 graph into a lower precision, and measure on the outer fold what that costs.

    Parameters
    ----------
    exact
        The whole graph of ``wrapped.network``, float32; it stays as it is.
    wrapped
        The checkpoint in its wrapper.
    precision
        One of :data:`hierattn.deploy.export.int8.PRECISIONS`, but ``float32``.
    own
        The run's own images, from :func:`check_measurable`.
    """
    graph, description = _lower(exact, precision, own)
    inner = answers(graph, own, own.validation)
    before, after = answers(exact, own, own.test), answers(graph, own, own.test)
    cost = measure_loss(before, after, own.labels[own.test], wrapped, wrapped.bundle.triage.threshold)
    bundle = replace(wrapped.bundle, precision={"name": precision, **description, **cost})
    if inner.novelty is not None and after.novelty is not None:  # rounding moves it: set the threshold for this graph
        others = [found for kind in own.others if (found := answers(graph, kind, kind.held).novelty) is not None]
        novelty = describe_threshold(inner.novelty, after.novelty, own, wrapped.checkpoint.classes, others)
        bundle = replace(bundle, novelty=novelty)
    images = list(own.take(spread_rows(own.test, PARITY_IMAGES)))
    return Lowered(graph, replace(wrapped, bundle=bundle), images)


def _lower(exact: onnx.ModelProto, precision: str, own: OwnImages) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph in another precision, and what is to be said of how it was made."""
    import onnx

    graph = onnx.ModelProto()
    graph.CopyFrom(exact)
    if precision in _STORED:
        return graph, {"weights": _STORED[precision](graph)}
    from hierattn.deploy.export.int8_static import quantise

    rows = spread_rows(own.validation, INNER_IMAGES)
    wanted = answers(exact, own, rows)

    def measure(candidate: onnx.ModelProto) -> tuple[float, float]:
        candidates = answers(candidate, own, rows)
        moved = np.abs(candidates.probabilities - wanted.probabilities).mean()
        return float(np.mean(candidates.classes == wanted.classes)), float(moved)

    training = own.take(spread_rows(own.training, CALIBRATION_IMAGES))
    result = quantise(exact, training, measure)
    described = {"calibration_images": len(training), "layers": result.layers, "kept_in_float32": list(result.kept)}
    return result.model, described


def answers(model: onnx.ModelProto, images: PackedImages, rows: np.ndarray) -> Answers:
    """Run a graph over some images, 32 at a time."""
    session = open_session(model.SerializeToString(), Path("the graph"), threads=1)
    names = [output.name for output in session.get_outputs()]
    wanted = [name for name in (PROBABILITIES, RISK, NOVELTY) if name in names]
    parts = [session.run(wanted, {INPUT: batch}) for batch in images.batches(rows, 32)]
    joined = [np.concatenate(values) for values in zip(*parts, strict=True)]
    return Answers(joined[0], joined[1], joined[2] if NOVELTY in wanted else None)


def measure_loss(
    before: Answers, after: Answers, labels: np.ndarray, wrapped: Wrapped, threshold: float | None
) -> dict[str, Any]:
    """What changed on the outer fold: plain values for the bundle."""
    group = np.array([code in wrapped.bundle.triage.group for code in wrapped.checkpoint.classes])
    positive = group[labels]
    cost: dict[str, Any] = {
        "images": len(labels),
        "agreement": float(np.mean(before.classes == after.classes)),
        "largest_difference": float(np.abs(before.probabilities - after.probabilities).max()),
        "balanced_accuracy": metrics.balanced_accuracy(labels, after.probabilities.astype(np.float64)),
        "balanced_accuracy_float32": metrics.balanced_accuracy(labels, before.probabilities.astype(np.float64)),
    }
    if threshold is not None and positive.any():
        cost["sensitivity"] = float(np.mean(after.risk[positive] >= threshold))
        cost["sensitivity_float32"] = float(np.mean(before.risk[positive] >= threshold))
    return cost
