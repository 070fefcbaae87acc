"""Export a checkpoint to one ONNX bundle: pixels of any size in, calibrated probabilities out (docs/bundle.md).

The network is exported by torch at its fixed size with a free batch; what follows is plain graph work
(:mod:`hierattn.deploy.onnx_graph`): batch normalisations folded, equal weights shared, the resize put in front. Only
standard operators are used, so that ONNX Runtime on a server, a phone or in a browser runs the same file.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import hierattn
from hierattn.deploy.bundle import HEATMAP, INPUT, PROBABILITIES, RISK, Bundle
from hierattn.deploy.exportable import CalibratedNetwork
from hierattn.deploy.parity import TOLERANCE, ParityReport, check_parity
from hierattn.deploy.triage import TriageSettings
from hierattn.errors import BundleError, CheckpointError, UsageError, require
from hierattn.evaluation.calibration import Calibration, read_calibration, to_json, undefined_as_none
from hierattn.lesions import TRIAGE_GROUP
from hierattn.models.checkpoint import Checkpoint, all_finite, count_parameters, load_checkpoint

if TYPE_CHECKING:
    import onnx

OPSET = 20
"""ONNX operator set: the first with Gelu, and with an antialiased Resize; ONNX Runtime reads it since 1.17."""

IR_VERSION = 9  # what opset 20 came with; newer exporters would stamp a newer one, which older runtimes refuse

CHECKPOINT, EVALUATION, CALIBRATION, REPORT = "best.safetensors", "evaluation", "calibration.json", "report.json"
FIGURES = ("images", "top1", "balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "melanoma_sensitivity")
"""What is copied from ``report.json``."""

HEATMAPS = {
    "branch": "exact parts of the logits by place, from branch attention's pixels on a grid of 15 x 15; docs/bundle.md",
    "last stage": "exact parts of the logits by place, from the last stage's map; docs/bundle.md",
    "features": "class activation map: exact parts of the logits by place, from the last map; docs/bundle.md",
}


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes
    ----------
    path, size
        The file, and its bytes.
    operators
        How often each operator occurs.
    bundle
        What the file says of itself.
    parity
        How far its numbers are from PyTorch's.
    """

    path: Path
    size: int
    operators: Counter[str]
    bundle: Bundle
    parity: ParityReport


def export_run(source: Path, out: Path, *, heatmap: bool = True) -> Export:
    """Export a run folder, or a checkpoint, with the calibration and the figures that lie beside it.

    Parameters
    ----------
    source
        A run folder (its ``best.safetensors`` is taken) or a ``.safetensors`` file.
    out
        The file to write, ``*.onnx``.
    heatmap
        Whether the bundle gets a heat map as a third output.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.onnx``.
    CheckpointError, BundleError, ParityError
        As :func:`export_onnx`.
    """
    checkpoint = source / CHECKPOINT if source.is_dir() else source
    return export_onnx(load_checkpoint(checkpoint), out, evaluation=checkpoint.parent / EVALUATION, heatmap=heatmap)


