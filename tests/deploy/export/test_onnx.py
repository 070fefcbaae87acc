"""The exported file: PyTorch's numbers, few nodes, nothing of the exporting machine, all or nothing.

Tracing a network takes seconds, so one small export of HierAttn serves most of the tests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from reports import made
from small_checkpoints import SIZE, make_checkpoint

from hierattn.bundle.bundle import read_bundle
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.export import parity
from hierattn.deploy.export.onnx import Export, export_onnx
from hierattn.deploy.export.parity import LOSSY, check_parity, parity_images
from hierattn.deploy.export.wrapped import wrap, wrap_run
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import ParityError, UsageError
from hierattn.evaluation.measures.calibration import Calibration, ThresholdFigures, calibrate, write_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import save_checkpoint


def point(sensitivity: float) -> ThresholdFigures:
    return ThresholdFigures(sensitivity, (0.85, 0.97), 0.5, (0.4, 0.6), 120, 100, 50)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    (run / "evaluation").mkdir()
    save_checkpoint(run / "best.safetensors", make_checkpoint())
    calibration = Calibration(1.7, 0.25, 0.95, point(0.96), point(0.92), "the inner fold")
    write_calibration(run / "evaluation" / "calibration.json", calibration)
    report = replace(made()[0], top1=Estimate(0.6, (0.5, 0.7)), melanoma_auc=Estimate(None, None), conformal=())
    report.save(run / "evaluation" / "report.json")
    return run


@pytest.fixture(scope="module")
def export(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_onnx(wrap_run(run_folder), tmp_path_factory.mktemp("export") / "deep" / "model.onnx")


def test_probabilities_are_pytorchs(export):
    assert export.parity.images == 16
    assert export.parity.photos == len(parity.PHOTO_SIZES)
    assert export.parity.difference <= 1e-4
    assert export.parity.agreement == 1
    assert export.parity.levels == 1
    assert export.parity.same_pixels_difference <= 1e-5
    assert export.parity.ok


def test_parity_holds_on_images_that_the_export_did_not_choose(export, run_folder):
    generator = np.random.default_rng(99)
    images = [generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(6)]
    report = check_parity(export.path, make_checkpoint(), images)
    assert (report.images, report.photos) == (6, 0)
    assert report.difference <= 1e-5


def test_calibration_and_figures_travel_in_the_file(export):
    bundle = read_bundle(export.path)[1]
    assert bundle == export.bundle
    assert bundle.temperature == 1.7
    assert (bundle.triage.threshold, bundle.triage.sensitivity) == (0.25, 0.92)
    assert bundle.triage.interval == (0.85, 0.97)
    assert bundle.triage.images == 120
    assert bundle.metrics["top1"]["value"] == 0.6
    assert bundle.training_data["licence"] == "CC0-1.0"
    assert bundle.provenance["commit"] == "abc"
    assert bundle.recipe["name"] == "small"


def test_graph_is_small_standard_and_without_run_time_shapes(export):
    model = onnx.load(export.path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not {"Shape", "BatchNormalization", "Squeeze", "Expand", "Range", "If", "Loop"} & set(export.operators)
    assert export.operators["Resize"] == 1
    assert model.graph.node[0].op_type == "Resize"
    assert sum(export.operators.values()) < 230


def test_transformers_are_the_operators_that_runtimes_compute_at_once(export):
    assert export.operators["Attention"] == 3  # one a layer
    assert export.operators["RMSNormalization"] == 9  # two a layer, and one a block
    assert export.operators["Softmax"] == 1  # the answer's
    assert not {"LayerNormalization", "Split"} & set(export.operators)
    model = onnx.load(export.path)
    stem = next(node for node in model.graph.node if node.op_type == "Conv")
    assert stem.input[0] in next(node for node in model.graph.node if node.op_type == "Cast").output


def test_skips_are_added_inside_the_convolutions(export, tmp_path):
    """ONNX Runtime does so only where it knows that both maps are of as many images."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(export.path, options, providers=["CPUExecutionProvider"])
    del session
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    if not any(node.domain == "com.microsoft.nchwc" for node in nodes):
        pytest.skip("this processor has no blocked layout in ONNX Runtime: nothing to look at")
    fused = [node for node in nodes if node.op_type == "Conv" and len(node.input) == 4]
    assert len(fused) == 3  # the SCADW blocks with a skip


def test_nothing_tells_of_the_exporting_machine(export):
    model = onnx.load(export.path)
    del model.graph.initializer[:]  # among random bytes anything may be found
    content = model.SerializeToString()
    for trace in (b"site-packages", b".py", b"/home", b"/root", b"stack_trace", str(Path.cwd()).encode()):
        assert trace not in content


def test_any_batch_and_any_size_go_in(export):
    session = onnxruntime.InferenceSession(export.path, providers=["CPUExecutionProvider"])
    photo = np.random.default_rng(0).integers(0, 256, (5, 90, 47, 3), dtype=np.uint8)
    probabilities, risk, heatmap = session.run(None, {"image": photo})
    assert (probabilities.shape, risk.shape, heatmap.shape) == ((5, 8), (5,), (5, 8, 15, 15))
    alone = np.concatenate([session.run(["probabilities"], {"image": one[None]})[0] for one in photo])
    np.testing.assert_allclose(probabilities, alone, atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (40, 57), (65, 63), (150, 200), (64, 500), (900, 640)])
