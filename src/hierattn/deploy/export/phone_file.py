"""What the files for phones have in common, ``.pte`` and ``.tflite``: how one is written, and the checksum at its end.

Neither runtime doubts what a file's tables say: a damaged one crashes the process. So a file ends in a checksum of all
that stands before it, which the runtimes do not see and :func:`read_sealed` asks for first. A format has no optional
input either: a bundle that asks has a second method, :data:`WITH_ANSWERS`, beside :data:`FORWARD`, which is what the
photograph alone says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.bundle.bundle import MAX_BYTES, Bundle
from hierattn.deploy.export.onnx import Export, check_suffix
from hierattn.deploy.export.parity import Answer, Bounds, compare, or_remove
from hierattn.deploy.export.wrapped import Wrapped
from hierattn.errors import BundleError
from hierattn.files import atomic_file

FORWARD, WITH_ANSWERS = "forward", "with_answers"
"""The network for the photograph alone; of a bundle that asks, for photograph and codes of answers, too."""

SEAL = b"hierattn.sha256="
"""What stands at the end of a file, before the 32 bytes of the checksum."""


@dataclass(frozen=True)
class PhoneFormat:
    """A format's names and marks.

    Attributes
    ----------
    suffix
        How a file's name ends.
    runtime
        What runs it.
    kind
        What such a file is called.
    mark
        What stands at a file's fifth byte.
    """

    suffix: str
    runtime: str
    kind: str
    mark: bytes


PROGRAM = PhoneFormat(".pte", "ExecuTorch", "ExecuTorch program", b"ET12")
MODEL = PhoneFormat(".tflite", "LiteRT", "LiteRT model", b"TFL3")


def write_phone_file(
    wrapped: Wrapped,
    out: Path,
    form: PhoneFormat,
    build: Callable[[Wrapped], tuple[bytes, Counter[str]]],
    load: Callable[[Path], tuple[Answer, Bundle]],
    *,
    images: Sequence[np.ndarray] | None,
    bounds: Bounds,
) -> Export:
    """Write ``out``; it gets its name only after the format's own runtime gave PyTorch's numbers.

    Parameters
    ----------
    wrapped
        The checkpoint in its wrapper.
    out
        The file to write; its folder is made where it is missing.
    form
        Its format.
    build
        Converts: the bytes without a checksum, and how often each operator is called.
    load
        Opens the file in the format's runtime.
    images, bounds
        Of :func:`~hierattn.deploy.export.parity.check_parity`. Images of other sizes are resized by Pillow on both
        sides.

    Raises
    ------
    UsageError
        Where ``out`` has another ending.
    BundleError
        Where the description did not survive.
    ParityError
        Where the numbers differ from PyTorch's.
    """
    check_suffix(out, form.suffix)
    content, operators = build(wrapped)
    with atomic_file(out) as temporary:
        temporary.write_bytes(seal(content))
        answer, bundle = load(temporary)
        if bundle != wrapped.bundle:
            raise BundleError(f"{out}: the description did not survive the export; please report this")
        report = compare(
            answer, bundle, wrapped.checkpoint, images, bounds, runtime=form.runtime, wrapped=wrapped.network
        )
        or_remove(report, temporary)
    return Export(out, out.stat().st_size, operators, wrapped.bundle, report)


def seal(content: bytes) -> bytes:
    """The content and, after it, the checksum of its bytes (SHA-256)."""
    return content + SEAL + hashlib.sha256(content).digest()


def unseal(content: bytes, name: str) -> bytes:
    """The content without its checksum.

    Raises
    ------
    BundleError
        Where there is none, or another.
    """
    whole, mark, digest = content[:-48], content[-48:-32], content[-32:]
    if mark != SEAL:
        raise BundleError(f"{name} does not end in a checksum: wanted a whole file of this version; export it again")
    if hashlib.sha256(whole).digest() != digest:
        raise BundleError(
            f"{name} is damaged: its bytes are not those its checksum was made of; copy or export it again"
        )
    return whole


def read_sealed(path: Path, form: PhoneFormat) -> bytes:
    """A file without its checksum.

    Raises
    ------
    BundleError
        Where it cannot be read, is of another format, or was damaged.
    """
    content = _content(path)
    if not content.startswith(form.mark, 4):
        raise BundleError(f"{path} is no {form.kind}: wanted a file from 'hierattn export'")
    return unseal(content, str(path))


def is_sealed(path: Path) -> bool:
    """Whether a file is a whole one of ours, of either format."""
    try:
        return bool(unseal(_content(path), str(path)))
    except BundleError:
        return False


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path} has {path.stat().st_size:,} bytes: wanted at most {MAX_BYTES:,}; export again")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): wanted an export; check the path") from None
