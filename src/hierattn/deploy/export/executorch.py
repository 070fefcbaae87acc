"""Export a checkpoint to an ExecuTorch program, ``.pte``, with XNNPACK: for Android and iOS (docs/bundle.md).

The resize stays outside: ExecuTorch's kernels have no antialiased resize of bytes, and a phone's own is quick. So the
program takes one image of the network's own size, and its caller resizes as docs/bundle.md says; golden images tell
whether they did (tests/golden). Everything else is inside, the metadata too: the method ``hierattn_metadata`` gives the
bundle's keys and values as one JSON text.

ExecuTorch has no optional input. A bundle that asks has a second method, ``with_answers``, which takes the codes of the
answers beside the image; ``forward`` is then what the photograph alone says. Both read the same weights, which the file
has once.

ExecuTorch believes what a program's tables say: a damaged one crashes the process. So a file ends in a checksum of all
that stands before it, which the runtimes do not see and :func:`load_program` asks for first.
"""

from __future__ import annotations

import hashlib
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
    MAX_BYTES,
    NOVELTY,
    PHOTO_PROBABILITIES,
    PHOTO_RISK,
    PROBABILITIES,
    RISK,
    Bundle,
)
from hierattn.deploy.export.onnx import Export, check_suffix
from hierattn.deploy.export.parity import EXACT, Answer, Bounds, compare, or_remove
from hierattn.deploy.export.quiet import quiet
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.errors import BundleError, UsageError, require
from hierattn.files import atomic_file

FORWARD, METADATA = "forward", "hierattn_metadata"
"""The program's two methods: the network, and its description."""
WITH_ANSWERS = "with_answers"
"""The third, of a bundle that asks."""

PROGRAM = b"ET12"
"""At the fifth byte of a program: ExecuTorch's mark."""

SEAL = b"hierattn.sha256="
"""What stands at the end of a file, before the 32 bytes of the checksum."""


def export_executorch(
    wrapped: Wrapped, out: Path, *, images: Sequence[np.ndarray] | None = None, bounds: Bounds = EXACT
) -> Export:
    """Export to ``out``; the file gets its name only after ExecuTorch's own runtime gave PyTorch's numbers.

    Parameters
    ----------
    wrapped
        The checkpoint in its wrapper.
    out
        The file to write, ``*.pte``; its folder is made where it is missing.
    images, bounds
        Of :func:`~hierattn.deploy.export.parity.check_parity`. Images of other sizes are resized by Pillow on both
        sides.

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
    check_suffix(out, ".pte")
    program, operators = build_program(wrapped)
    with atomic_file(out) as temporary:
        temporary.write_bytes(seal(program))
        answer, bundle = load_program(temporary)
        if bundle != wrapped.bundle:
            raise BundleError(f"{out}: the description did not survive the export; please report this")
        report = compare(
            answer, bundle, wrapped.checkpoint, images, bounds, runtime="ExecuTorch", wrapped=wrapped.network
        )
        or_remove(report, temporary)
    return Export(out, out.stat().st_size, operators, wrapped.bundle, report)


def build_program(wrapped: Wrapped, batch: int = 1) -> tuple[bytes, Counter[str]]:
    """Lower the network for ``batch`` images: (the program's bytes, how often each kernel or delegate is called)."""
    metadata = json.dumps(wrapped.bundle.to_metadata(), sort_keys=True, ensure_ascii=False)
    size, network = wrapped.checkpoint.image_spec.size, wrapped.network
    images = torch.zeros(batch, size, size, 3, dtype=torch.uint8)
    if network.head is None:
        return lower({FORWARD: (network, (images,))}, {METADATA: metadata})
    alone = deepcopy(network)
    alone.head = None
    codes = torch.zeros(batch, network.head.codes.questions)
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
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
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
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise BundleError(f"{name} is no ExecuTorch program of ours ({reason}); export it again") from None
    bundle = Bundle.from_metadata(metadata, name)
    names = output_names(bundle)
    if bundle.questions and WITH_ANSWERS not in program.method_names:
        raise BundleError(f"{name} asks questions and has no method {WITH_ANSWERS}: export it again")
    asking = program.load_method(WITH_ANSWERS) if bundle.questions else None

    def answer(image: np.ndarray, answers: np.ndarray | None = None) -> dict[str, np.ndarray]:
        # A method reads its program's memory and does not keep it alive: without this reference the process crashes.
        assert FORWARD in program.method_names
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


def seal(program: bytes) -> bytes:
    """The program and, after it, the checksum of its bytes (SHA-256)."""
    return program + SEAL + hashlib.sha256(program).digest()


def unseal(content: bytes, name: str) -> bytes:
    """The program without its checksum.

    Raises
    ------
    BundleError
        Where there is none, or another.
    """
    program, mark, digest = content[:-48], content[-48:-32], content[-32:]
    if mark != SEAL:
        raise BundleError(f"{name} does not end in a checksum: wanted a whole file of this version; export it again")
    if hashlib.sha256(program).digest() != digest:
        raise BundleError(
            f"{name} is damaged: its bytes are not those its checksum was made of; copy or export it again"
        )
    return program


def is_sealed(path: Path) -> bool:
    """Whether a file is a whole program or model of ours."""
    try:
        return bool(read_sealed(path, b""))
    except BundleError:
        return False


def output_names(bundle: Bundle) -> list[str]:
    """What ``forward`` gives, in order: a program's outputs have no names.

    ``with_answers`` gives these and then ``photo_probabilities`` and ``photo_risk``.
    """
    return [PROBABILITIES, RISK, *([HEATMAP] if bundle.heatmap else []), *([NOVELTY] if bundle.novelty else [])]


def read_sealed(path: Path, identifier: bytes) -> bytes:
    """A file from a phone's export without its checksum.

    Parameters
    ----------
    path
        The file.
    identifier
        What stands at its fifth byte: the format's mark.

    Raises
    ------
    BundleError
        Where it cannot be read, is of another format, or was damaged.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path} has {path.stat().st_size:,} bytes: wanted at most {MAX_BYTES:,}; export again")
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): wanted an export; check the path") from None
    if not content.startswith(identifier, 4):
        kind = "ExecuTorch program" if identifier == PROGRAM else "LiteRT model"
        raise BundleError(f"{path} is no {kind}: wanted a file from 'hierattn export'")
    return unseal(content, str(path))