def test_resize_in_the_graph_is_pillows_to_one_grey_level(export, shape):
    model = onnx.load(export.path)
    resized = model.graph.node[0].output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(resized, onnx.TensorProto.UINT8, ["N", SIZE, SIZE, 3]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    lesion = render_lesion("BCC", np.random.default_rng(1), 256).image
    photo = np.asarray(Image.fromarray(lesion).resize(shape[::-1], Image.Resampling.BICUBIC))
    noisy = photo.astype(int) + np.random.default_rng(2).integers(-20, 20, photo.shape)
    photo = np.clip(noisy, 0, 255).astype(np.uint8)
    found = session.run([resized], {"image": photo[None]})[0][0]
    assert np.abs(found.astype(int) - ImageSpec(size=SIZE).resize(photo).astype(int)).max() <= 1


def test_predictor_reads_the_export(export):
    diagnosis = Predictor.load(export.path)(render_lesion("MEL", np.random.default_rng(3), 128).image, heatmap=True)
    assert sum(diagnosis.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert diagnosis.heatmap.shape == (8, 15, 15)
    assert diagnosis.advice.calibrated


def test_same_checkpoint_gives_the_same_bytes_and_no_calibration_is_said(run_folder, export, tmp_path):
    again = export_onnx(wrap_run(run_folder), tmp_path / "again.onnx")
    assert again.path.read_bytes() == export.path.read_bytes()
    assert list(tmp_path.iterdir()) == [again.path]


def test_an_export_that_differs_leaves_no_file(tmp_path, export):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(export.path.read_bytes())
    with pytest.raises(ParityError, match="differs from PyTorch"):
        check_parity(copy, make_checkpoint(seed=1))
    assert not copy.exists()


def test_a_graph_whose_resize_is_not_pillows_leaves_no_file(tmp_path, export):
    graph = onnx.load(export.path)
    (resize,) = (node for node in graph.graph.node if node.op_type == "Resize" and node.input[0] == "image")
    for each in resize.attribute:
        if each.name in ("antialias", "exclude_outside"):
            each.i = 0
    copy = tmp_path / "copy.onnx"
    onnx.save(graph, copy)
    with pytest.raises(ParityError, match=r"pixels within \d+ of Pillow's \(wanted 1\)"):
        check_parity(copy, make_checkpoint())
    assert not copy.exists()


def test_a_bound_that_cannot_be_kept_leaves_nothing_behind(tmp_path, monkeypatch, export):
    monkeypatch.setattr("hierattn.deploy.export.onnx.build_graph", lambda network: _without_metadata(export.path))
    images = parity_images(ImageSpec(size=SIZE))[:2]
    with pytest.raises(ParityError):
        export_onnx(wrap(make_checkpoint(seed=1)), tmp_path / "model.onnx", images=images)
    assert list(tmp_path.iterdir()) == []


def test_export_without_evaluation_says_uncalibrated(tmp_path, monkeypatch, export):
    monkeypatch.setattr("hierattn.deploy.export.onnx.build_graph", lambda network: _without_metadata(export.path))
    # The borrowed graph divides by 1.7, which a bound of 1 forgives: only the description is looked at here.
    bare = export_onnx(wrap(make_checkpoint()), tmp_path / "bare.onnx", images=[], bounds=LOSSY)
    assert bare.bundle.temperature == 1
    assert bare.bundle.triage.threshold is None
    assert bare.bundle.metrics == {}


def _without_metadata(path: Path) -> onnx.ModelProto:
    model = onnx.load(path)
    del model.metadata_props[:]
    return model


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.onnx"):
        export_onnx(wrap(make_checkpoint()), tmp_path / "model.pt")


def test_a_bias_a_class_is_in_the_graph_as_evaluation_adds_it(tmp_path):
    (tmp_path / "evaluation").mkdir()
    checkpoint = make_checkpoint()
    save_checkpoint(tmp_path / "best.safetensors", checkpoint)
    bias = (0.5, -1.0, 0.0, 0.25, 1.5, -0.75, 0.0, -0.5)
    calibration = Calibration(1.7, 0.25, 0.95, point(0.96), point(0.92), "the inner fold", class_bias=bias)
    write_calibration(tmp_path / "evaluation" / "calibration.json", calibration)
    export_onnx(wrap_run(tmp_path, heatmap=False), tmp_path / "biased.onnx")
    photo = render_lesion("MEL", np.random.default_rng(6), SIZE).image
    with torch.no_grad():
        plain = checkpoint.build()(torch.from_numpy(checkpoint.image_spec.scale(photo[None]))).softmax(1).numpy()
    answer = onnxruntime.InferenceSession(tmp_path / "biased.onnx").run(["probabilities"], {"image": photo[None]})[0]
    np.testing.assert_allclose(answer, calibrate(plain, 1.7, bias), atol=1e-5)
    assert np.abs(answer - calibrate(plain, 1.7)).max() > 0.01
