"""Export a checkpoint to one ONNX bundle: pixels of any size in, calibrated probabilities out (docs/bundle.md).

The network is exported by torch at its fixed size with a free batch; what follows is plain graph work
(:mod:`hierattn.deploy.export.onnx_graph`): batch normalisations folded, equal weights shared, the resize put in front.
Only standard operators are used, so that ONNX Runtime on a server, a phone or in a browser runs the same file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import hierattn
from hierattn.bundle.bundle import ANSWERS, INPUT, Bundle
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.fast_transformer import with_fast_transformers
from hierattn.deploy.export.int8 import PRECISIONS
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.parity import EXACT, LOSSY, Bounds, ParityReport, check_parity
from hierattn.deploy.export.precisions import check_measurable, lower_precision
from hierattn.deploy.export.quiet import quiet
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.errors import BundleError, UsageError, require
from hierattn.files import atomic_file

if TYPE_CHECKING:
    import onnx

OPSET = 23
"""ONNX operator set: the first with attention as one operator; ONNX Runtime reads it since 1.23."""

IR_VERSION = 11  # what opset 23 came with; newer exporters would stamp a newer one, which older runtimes refuse

_MANY = 1021  # images to trace with: a prime, larger than what else a network counts


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


def export_onnx(
    wrapped: Wrapped,
    out: Path,
    *,
    precision: str = "float32",
    own: OwnImages | None = None,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
    batch: int | None = None,
) -> Export:
    """Export a wrapped checkpoint. The same checkpoint and evaluation give the same bytes.

    The file gets its name only after its numbers were found equal to PyTorch's, or, in a lower precision, after 99 % of
    the outer fold were found to keep their answer: a failure leaves nothing behind.

    Parameters
    ----------
    wrapped
        The checkpoint in its wrapper, from :func:`~hierattn.deploy.export.wrapped.wrap` or ``wrap_run``.
    out
        The file to write, ``*.onnx``; its folder is made where it is missing.
    precision
        One of :data:`~hierattn.deploy.export.int8.PRECISIONS`.
    own
        The run's own images, which a lower precision is fitted and measured on; not needed for float32.
    images, bounds
        Of :func:`~hierattn.deploy.export.parity.check_parity`, for float32; a lower precision has its own.
    batch
        Images that the graph takes at a time, for runtimes that need every length known; None takes any number.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.onnx``, or for an unknown precision, or a lower one without ``own``.
    DataError
        Where there is no image to measure a lower precision on.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    check_suffix(out, ".onnx")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: wanted one of {', '.join(PRECISIONS)}")
    require("onnx", "train")
    require("onnxscript", "train")
    if precision == "float32":
        return publish(build_graph(wrapped.network), out, wrapped, images, bounds, batch)
    measured = check_measurable(own, precision)
    lowered = lower_precision(build_graph(wrapped.network), wrapped, precision, measured)
    return publish(lowered.graph, out, lowered.wrapped, lowered.images, LOSSY, batch)


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
    if network.head is not None:
        onnx_graph.add_default(proto, ANSWERS)
    onnx_graph.name_batch(proto, (network.spec.size, network.spec.size, network.spec.channels))
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "hierattn", hierattn.__version__
    return proto


def _trace(network: CalibratedNetwork, names: list[str]) -> onnx.ModelProto:
    """Export the part after the resize with torch, for any number of images.

    To trace with a symbolic batch takes twice as long as with a number. So a number is taken that nothing else is a
    multiple of, and the graph is freed of it; where that cannot be done, the batch is symbolic.
    """
    from hierattn.deploy.export import onnx_graph

    graph = _export(network, names, _MANY, None)
    if onnx_graph.free_batch(graph, _MANY):
        return graph
    return _export(network, names, 2, {0: torch.export.Dim("N")})  # one image would be taken for a constant


def _export(
    network: CalibratedNetwork, names: list[str], batch: int, dynamic: dict[int, Any] | None
) -> onnx.ModelProto:
    size = network.spec.size
    one = torch.zeros(1, size, size, network.spec.channels, dtype=torch.uint8)
    example: tuple[torch.Tensor, ...] = (one.expand(batch, -1, -1, -1),)  # torch looks at the shape: one image's memory
    if network.head is not None:
        example = (*example, torch.zeros(batch, network.head.codes.questions))
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            network.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=["resized", ANSWERS][: len(example)],
            output_names=names,
            dynamic_shapes=(dynamic,) * len(example) if dynamic else None,
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
    """Describe, check and write a graph under a temporary name; it gets its own once it was compared with PyTorch.

    The arguments are those of :func:`export_onnx`.
    """
    import onnx

    if batch is not None:
        from hierattn.deploy.export.onnx_graph import fix_batch

        fix_batch(proto, batch)
    onnx.helper.set_model_props(proto, wrapped.bundle.to_metadata())
    onnx.checker.check_model(proto, full_check=True)
    network = wrapped.network if bounds is EXACT else None
    with atomic_file(out) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
        parity = check_parity(temporary, wrapped.checkpoint, images, bounds, network)
    operators = Counter(node.op_type for node in proto.graph.node)
    return Export(out, out.stat().st_size, operators, wrapped.bundle, parity)
