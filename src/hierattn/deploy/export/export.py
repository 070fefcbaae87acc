"""Every format by the ending of its name: ``.onnx`` in five precisions, ``.pte``, ``.tflite``; and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hierattn.bundle.bundle import Bundle, is_bundle
from hierattn.deploy.export.description import MOST_SEEN
from hierattn.deploy.export.int8 import PRECISIONS
from hierattn.deploy.export.onnx import Export, export_onnx
from hierattn.deploy.export.own_images import find_own_images, open_own_images
from hierattn.deploy.export.wrapped import Wrapped, wrap_run
from hierattn.deploy.predict.session import MAX_BATCH
from hierattn.errors import UsageError
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import check_file_replaceable
from hierattn.taxonomy.records import NO_REFERRAL

FORMATS: dict[str, str] = {
    ".onnx": "ONNX: servers, browsers, phones; the default",
    ".pte": "ExecuTorch with XNNPACK: Android and iOS",
    ".tflite": "LiteRT: Android",
}
"""What can be written, by ending."""

UNSUPPORTED: dict[str, str] = {
    ".mlpackage": (
        "coremltools converts the network, but only Core ML on a Mac can run what it wrote, and this package publishes "
        "no file that it has not compared with PyTorch; on iOS use .pte, or .onnx with ONNX Runtime"
    ),
    ".mlmodel": "the format is Core ML's older one; on iOS use .pte, or .onnx with ONNX Runtime",
}
"""Formats that are not written, and why."""


@dataclass(frozen=True)
class Exported:
    """What was written, and what its user should know.

    Attributes
    ----------
    export
        The file.
    notes
        One line for each thing that the bundle lacks, and how to get it.
    """

    export: Export
    notes: tuple[str, ...]


def export(
    source: Path,
    out: Path,
    *,
    precision: str = "float32",
    heatmap: bool = True,
    data: Path | None = None,
    reject: Sequence[Path] = (),
    batch: int | None = None,
) -> Exported:
    """Export a run folder or a checkpoint to the format that the ending of ``out`` names.

    Parameters
    ----------
    source
        A run folder, or a ``.safetensors`` file.
    out
        The file to write.
    precision
        One of :data:`~hierattn.deploy.export.int8.PRECISIONS`; another than float32 for ``.onnx`` alone.
    heatmap
        Whether there is a heat map among the outputs.
    data
        Where the prepared set is now, if it has moved. In float32 a missing set leaves the novelty out; the other
        precisions need it.
    reject
        Prepared sets of photographs of another kind, which the bundle is to reject: without a dermatoscope for a model
        of dermoscopy, say. It is fitted to their training part and measured on their inner fold.
    batch
        Images that the graph takes at a time, from 1 to 1024, ``.onnx`` alone; None takes any number.

    Raises
    ------
    UsageError
        For an ending, a precision or a batch that cannot be had; where there is no run, or ``out`` is a file that is no
        bundle.
    """
    _check(out, precision, batch)
    if not source.exists():
        raise UsageError(f"no run folder at {source}: wanted one from 'hierattn train', or a .safetensors file")
    for_phone = out.suffix != ".onnx"
    if for_phone:
        from hierattn.deploy.export.phone_file import is_sealed
    check_file_replaceable(out, "a bundle", is_sealed if for_phone else is_bundle, inputs=[source])
    if precision == "float32":
        own, missing = find_own_images(source, data, reject)
    else:
        own, missing = open_own_images(source, data, reject), ""
    looks: list[str] = []
    if own is not None:  # what is rejected, and what a precision costs, is measured on the outer fold
        trained = TrainedRun.open(source)
        looked = trained.record_look(trained.open_own_set(data), len(own.test), {}, **trained.judged)
        looks = looked.warnings()
    wrapped = wrap_run(source, heatmap=heatmap, own=own)
    if for_phone:  # an evaluation reads .onnx alone, and a phone has no use for a list of photographs
        written = _exporter(out.suffix)(replace(wrapped, bundle=replace(wrapped.bundle, trained_on="")), out)
    else:
        written = export_onnx(wrapped, out, precision=precision, own=own, batch=batch)
    record = wrapped.checkpoint.trained_on
    if not for_phone and record is not None and not wrapped.bundle.trained_on:
        looks.append(
            f"The file does not list the photographs that its weights have seen (more than "
            f"{MOST_SEEN:,} marks): 'hierattn evaluate' of the file cannot leave them out of a set."
        )
    return Exported(written, (*_notes(wrapped.bundle, missing), *looks))


def _exporter(suffix: str) -> Callable[[Wrapped, Path], Export]:
    """What writes a phone's format."""
    if suffix == ".tflite":
        from hierattn.deploy.export.litert import export_litert

        return export_litert
    from hierattn.deploy.export.executorch import export_executorch

    return export_executorch


def _check(out: Path, precision: str, batch: int | None) -> None:
    if out.suffix in UNSUPPORTED:
        raise UsageError(f"{out}: {out.suffix} is not written: {UNSUPPORTED[out.suffix]}")
    if out.suffix not in FORMATS:
        raise UsageError(f"{out}: wanted a name that ends in {' or '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: wanted one of {', '.join(PRECISIONS)}")
    if batch is not None and (out.suffix != ".onnx" or not 1 <= batch <= MAX_BATCH):
        raise UsageError(
            f"{out}: a batch of {batch}: wanted 1 to {MAX_BATCH} in a .onnx (a .pte or .tflite takes one image); leave "
            "--batch out for any number"
        )
    if precision != "float32" and out.suffix != ".onnx":
        raise UsageError(f"{out}: precision {precision} is written to .onnx only; leave --precision out")


def _notes(bundle: Bundle, missing: str = "") -> tuple[str, ...]:
    notes = []
    if not bundle.has_referral:
        notes.append(NO_REFERRAL)
    elif bundle.triage.threshold is None:
        notes.append(
            "Not calibrated: no evaluation beside the checkpoint. Run 'hierattn evaluate' and export again; until then "
            "predictions will not advise to wait and watch."
        )
    if missing:
        notes.append(f"Photographs of other things are not rejected: {missing}.")
    return tuple(notes)
