"""Export in another precision than float32, with what that costs on the fold that training never saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hierattn import metrics
from hierattn.bundle.bundle import INPUT, NOVELTY, PROBABILITIES, RISK
from hierattn.deploy.export.int8 import PRECISIONS, store_as_float16, store_as_int8
from hierattn.deploy.export.novelty import describe_threshold
from hierattn.deploy.export.onnx import Export, build_graph, check_suffix, publish
from hierattn.deploy.export.own_images import OwnImages, spread_rows
from hierattn.deploy.export.parity import LOSSY
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.deploy.predict.session import open_session
from hierattn.errors import DataError, UsageError, require

if TYPE_CHECKING:
    import onnx

CALIBRATION_IMAGES = 256
"""Training images that give the ranges of the activations."""

INNER_IMAGES = 400
"""Images of the inner fold on which layers are chosen."""

PARITY_IMAGES = 500
"""Images of the untouched fold that are compared with PyTorch one by one; the loss is measured on all of it."""


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


def export_reduced(wrapped: Wrapped, out: Path, precision: str, own: OwnImages, *, batch: int | None = None) -> Export:
    """Export in ``precision``; the file gets its name only if 99 % of the untouched fold keep PyTorch's answer.

    Parameters
    ----------
    wrapped
        The checkpoint in its wrapper.
    out
        The file to write, ``*.onnx``.
    precision
        ``float16``, ``int8`` or ``int8-weights``.
    own
        The images that the run learnt from, and those that it did not.
    batch
        Of :func:`~hierattn.deploy.export.onnx.publish`.

    Raises
    ------
    UsageError
        For another precision or ending.
    DataError
        Where there is no image to measure on.
    ParityError
        Where fewer than 99 % keep their answer.
    """
    check_suffix(out, ".onnx")
    if precision not in PRECISIONS or precision == "float32":
        raise UsageError(f"precision {precision!r}: wanted one of {', '.join(PRECISIONS)}")
    if not len(own.test) or not len(own.validation):
        raise DataError("no image in the untouched or the inner fold: wanted both, to measure what is lost")
    require("onnx", "train")
    exact = build_graph(wrapped.network)
    reduced, found = _reduce(exact, precision, own)
    inner = answers(reduced, own, own.validation)
    before, after = answers(exact, own, own.test), answers(reduced, own, own.test)
    threshold = wrapped.bundle.triage.threshold
    cost = measure_loss(before, after, own.labels[own.test], wrapped, threshold)
    bundle = replace(wrapped.bundle, precision={"name": precision, **found, **cost})
    if inner.novelty is not None and after.novelty is not None:  # rounding moves it: set the threshold for this graph
        bundle = replace(
            bundle, novelty=describe_threshold(inner.novelty, after.novelty, own, wrapped.checkpoint.classes)
        )
    images = list(own.take(spread_rows(own.test, PARITY_IMAGES)))
    return publish(reduced, out, replace(wrapped, bundle=bundle), images, LOSSY, batch)


def _reduce(exact: onnx.ModelProto, precision: str, own: OwnImages) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph in another precision, and what is to be said of how it was made."""
    import onnx

    reduced = onnx.ModelProto()
    reduced.CopyFrom(exact)
    if precision == "float16":
        return reduced, {"weights": store_as_float16(reduced)}
    if precision == "int8-weights":
        return reduced, {"weights": store_as_int8(reduced)}
    from hierattn.deploy.export.int8_static import quantise

    rows = spread_rows(own.validation, INNER_IMAGES)
    wanted = answers(exact, own, rows)

    def judge(candidate: onnx.ModelProto) -> tuple[float, float]:
        found = answers(candidate, own, rows)
        moved = np.abs(found.probabilities - wanted.probabilities).mean()
        return float(np.mean(found.classes == wanted.classes)), float(moved)

    training = own.take(spread_rows(own.training, CALIBRATION_IMAGES))
    result = quantise(exact, training, judge)
    described = {"calibration_images": len(training), "layers": result.layers, "kept_in_float32": list(result.kept)}
    return result.model, described


def answers(model: onnx.ModelProto, own: OwnImages, rows: np.ndarray) -> Answers:
    """Run a graph over some images, 32 at a time."""
    session = open_session(model.SerializeToString(), Path("the graph"), threads=1)
    names = [output.name for output in session.get_outputs()]
    wanted = [name for name in (PROBABILITIES, RISK, NOVELTY) if name in names]
    parts = [session.run(wanted, {INPUT: batch}) for batch in own.batches(rows, 32)]
    joined = [np.concatenate(values) for values in zip(*parts, strict=True)]
    return Answers(joined[0], joined[1], joined[2] if NOVELTY in wanted else None)


def measure_loss(
    before: Answers, after: Answers, labels: np.ndarray, wrapped: Wrapped, threshold: float | None
) -> dict[str, Any]:
    """What changed on the untouched fold: plain values for the bundle."""
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
