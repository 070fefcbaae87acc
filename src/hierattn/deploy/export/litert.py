"""Export a checkpoint to a LiteRT model, ``.tflite``: for Android, and wherever LiteRT runs (docs/bundle.md).

As in a ``.pte`` the resize stays outside, a bundle that asks has a second signature, ``with_answers``, and the file
ends in a checksum. Here inputs and outputs have names, those of the ONNX bundle, and the description stands in the
model's metadata, under :data:`METADATA`, as one JSON text.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hierattn.bundle.bundle import ANSWERS, INPUT, Bundle
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.onnx import Export
from hierattn.deploy.export.parity import EXACT, Answer, Bounds
from hierattn.deploy.export.phone_file import FORWARD, MODEL, WITH_ANSWERS, read_sealed, write_phone_file
from hierattn.deploy.export.quiet import quiet
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.deploy.predict.session import first_line
from hierattn.errors import BundleError, UsageError, require

METADATA = "hierattn"
"""What the description is called among the model's metadata."""


def export_litert(
    wrapped: Wrapped, out: Path, *, images: Sequence[np.ndarray] | None = None, bounds: Bounds = EXACT
) -> Export:
    """Export to ``out``; the file gets its name only after LiteRT's own interpreter gave PyTorch's numbers.

    The arguments are those of :func:`~hierattn.deploy.export.phone_file.write_phone_file`.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.tflite``.
    MissingPackageError
        Without LiteRT or its converter.
    BundleError
        Where the converter cannot convert the network.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    return write_phone_file(wrapped, out, MODEL, build_model, load_model, images=images, bounds=bounds)


class _Named(torch.nn.Module):
    """The network with its outputs by name, which become the model's: (1, S, S, 3) uint8 -> name -> values."""

    def __init__(self, network: CalibratedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(zip(self.network.output_names, self.network(*inputs.values()), strict=True))


def build_model(wrapped: Wrapped) -> tuple[bytes, Counter[str]]:
    """Convert the network for one image: (the model's bytes, how often each operator stands in it).

    Raises
    ------
    BundleError
        Where the converter cannot convert the network.
    """
    require("litert_torch", "litert")
    size, network = wrapped.checkpoint.image_spec.size, wrapped.network
    alone = deepcopy(network).eval()
    alone.head = None
    image = {INPUT: torch.zeros(1, size, size, 3, dtype=torch.uint8)}
    with quiet(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import litert_torch

        try:
            signatures = litert_torch.signature(FORWARD, _Named(alone).eval(), sample_kwargs=image)
            if network.head is not None:
                codes = {ANSWERS: torch.zeros(1, network.head.codes.questions)}
                signatures = signatures.signature(
                    WITH_ANSWERS, _Named(network).eval(), sample_kwargs={**image, **codes}
                )
            content = signatures.convert().model_content()
        except Exception as error:  # whatever the converter's passes raise
            reason = first_line(error)
            raise BundleError(f"LiteRT's converter cannot convert this network ({reason}); export to .onnx") from error
    return _described(bytes(content), wrapped.bundle)


def _described(content: bytes, bundle: Bundle) -> tuple[bytes, Counter[str]]:
    """The model with the description in its metadata, and how often each operator stands in it."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    text = json.dumps(bundle.to_metadata(), sort_keys=True, ensure_ascii=False)
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer, buffer.data = METADATA, len(model.buffers), np.frombuffer(text.encode(), np.uint8)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    used = [each.opcodeIndex for graph in model.subgraphs for each in graph.operators]
    operators = Counter(flatbuffer_utils.opcode_to_name(model, index) for index in used)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), operators


def load_model(path: Path) -> tuple[Answer, Bundle]:
    """Load a ``.tflite`` in LiteRT's Python interpreter: (its answers, what it says of itself).

    A damaged file is refused by its checksum. One that somebody changed, checksum and all, is not: load only what comes
    from where you trust; this package predicts with ``.onnx`` bundles.

    Raises
    ------
    BundleError
        Where it is no model of ours, or not as it was written.
    UsageError
        By its answers, where codes are given and it asks nothing.
    """
    content, name = read_sealed(path, MODEL), str(path)
    require("ai_edge_litert", "litert")
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        try:
            bundle = Bundle.from_metadata(json.loads(_metadata_of(content)), name)
            interpreter = Interpreter(model_content=content, num_threads=1)
            runners = {each: interpreter.get_signature_runner(each) for each in interpreter.get_signature_list()}
            forward = runners[FORWARD]
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            reason = first_line(error)
            raise BundleError(f"{name} is no LiteRT model of ours ({reason}); export it again") from None
    if bundle.questions and WITH_ANSWERS not in runners:
        raise BundleError(f"{name} asks questions and has no signature {WITH_ANSWERS}: export it again")

    def answer(image: np.ndarray, answers: np.ndarray | None = None) -> Mapping[str, np.ndarray]:
        resized = np.array(bundle.image_spec.resize(image)[None])
        if answers is None:
            return _copied(forward(**{INPUT: resized}))
        if not bundle.questions:
            raise UsageError(f"{name} asks nothing: leave the answers out")
        return _copied(runners[WITH_ANSWERS](**{INPUT: resized, ANSWERS: np.array(answers, np.float32)}))

    return answer, bundle


def _copied(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in outputs.items()}


def _metadata_of(content: bytes) -> str:
    """The text under :data:`METADATA`.

    Raises
    ------
    LookupError
        Where the model has none.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == METADATA.encode():
            return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
    raise LookupError("no description")
