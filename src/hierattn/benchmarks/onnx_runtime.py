"""Models in ONNX Runtime, as ``hierattn benchmark models`` times and profiles them."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from hierattn.benchmarks.timing import Step, take_turns
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.onnx import build_graph
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model


def runtime_step(name: str, images: Tensor, threads: int) -> Step:
    """One pass of the exported graph of a model.

    Parameters
    ----------
    name
        A registered model; its weights are random.
    images
        (batch, 3, H, H) in 0 to 1.
    threads
        Of ONNX Runtime.
    """
    session, feed = _session(name, images, threads)
    return lambda: session.run(None, feed)


def runtime_limit(threads: int, side: int = 512, rounds: int = 50) -> float:
    """Multiply-adds a second of one large product in ONNX Runtime: its kernels are others than PyTorch's."""
    square = np.random.default_rng(0).random((side, side), np.float32)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("a", "c")]
    product = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([product], "product", values[:1], values[1:], [numpy_helper.from_array(square, "b")])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    session = _open(model.SerializeToString(), threads)
    taken = take_turns({"product": lambda: session.run(None, {"a": square})}, rounds)
    return 1000 * side**3 / min(taken["product"])


def profile_operators(name: str, images: Tensor, rounds: int, threads: int) -> dict[str, tuple[int, float]]:
    """Operator -> (nodes, milliseconds): for each node the least of the rounds, summed."""
    least: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        session, feed = _session(name, images, threads, str(Path(folder) / "profile"))
        for _ in range(rounds):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node = (event["args"]["op_name"], event["name"])
            least[node] = min(event["dur"] / 1000, least.get(node, float("inf")))
    operators: dict[str, tuple[int, float]] = {}
    for (operator, _), milliseconds in least.items():
        nodes, so_far = operators.get(operator, (0, 0.0))
        operators[operator] = (nodes + 1, so_far + milliseconds)
    return operators


def _session(
    name: str, images: Tensor, threads: int, profile: str = ""
) -> tuple[onnxruntime.InferenceSession, dict[str, np.ndarray]]:
    """The exported graph in ONNX Runtime and what to feed it; ``profile`` is the start of a profile's file name."""
    session = _open(_graph(name, images.shape[2]), threads, profile)
    pixels = (255 * images).byte().permute(0, 2, 3, 1).contiguous().numpy()
    return session, {session.get_inputs()[0].name: pixels}


@cache
def _graph(name: str, size: int) -> bytes:
    """Timed and profiled, a graph is exported once."""
    network = CalibratedNetwork(create_model(name), ImageSpec(size=size), [0.0] * 8, heatmap=False)
    return build_graph(network).SerializeToString()


def _open(model: bytes, threads: int, profile: str = "") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
