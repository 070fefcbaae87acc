"""ONNX Runtime's session for a bundle, with bounds on what a hostile graph can take: memory and time.

A bundle's description is examined before (:mod:`hierattn.bundle.bundle`), but what a graph asks for shows only when it
runs: one number changed in a ``Resize`` asks for terabytes. ONNX Runtime's own arena holds the memory under
:data:`MAX_MEMORY`, for all bundles of the process together. Until a session has answered once, a run that takes longer
than :data:`MAX_SECONDS` is ended between two nodes; its graph has no loops, so that what it did once it does again.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hierattn.bundle.bundle import ANSWERS, INPUT
from hierattn.errors import BundleError
from hierattn.files import cores

if TYPE_CHECKING:
    import onnxruntime

MAX_MEMORY = 2 * 1024**3
"""Bytes that the graphs of one process may hold; HierAttn_m takes 0.2 GB for 16 images of 256 pixels."""

MAX_THREADS = 4
"""Of ONNX Runtime within one prediction, where nobody says how many: more bring a small network nothing."""

MAX_BATCH = 1024
"""Images that a graph may ask for at a time."""

MAX_SECONDS = 60.0
"""A session's first answer; a batch of 64 on a slow processor takes a few."""


class Session(Protocol):
    """What this package asks of a runtime's session: ONNX Runtime's own has it, and so has whatever takes its place."""

    def get_inputs(self) -> Sequence[Any]:
        """The graph's inputs, each with a ``name`` and a ``shape``."""

    def get_outputs(self) -> Sequence[Any]:
        """The graph's outputs, in its order."""

    def run(self, wanted: Sequence[str], feeds: Mapping[str, np.ndarray], options: Any = None, /) -> Sequence[Any]:
        """The outputs ``wanted`` for the inputs ``feeds``."""


_answered: weakref.WeakSet[Session] = weakref.WeakSet()
"""Sessions whose graph has ended once: they need no timer, which costs a thread a run."""


def open_session(content: bytes, path: Path, threads: int = 0, *, bounded: bool = True) -> onnxruntime.InferenceSession:
    """ONNX Runtime's session for the bytes of a bundle; they were examined by ``read_bundle``.

    ``threads`` are those within one prediction; 0: one per core, up to :data:`MAX_THREADS`.

    ``bounded=False`` leaves out the bound on memory, for graphs of one's own making in batches of any size.

    Raises
    ------
    BundleError
        Where ONNX Runtime refuses them.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(cores(), MAX_THREADS)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters comes as an exception
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bounded and _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # see run_session
        raise BundleError(f"ONNX Runtime refuses {path} ({first_line(error)}); export it again") from None


def run_session(
    session: Session,
    wanted: Sequence[str],
    images: np.ndarray,
    answers: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The outputs ``wanted`` for uint8 images, (N, H, W, 3); a graph of a fixed batch is filled up and run in turns.

    ``answers``, codes in float32, are (1, questions) for all images or (N, questions); None: nothing is answered. A
    graph of a fixed batch takes one row at a time.

    Raises
    ------
    BundleError
        Where the graph fails, or asks for more memory or time than the bounds allow.
    """
    batch = fixed_batch(session)
    if batch is None:
        return _run(session, wanted, images, answers)
    if batch > MAX_BATCH or batch * images[:1].nbytes > MAX_MEMORY // 4:
        raise BundleError(f"the bundle's graph wants {batch:,} images at a time: wanted fewer; export it again")
    if answers is not None and len(answers) > 1:
        each = [
            run_session(session, wanted, images[row : row + 1], answers[row : row + 1]) for row in range(len(images))
        ]
        return {name: np.concatenate([part[name] for part in each]) for name in wanted}
    parts = []
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        full = np.concatenate([some, np.repeat(some[-1:], batch - len(some), axis=0)])
        answer = _run(session, wanted, full, answers)
        if any(values.shape[:1] != (batch,) for values in answer.values()):
            raise BundleError(f"the bundle's graph gave no answer for each of {batch:,} images; export it again")
        parts.append({name: values[: len(some)] for name, values in answer.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in wanted}


def fixed_batch(session: Session) -> int | None:
    """How many images a graph takes at a time; None for any number."""
    first = session.get_inputs()[0].shape[:1]
    return first[0] if first and isinstance(first[0], int) and first[0] > 0 else None


def first_line(error: BaseException) -> str:
    """An error's own words, short and on one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _run(
    session: Session, wanted: Sequence[str], images: np.ndarray, answers: np.ndarray | None
) -> dict[str, np.ndarray]:
    feeds = {INPUT: images} if answers is None else {INPUT: images, ANSWERS: answers}
    with _watch(session) as options:
        try:
            answer = session.run(list(wanted), feeds, options)
        except Exception as error:  # ONNX Runtime's errors have no common family
            raise BundleError(f"the bundle's graph failed ({first_line(error)}); export it again") from None
    _answered.add(session)
    return dict(zip(wanted, map(np.asarray, answer), strict=True))


@contextmanager
def _watch(session: Session) -> Iterator[onnxruntime.RunOptions | None]:
    """Options by which a first run ends after :data:`MAX_SECONDS`; None for a session that has answered before."""
    if session in _answered:
        yield None
        return
    import onnxruntime

    options = onnxruntime.RunOptions()
    alarm = threading.Timer(MAX_SECONDS, setattr, (options, "terminate", True))
    alarm.daemon = True
    alarm.start()
    try:
        yield options
    finally:
        alarm.cancel()


@cache
def _limit_memory() -> bool:
    """Bound the arena that this process's bundles share; False where something else has set one up before."""
    import onnxruntime as ort

    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    arena = ort.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": 1})  # 1: no more than is asked for
    try:
        ort.create_and_register_allocator(place, arena)
    except Exception:  # the embedding program has its own: its bound is its own business
        return False
    return True
