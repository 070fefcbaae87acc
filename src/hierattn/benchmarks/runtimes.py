"""The same networks in every runtime, for ``hierattn benchmark inference``: PyTorch, ONNX Runtime, OpenVINO and more.

=============  ==========================================================================================
runtime        what runs
=============  ==========================================================================================
pytorch        the model in evaluation mode, float images
onnx           ``torch.onnx.export`` and nothing more, float images: what one gets without this package
bundle         what ``hierattn export`` writes, without a heat map: bytes in, probabilities out
int8           the bundle with its convolutions and products in 8 bits
openvino       the bundle by OpenVINO, as ``hierattn predict --runtime openvino`` runs it, one image at a time
executorch     what ``hierattn export OUT.pte`` writes, by ExecuTorch's Python runtime, on its own threads
=============  ==========================================================================================

Weights are random: speed does not depend on them, but for a bias of zero, which exporters leave out; there is none. The
image has the network's size, so that no resize takes part.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from hierattn.bundle.bundle import INPUT
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.onnx import OPSET, build_graph
from hierattn.deploy.export.quiet import quiet
from hierattn.deploy.predict.session import open_session
from hierattn.errors import UsageError, require
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model, model_options, model_spec
from hierattn.models.timm_networks import is_timm

if TYPE_CHECKING:
    import onnx

RUNTIMES: tuple[str, ...] = ("pytorch", "onnx", "bundle", "int8", "openvino", "executorch")
CLASSES = 8
_SEED = 20230829
_CALIBRATION_IMAGES = 8

Step = Callable[[], object]
Make = Callable[[int, int], Step]
"""(threads, batch) -> one forward pass, ready to be called."""


@dataclass(frozen=True)
class RunnableModel:
    """One model in one runtime.

    Attributes
    ----------
    model, runtime
        Its name, and one of :data:`RUNTIMES`.
    size
        Bytes of its file; of its weights in PyTorch.
    content
        The file; empty in PyTorch.
    make
        Gives the step to time.
    """

    model: str
    runtime: str
    size: int
    content: bytes
    make: Make


def model_of(name: str) -> tuple[str, dict[str, str]]:
    """A model and the options after its name.

    Raises
    ------
    UsageError
        For an unknown model or option.

    >>> model_of("hierattn_s:attention=se")
    ('hierattn_s', {'attention': 'se'})
    >>> model_of("timm:mobilenetv4_conv_small")
    ('timm:mobilenetv4_conv_small', {})
    """
    model, _, text = (name, "", "") if is_timm(name) else name.partition(":")
    options = {key: value for key, _, value in (part.partition("=") for part in text.split(",") if part)}
    model_spec(model)
    if unknown := set(options) - {"attention"}:
        raise UsageError(f"{name}: unknown option {', '.join(sorted(unknown))}: wanted attention=NAME, for a HierAttn")
    if options and "attention" not in model_options(model):
        raise UsageError(f"{name}: {model} takes no options; only HierAttn's variants do")
    return model, options


def build_runnable(name: str, runtime: str, size: int) -> RunnableModel:
    """Build a model with random weights for one runtime; ``executorch`` takes minutes.

    Parameters
    ----------
    name
        As :func:`model_of` takes it.
    runtime
        One of :data:`RUNTIMES`.
    size
        Pixels a side.

    Raises
    ------
    UsageError
        For an unknown model, option or runtime.
    MissingPackageError
        Where the library of a runtime is not installed.
    """
    model, options = model_of(name)
    if runtime not in RUNTIMES:
        raise UsageError(f"runtime {runtime!r}: wanted some of {', '.join(RUNTIMES)}")
    torch.manual_seed(_SEED)
    network = _with_biases(create_model(model, CLASSES, **options)).eval()
    if runtime == "pytorch":
        weights = sum(value.numel() * value.element_size() for value in network.state_dict().values())
        return RunnableModel(name, runtime, weights, b"", partial(_torch_step, network, size))
    if runtime == "executorch":
        return _executorch(name, network, size)
    content = _plain_export(network, size) if runtime == "onnx" else _bundle(network, size, runtime).SerializeToString()
    step = _openvino_step if runtime == "openvino" else _session_step
    return RunnableModel(name, runtime, len(content), content, partial(step, content, size))


@torch.no_grad()
def _with_biases(network: nn.Module) -> nn.Module:
    """``network`` itself, as a trained one has it: no bias or mean is zero and no scale one."""
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith(("bias", "running_mean")):
            value.uniform_(-0.1, 0.1)
        elif name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.8, 1.2)
    return network


def _bundle(model: nn.Module, size: int, runtime: str) -> onnx.ModelProto:
    network = CalibratedNetwork(model, ImageSpec(size=size), [0.0] * CLASSES, heatmap=False)
    graph = build_graph(network)
    if runtime != "int8":
        return graph
    from hierattn.deploy.export.int8_static import quantise

    images = np.random.default_rng(_SEED).integers(0, 256, (_CALIBRATION_IMAGES, size, size, 3), dtype=np.uint8)
    return quantise(graph, images, lambda _: (1.0, 0.0)).model  # random weights: no answer to keep


def _plain_export(model: nn.Module, size: int) -> bytes:
    require("onnxscript", "train")
    with tempfile.TemporaryDirectory() as folder, quiet(), torch.no_grad():
        path = Path(folder) / "plain.onnx"
        torch.onnx.export(
            model,
            (torch.zeros(2, 3, size, size),),
            path,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            external_data=False,
            verbose=False,
        )
        return path.read_bytes()


def _executorch(name: str, model: nn.Module, size: int) -> RunnableModel:
    from hierattn.deploy.export.executorch import lower
    from hierattn.deploy.export.phone_file import FORWARD

    network = CalibratedNetwork(model, ImageSpec(size=size), [0.0] * CLASSES, heatmap=False)
    content, _ = lower({FORWARD: (network, (torch.zeros(1, size, size, 3, dtype=torch.uint8),))})

    def make(_: int, batch: int) -> Step:
        from executorch.runtime import Runtime

        program = Runtime.get().load_program(content)
        method = program.load_method(FORWARD)
        assert method is not None  # the program was written just now
        images = torch.from_numpy(_bytes_of(1, size))

        def step() -> object:
            assert program.method_names  # a method does not keep its program alive: this reference does
            return [method.execute([images]) for _ in range(batch)]  # a program takes one image

        return step

    return RunnableModel(name, "executorch", len(content), content, make)


def _torch_step(model: nn.Module, size: int, threads: int, batch: int) -> Step:
    images = torch.from_numpy(_floats_of(batch, size))

    def step() -> object:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return model(images)

    return step


def _session_step(content: bytes, size: int, threads: int, batch: int) -> Step:
    session = open_session(content, Path("the graph"), threads, bounded=False)  # 64 images of a peer take gigabytes
    name = session.get_inputs()[0].name
    feed = {name: _bytes_of(batch, size) if name == INPUT else _floats_of(batch, size)}
    return lambda: session.run(None, feed)


def _openvino_step(content: bytes, size: int, threads: int, batch: int) -> Step:
    from hierattn.deploy.predict.openvino_session import open_openvino

    session = open_openvino(content, Path("the graph"), size, threads)
    names, images = [port.name for port in session.get_outputs()], _bytes_of(1, size)
    return lambda: [session.run(names, {INPUT: images}) for _ in range(batch)]


def _bytes_of(batch: int, size: int) -> np.ndarray:
    return np.random.default_rng(_SEED).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)


def _floats_of(batch: int, size: int) -> np.ndarray:
    return np.ascontiguousarray(_bytes_of(batch, size).transpose(0, 3, 1, 2).astype(np.float32) / 255)


PEAK = """
import resource, sys
import numpy, onnxruntime
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
one, size = session.get_inputs()[0], int(sys.argv[2])
shape = (1, size, size, 3) if one.type == "tensor(uint8)" else (1, 3, size, size)
session.run(None, {one.name: numpy.zeros(shape, numpy.uint8 if one.type == "tensor(uint8)" else numpy.float32)})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
"""
"""Run in a fresh process: kilobytes that loading a graph and one image take above ONNX Runtime itself (Linux)."""

SMALL_PARENT = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
"""Started between: the system counts as a process's peak what its parent held, and a benchmark holds every model."""


def peak_memory(runnable: RunnableModel, size: int) -> int | None:
    """Bytes of memory that a graph and one image take in ONNX Runtime, in a fresh process; None in other runtimes."""
    if runnable.runtime not in ("onnx", "bundle", "int8"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(runnable.content)
        result = subprocess.run(
            [sys.executable, "-c", SMALL_PARENT, sys.executable, "-c", PEAK, str(path), str(size)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    return int(result.stdout) * 1024 if result.returncode == 0 and result.stdout.strip().isdigit() else None
