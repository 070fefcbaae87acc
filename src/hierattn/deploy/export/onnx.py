"""Export a checkpoint to one ONNX bundle: pixels of any size in, calibrated probabilities out (docs/bundle.md).

The network is exported by torch at its fixed size with a free batch; what follows is plain graph work
(:mod:`hierattn.deploy.export.onnx_graph`): batch normalisations folded, equal weights shared, the resize put in front.
Only standard operators are used, so that ONNX Runtime on a server, a phone or in a browser runs the same file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import hierattn
from hierattn.bundle.bundle import INPUT, Bundle
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.fast_transformer import with_fast_transformers
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.parity import EXACT, Bounds, ParityReport, check_parity
from hierattn.deploy.export.quiet import warnings_held_back
from hierattn.deploy.export.wrapped import Wrapped, wrap
from hierattn.errors import BundleError, UsageError, require
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    import onnx

OPSET = 23
"""ONNX operator set: the first with attention as one operator; ONNX Runtime reads it since 1.23."""

IR_VERSION = 11  # what opset 23 came with; newer exporters would stamp a newer one, which older runtimes refuse

CHECKPOINT, EVALUATION = "best.safetensors", "evaluation"
"""In a run folder: the weights, and the folder that 'hierattn evaluate' writes."""


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


def export_run(source: Path, out: Path, *, heatmap: bool = True, own: OwnImages | None = None) -> Export:
    """Export a run folder, or a checkpoint, with the calibration and the figures that lie beside it.

    Parameters
    ----------
    source
        A run folder (its ``best.safetensors`` is taken) or a ``.safetensors`` file.
    out
        The file to write, ``*.onnx``.
    heatmap
        Whether the bundle gets a heat map as an output.
    own
        The images that the run learnt from, for the novelty; None leaves that output out.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.onnx``.
    CheckpointError, BundleError, ParityError
        As :func:`export_onnx`.
    """
    return export_wrapped(wrap_run(source, heatmap=heatmap, own=own), out)


def wrap_run(source: Path, *, heatmap: bool = True, own: OwnImages | None = None) -> Wrapped:
    """What an exporter needs of a run folder or a checkpoint."""
    path = source / CHECKPOINT if source.is_dir() else source
    return wrap(load_checkpoint(path), path.parent / EVALUATION, heatmap=heatmap, own=own)


def export_onnx(
    checkpoint: Checkpoint,
    out: Path,
    *,
    evaluation: Path | None = None,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
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
    evaluation, heatmap
        Of :func:`~hierattn.deploy.export.wrapped.wrap`.
    images, bounds
        Of :func:`~hierattn.deploy.export.parity.check_parity`.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.onnx``.
    CheckpointError
        Where weights are not finite.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    return export_wrapped(wrap(checkpoint, evaluation, heatmap=heatmap), out, images=images, bounds=bounds)


def export_wrapped(
    wrapped: Wrapped,
    out: Path,
    *,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
    batch: int | None = None,
) -> Export:
    """As :func:`export_onnx`, for a checkpoint already in its wrapper; ``batch`` as for :func:`publish`."""
    check_suffix(out, ".onnx")
    require("onnx", "train")
    require("onnxscript", "train")
    return publish(build_graph(wrapped.network), out, wrapped, images, bounds, batch)


def check_suffix(out: Path, wanted: str) -> None:
    """Refuse a name of another format.

    Raises
    ------
    UsageError
        Where it ends otherwise.
    """
    if out.suffix != wanted:
        raise UsageError(f"{out}: wanted a name that ends in {wanted}")


def build_graph(network: CalibratedNetwork) -> onnx.ModelProto:
    """The whole graph without metadata: uint8 (N, H, W, 3) -> probabilities, risk and perhaps a heat map."""
    from hierattn.deploy.export import onnx_graph

    names = network.output_names
    proto = _trace(with_fast_transformers(network), names)
    onnx_graph.fold_batch_norms(proto)
    onnx_graph.fold_divisions(proto)
    onnx_graph.merge_slices(proto)
    onnx_graph.share_weights(proto)
    onnx_graph.remove_unused(proto)
    onnx_graph.add_resize(proto, INPUT, network.spec.size)
    onnx_graph.name_outputs(proto, names)
    onnx_graph.strip(proto)
    onnx_graph.name_batch(proto, (network.spec.size, network.spec.size, network.spec.channels))
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "hierattn", hierattn.__version__
    return proto


def _trace(network: CalibratedNetwork, names: list[str]) -> onnx.ModelProto:
    """Export the part after the resize with torch, at two images: a batch of one would be taken for a constant."""
    size = network.spec.size
    example = torch.zeros(2, size, size, network.spec.channels, dtype=torch.uint8)
    with warnings_held_back(), torch.no_grad():
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


def publish(
    proto: onnx.ModelProto,
    out: Path,
    wrapped: Wrapped,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
    batch: int | None = None,
) -> Export:
    """Describe, check and write a graph under a temporary name, compare it with PyTorch, and only then name it.

    ``batch`` images are taken at a time and no other number, for runtimes that want every length known; None takes any.
    """
    import onnx

    if batch is not None:
        from hierattn.deploy.export.onnx_graph import fix_batch

        fix_batch(proto, batch)
    onnx.helper.set_model_props(proto, wrapped.bundle.to_metadata())
    onnx.checker.check_model(proto, full_check=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".part")
    network = wrapped.network if bounds is EXACT else None
    try:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
        parity = check_parity(temporary, wrapped.checkpoint, images, bounds, network)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    operators = Counter(node.op_type for node in proto.graph.node)
    return Export(out, out.stat().st_size, operators, wrapped.bundle, parity)
