"""Export a checkpoint to an ExecuTorch program, ``.pte``, with XNNPACK: for Android and iOS (docs/bundle.md).

The resize stays outside: ExecuTorch's kernels have no antialiased resize of bytes, and a phone's own is quick. So the
program takes one image of the network's own size, and its caller resizes as docs/bundle.md says; golden images tell
whether they did (tests/golden). Everything else is inside, the metadata too: the method ``hierattn_metadata`` gives the
bundle's keys and values as one JSON text.

A bundle that asks has a second method, ``with_answers``, which takes the codes of the answers beside the image. Both
read the same weights, which the file has once. It ends in the checksum of :mod:`~hierattn.deploy.export.phone_file`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hierattn.bundle.bundle import (
    HEATMAP,
    NOVELTY,
    PHOTO_PROBABILITIES,
    PHOTO_RISK,
    PROBABILITIES,
    RISK,
    Bundle,
)
from hierattn.deploy.export.onnx import Export
from hierattn.deploy.export.parity import EXACT, Answer, Bounds
from hierattn.deploy.export.phone_file import FORWARD, PROGRAM, WITH_ANSWERS, read_sealed, write_phone_file
from hierattn.deploy.export.quiet import quiet
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.deploy.predict.session import first_line
from hierattn.errors import BundleError, UsageError, require

METADATA = "hierattn_metadata"
"""The method that gives the description."""


def export_executorch(
    wrapped: Wrapped, out: Path, *, images: Sequence[np.ndarray] | None = None, bounds: Bounds = EXACT
) -> Export:
    """Export to ``out``; the file gets its name only after ExecuTorch's own runtime gave PyTorch's numbers.

    The arguments are those of :func:`~hierattn.deploy.export.phone_file.write_phone_file`.

    Raises
    ------
    UsageError
        Where ``out`` does not end in ``.pte``.
    MissingPackageError
        Without ExecuTorch.
    BundleError
        Where ExecuTorch cannot lower the network.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    return write_phone_file(wrapped, out, PROGRAM, build_program, load_program, images=images, bounds=bounds)


def build_program(wrapped: Wrapped) -> tuple[bytes, Counter[str]]:
    """Lower the network for one image: (the program's bytes, how often each kernel or delegate is called)."""
    metadata = json.dumps(wrapped.bundle.to_metadata(), sort_keys=True, ensure_ascii=False)
    size, network = wrapped.checkpoint.image_spec.size, wrapped.network
    images = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    if network.head is None:
        return lower({FORWARD: (network, (images,))}, {METADATA: metadata})
    alone = deepcopy(network)
    alone.head = None
    codes = torch.zeros(1, network.head.codes.questions)
    return lower({FORWARD: (alone, (images,)), WITH_ANSWERS: (network, (images, codes))}, {METADATA: metadata})


def lower(
    methods: Mapping[str, tuple[torch.nn.Module, tuple[torch.Tensor, ...]]], constants: Mapping[str, Any] | None = None
) -> tuple[bytes, Counter[str]]:
    """Networks of fixed shapes as an ExecuTorch program with XNNPACK, and the calls that it makes.

    Parameters
    ----------
    methods
        Name -> the network, and an example of its inputs.
    constants
        Name of a method -> what it gives.

    Raises
    ------
    BundleError
        Where an operation of the network has no place in ExecuTorch.
    """
    require("executorch", "mobile")
    with quiet(), torch.no_grad():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            exported = {
                name: torch.export.export(network.eval(), example, strict=False)
                for name, (network, example) in methods.items()
            }
            edge = to_edge_transform_and_lower(
                exported, partitioner=[XnnpackPartitioner()], constant_methods=dict(constants or {}) or None
            )
            program = edge.to_executorch()
        except Exception as error:  # whatever the compiler's hundred passes raise
            reason = first_line(error)
            raise BundleError(f"ExecuTorch cannot lower this network ({reason}); export to .onnx") from error
        graphs = [program.exported_program(name).graph for name in methods]
    calls = (node.target for graph in graphs for node in graph.nodes if node.op == "call_function")
    names = Counter(str(getattr(target, "__name__", target)) for target in calls)
    return bytes(program.buffer), Counter({name: n for name, n in names.items() if name not in ("alloc", "getitem")})


def load_program(path: Path) -> tuple[Answer, Bundle]:
    """Load a ``.pte`` in ExecuTorch's Python runtime: (its answers, what it says of itself).

    A file that was damaged is refused before ExecuTorch sees it, by its checksum. One that somebody changed, checksum
    and all, is not: load only what comes from where you trust; this package predicts with ``.onnx`` bundles.

    Raises
    ------
    BundleError
        Where it is no program of ours, or not as it was written.
    UsageError
        By its answers, where codes are given and it asks nothing.
    """
    content, name = read_sealed(path, PROGRAM), str(path)
    require("executorch", "mobile")
    with quiet():
        from executorch.runtime import Runtime, Verification

        try:
            program = Runtime.get().load_program(content, verification=Verification.InternalConsistency)
            described, method = program.load_method(METADATA), program.load_method(FORWARD)
            if described is None or method is None:
                raise LookupError(f"no {METADATA} or {FORWARD}")
            metadata = json.loads(described.execute([])[0])
        except (RuntimeError, ValueError, AttributeError, TypeError, LookupError) as error:
            reason = first_line(error)
            raise BundleError(f"{name} is no ExecuTorch program of ours ({reason}); export it again") from None
    bundle = Bundle.from_metadata(metadata, name)
    names = output_names(bundle)
    if bundle.questions and WITH_ANSWERS not in program.method_names:
        raise BundleError(f"{name} asks questions and has no method {WITH_ANSWERS}: export it again")
    asking = program.load_method(WITH_ANSWERS) if bundle.questions else None

    # A method reads its program's memory and does not keep it alive: without this reference the process crashes.
    def answer(image: np.ndarray, answers: np.ndarray | None = None, _alive: Any = program) -> dict[str, np.ndarray]:
        resized = torch.from_numpy(np.array(bundle.image_spec.resize(image)[None]))
        if answers is None:
            return _named(names, method.execute([resized]))
        if asking is None:
            raise UsageError(f"{name} asks nothing: leave the answers out")
        codes = torch.from_numpy(np.array(answers, np.float32))
        return _named([*names, PHOTO_PROBABILITIES, PHOTO_RISK], asking.execute([resized, codes]))

    return answer, bundle


def _named(names: Sequence[str], outputs: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
    return {key: value.clone().numpy() for key, value in zip(names, outputs, strict=True)}


def output_names(bundle: Bundle) -> list[str]:
    """What ``forward`` gives, in order: a program's outputs have no names.

    ``with_answers`` gives these and then ``photo_probabilities`` and ``photo_risk``.
    """
    return [PROBABILITIES, RISK, *([HEATMAP] if bundle.heatmap else []), *([NOVELTY] if bundle.novelty else [])]