def export_onnx(
    checkpoint: Checkpoint,
    out: Path,
    *,
    evaluation: Path | None = None,
    images: Sequence[np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
    heatmap: bool = True,
) -> Export:
    """Export ``checkpoint`` to ``out``. The same checkpoint and evaluation give the same bytes.

    The file gets its name only after its numbers were found equal to PyTorch's: a failure leaves nothing behind.

    Parameters
    ----------
    checkpoint
        What was trained.
    out
        The file to write, ``*.onnx``; its folder is made where it is missing.
    evaluation
        A folder with ``calibration.json`` and ``report.json``. Where the first is missing, the temperature is 1 and
        there is no threshold; where the second is, there are no figures.
    images, tolerance
        Of :func:`~hierattn.deploy.parity.check_parity`.
    heatmap
        Whether the bundle gets a heat map, where the network's head allows it.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.onnx``.
    CheckpointError
        Where weights are not finite.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    if out.suffix != ".onnx":
        raise UsageError(f"{out}: wanted a name that ends in .onnx")
    if not all_finite(checkpoint.state_dict):
        raise CheckpointError(f"the weights of {checkpoint.model} are not all finite: train again, this run diverged")
    onnx = require("onnx", "train")
    require("onnxscript", "train")
    model = checkpoint.build()
    calibration = _calibration(evaluation)
    network = CalibratedNetwork(
        model,
        checkpoint.image_spec,
        [float(code in TRIAGE_GROUP) for code in checkpoint.classes],
        1.0 if calibration is None else calibration.temperature,
        heatmap=heatmap,
    )
    bundle = describe(checkpoint, count_parameters(model), calibration, _report(evaluation), network.evidence_from)
    proto = build_graph(network)
    for key, value in sorted(bundle.to_metadata().items()):
        onnx.helper.set_model_props(proto, {**_props(proto), key: value})
    onnx.checker.check_model(proto, full_check=True)
    return _publish(proto, out, bundle, checkpoint, images, tolerance)


def _props(proto: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in proto.metadata_props}


def build_graph(network: CalibratedNetwork) -> onnx.ModelProto:
    """The whole graph without metadata: uint8 (N, H, W, 3) -> probabilities, risk and perhaps a heat map."""
    from hierattn.deploy import onnx_graph

    names = [PROBABILITIES, RISK, *([HEATMAP] if network.evidence_from else [])]
    proto = _trace(network, names)
    onnx_graph.fold_batch_norms(proto)
    onnx_graph.merge_slices(proto)
    onnx_graph.share_weights(proto)
    onnx_graph.remove_unused(proto)
    onnx_graph.add_resize(proto, INPUT, network.spec.size)
    onnx_graph.name_outputs(proto, names)
    onnx_graph.strip(proto)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "hierattn", hierattn.__version__
    return proto


def _trace(network: CalibratedNetwork, names: list[str]) -> onnx.ModelProto:
    """Export the part after the resize with torch, at two images: a batch of one would be taken for a constant."""
    size = network.spec.size
    example = torch.zeros(2, size, size, network.spec.channels, dtype=torch.uint8)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["resized"],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            verbose=False,
        )
    if program is None:
        raise BundleError("torch's exporter gave nothing; update torch and onnxscript")
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the exporter's warnings and log lines about its own insides; what fails, raises."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def describe(
    checkpoint: Checkpoint,
    parameters: int,
    calibration: Calibration | None,
    report: Mapping[str, Any],
    evidence_from: str = "",
) -> Bundle:
    """What the bundle says of itself, gathered from the checkpoint and what lies beside it."""
    provenance = undefined_as_none(dict(checkpoint.provenance))
    data = {key: provenance.pop(key, "") for key in ("source", "licence", "citation")}
    data["images"] = provenance.pop("training_images", None)
    return Bundle(
        model=checkpoint.model,
        parameters=parameters,
        classes=checkpoint.classes,
        image_spec=checkpoint.image_spec,
        temperature=1.0 if calibration is None else calibration.temperature,
        triage=_triage(checkpoint.classes, calibration),
        calibration={} if calibration is None else to_json(calibration),
        training_data=data,
        metrics=undefined_as_none({key: report[key] for key in FIGURES if key in report}),
        provenance={**provenance, "exported_by": hierattn.__version__, "options": dict(checkpoint.options)},
        recipe=undefined_as_none(dict(checkpoint.recipe)),
        heatmap=HEATMAPS.get(evidence_from, ""),
    )


def _triage(classes: Sequence[str], calibration: Calibration | None) -> TriageSettings:
    group = tuple(code for code in classes if code in TRIAGE_GROUP)
    values = None if calibration is None else to_json(calibration)
    if values is None or values["risk_threshold"] is None:
        return TriageSettings(group=group)
    test = values["test"] or {}
    interval = test.get("interval") or [None, None]
    measured = test.get("sensitivity") is not None and None not in interval
    return TriageSettings(
        group=group,
        threshold=values["risk_threshold"],
        wished_sensitivity=values["wished_sensitivity"],
        sensitivity=test["sensitivity"] if measured else None,
        interval=(interval[0], interval[1]) if measured else None,
        images=int(test["images"]) if measured else 0,
    )


def _calibration(evaluation: Path | None) -> Calibration | None:
    if evaluation is None or not (evaluation / CALIBRATION).is_file():
        return None
    return read_calibration(evaluation / CALIBRATION)


def _report(evaluation: Path | None) -> dict[str, Any]:
    """``report.json`` as it lies there; empty where there is none."""
    path = None if evaluation is None else evaluation / REPORT
    if path is None or not path.is_file():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} is no report ({error}); evaluate the run again") from None
    return report if isinstance(report, dict) else {}


def _publish(
    proto: onnx.ModelProto,
    out: Path,
    bundle: Bundle,
    checkpoint: Checkpoint,
    images: Sequence[np.ndarray] | None,
    tolerance: float,
) -> Export:
    """Write under a temporary name, compare with PyTorch, and only then give the file its name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
        parity = check_parity(temporary, checkpoint, images, tolerance)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    operators = Counter(node.op_type for node in proto.graph.node)
    return Export(out, out.stat().st_size, operators, bundle, parity)
