"""Each runtime runs the same network, and a graph's memory is its own."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from small_bundles import small_graph

from hierattn.benchmarks.runtimes import RunnableModel, build_runnable, peak_memory
from hierattn.errors import UsageError


def test_memory_is_the_graphs_own_however_much_the_measuring_process_holds():
    held = np.ones(60_000_000)  # 480 MB, which the system would count as the child's peak
    content = small_graph().SerializeToString()
    found = peak_memory(RunnableModel("small", "bundle", len(content), content, make=None), 64)
    assert found is not None
    assert 0 < found < 200e6
    assert held.nbytes > 2 * found


def test_memory_of_other_runtimes_is_not_measured():
    assert peak_memory(RunnableModel("small", "pytorch", 0, b"", make=None), 64) is None


def test_pytorch_and_its_plain_export_give_the_same_logits():
    runnables = [build_runnable("mobilenet_v2", runtime, 32) for runtime in ("pytorch", "onnx")]
    logits, (exported,) = (runnable.make(1, 2)() for runnable in runnables)
    np.testing.assert_allclose(logits.numpy(), exported, atol=1e-4)
    assert len(runnables[1].content) == runnables[1].size


def test_a_network_of_timm_runs_and_an_export_leaves_no_bias_out():
    onnx = pytest.importorskip("onnx")
    runnable = build_runnable("timm:mobilenetv4_conv_small", "onnx", 32)
    assert np.isfinite(runnable.make(1, 2)()[0]).all()
    convolutions = [
        node for node in onnx.load_from_string(runnable.content).graph.node if node.op_type in ("Conv", "Gemm")
    ]
    assert convolutions
    assert all(len(node.input) == 3 for node in convolutions)


def test_openvino_runs_the_bundle_and_gives_its_answers_one_image_at_a_time():
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'hierattn[openvino]'")
    runnable = build_runnable("hierattn_xs", "openvino", 128)
    bundle = onnxruntime.InferenceSession(runnable.content)
    feed = {bundle.get_inputs()[0].name: np.random.default_rng(20230829).integers(0, 256, (1, 128, 128, 3), np.uint8)}
    answers = runnable.make(1, 2)()
    assert len(answers) == 2
    for one in answers:
        for found, wanted in zip(one, bundle.run(None, feed), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_an_unknown_runtime_is_refused():
    with pytest.raises(UsageError, match="pytorch, onnx, bundle"):
        build_runnable("mobilenet_v2", "abacus", 32)
