"""OpenVINO in the place of ONNX Runtime, in float32, and only where it gives ONNX Runtime's answers.

OpenVINO may compute in 16 bits, or quantise on the way, and does not say so. Here it is asked for float32, and before
the first photograph both runtimes answer for the same pictures, :func:`check_pictures`: a difference is an error and
never another answer. It knows no bound on memory or time either: ONNX Runtime, which does, runs the graph first.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hierattn.bundle.bundle import ANSWERS, INPUT
from hierattn.deploy.predict.session import MAX_THREADS, first_line, fixed_batch, open_session, run_session
from hierattn.errors import BundleError, require
from hierattn.files import cores

if TYPE_CHECKING:
    import openvino

TOLERANCE = 1e-4
"""Largest difference of a value from ONNX Runtime's; of values above 1, over the largest. As the export's."""

_SEED = 20230829


@dataclass(frozen=True)
class Port:
    """An input or output of a graph, as ONNX Runtime's sessions describe them.

    Attributes
    ----------
    name
        Its name.
    shape
        Its lengths.
    """

    name: str
    shape: tuple[int, ...]


class OpenVinoSession:
    """What this package asks of ONNX Runtime's session, by OpenVINO; of several threads one is served at a time.

    A graph that takes any number of images is compiled for one: OpenVINO is slower where it does not know a length.

    Parameters
    ----------
    model
        A compiled model.
    """

    def __init__(self, model: openvino.CompiledModel) -> None:
        self._model = model
        self._own = threading.local()
        self._inputs = [Port(port.any_name, tuple(port.shape)) for port in model.inputs]
        self._outputs = [Port(port.any_name, tuple(port.shape)) for port in model.outputs]

    def get_inputs(self) -> list[Port]:
        """The inputs, the images first."""
        return sorted(self._inputs, key=lambda port: port.name != INPUT)

    def get_outputs(self) -> list[Port]:
        """The outputs, in the graph's order."""
        return self._outputs

    def run(self, wanted: Sequence[str], feeds: Mapping[str, np.ndarray], _: object = None) -> list[np.ndarray]:
        """The outputs ``wanted``; answers that are not given are zeros."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._model.create_infer_request()
        given = {port.name: feeds.get(port.name) for port in self._inputs}
        shapes = {port.name: port.shape for port in self._inputs}
        answer = request.infer(
            {name: np.zeros(shapes[name], np.float32) if value is None else value for name, value in given.items()}
        )
        return [np.array(answer[name]) for name in wanted]


def open_openvino(content: bytes, path: Path, size: int, threads: int = 0) -> OpenVinoSession:
    """OpenVINO's session for the bytes of a bundle; they were examined by ``read_bundle``.

    Parameters
    ----------
    content, path
        The bundle, and what errors call it.
    size
        Pixels a side of the network's images.
    threads
        Of one prediction; 0: one per core, up to :data:`~hierattn.deploy.predict.session.MAX_THREADS`.

    Raises
    ------
    MissingPackageError
        Where OpenVINO is not installed.
    BundleError
        Where a runtime refuses the graph, or OpenVINO's answers are not ONNX Runtime's.
    """
    openvino = require("openvino", "openvino")
    judge = open_session(content, path, threads)
    names = [output.name for output in judge.get_outputs()]
    images = check_pictures(size)
    expected = run_session(judge, names, images)  # within its bounds; only then OpenVINO, which has none
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",  # else it quantises what a product of 8-bit weights reads
        "INFERENCE_NUM_THREADS": threads or min(cores(), MAX_THREADS),
        "NUM_STREAMS": 1,  # with two, 2026.4.1 now and then compiles a graph that answers nonsense (docs/lab-notes.md)
        "ENABLE_CPU_PINNING": False,
    }
    try:
        core = openvino.Core()
        model = core.read_model(content, b"")
        _free_answers(openvino, model)
        model.reshape({INPUT: [fixed_batch(judge) or 1, size, size, 3]})
        session = OpenVinoSession(core.compile_model(model, "CPU", settings))
    except RuntimeError as error:
        raise BundleError(f"OpenVINO refuses {path} ({first_line(error)}); use --runtime onnxruntime") from None
    found = run_session(session, names, images)
    differences = [_difference(found[name], expected[name]) for name in names]
    if len(session.get_inputs()) > 1:
        codes = np.random.default_rng(_SEED).random(session.get_inputs()[1].shape, np.float32)
        found, expected = (run_session(each, names, images, codes) for each in (session, judge))
        differences += [_difference(found[name], expected[name]) for name in names]
    worst = float(np.max(differences))  # keeps nan, which max loses
    if not worst <= TOLERANCE:
        raise BundleError(
            f"OpenVINO {openvino.__version__.split('-')[0]} answers otherwise than ONNX Runtime for {path}: values "
            f"differ by up to {worst:.1e}, wanted {TOLERANCE:.0e}; use --runtime onnxruntime"
        )
    return session


def check_pictures(size: int) -> np.ndarray:
    """Pictures that both runtimes answer for, uint8 (4, size, size, 3): noise, coarse noise, a ramp and black."""
    generator = np.random.default_rng(_SEED)
    noise = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
    cells = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    place = np.arange(size) * 8 // size
    ramp = np.broadcast_to(np.linspace(0, 255, size)[:, None, None], (size, size, 3)).astype(np.uint8)
    return np.stack([noise, cells[place][:, place], ramp, np.zeros_like(ramp)])


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))


def _free_answers(openvino: Any, model: openvino.Model) -> None:
    """Make the input that has a default an input again: OpenVINO reads it as a constant."""
    for part in model.get_ops():
        if part.get_type_name() == "Constant" and part.get_friendly_name() == ANSWERS:
            value = openvino.opset13.parameter(part.get_output_shape(0), np.float32, name=ANSWERS)
            value.output(0).get_tensor().set_names({ANSWERS})
            part.output(0).replace(value.output(0))
            model.add_parameters([value])
