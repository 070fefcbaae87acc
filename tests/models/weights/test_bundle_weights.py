"""Weights read back from a bundle answer as the bundle does and can be trained on; what is none is refused."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hierattn.bundle.bundle import MAX_BYTES, PHOTO_PROBABILITIES, PROBABILITIES, read_bundle
from hierattn.deploy.export.int8 import store_as_float16, store_as_int8, store_mixed
from hierattn.deploy.export.onnx import build_graph, export_onnx
from hierattn.deploy.export.wrapped import Wrapped, wrap
from hierattn.deploy.predict.released import released_bundle
from hierattn.errors import CheckpointError
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit
from hierattn.models.registry import create_model
from hierattn.models.weights.bundle_weights import bundle_provenance, load_bundle
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy.built_in import EIGHT

GENERATOR = np.random.default_rng(3)
IMAGES = (GENERATOR.random((6, 64, 64, 3)) * GENERATOR.integers(50, 256, (6, 1, 1, 3))).astype(np.uint8)
"""Noise of six colours."""


def checkpoint(name: str = "hierattn_xs", spec: ImageSpec | None = None, **options: object) -> Checkpoint:
    """Random weights whose every normalisation does something."""
    torch.manual_seed(5)
    model = create_model(name, len(EIGHT.codes), **options).train()
    values = to_unit(torch.from_numpy(IMAGES), 64)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:
                value.add_(0.3 * torch.randn_like(value))
        for _ in range(30):
            model(values)  # running statistics of what is seen: else every image gets nearly the same answer
        model.classifier.weight.mul_(60)
        model.classifier.bias.sub_(model.eval()(values).mean(0))  # else one class has it whatever the image
    told = {"options": options, "commit": "abc", "source": "isic2019", "licence": "CC BY-NC 4.0", "training_images": 9}
    return Checkpoint(name, EIGHT, spec or ImageSpec(size=64), model.state_dict(), options, {"data": {"fold": 2}}, told)


def peer(name: str) -> Checkpoint:
    """Another network with random weights, whose normalisations have seen the images."""
    torch.manual_seed(5)
    model = create_model(name, len(EIGHT.codes)).train()
    spec = spec_of(mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.25]) if name.startswith("timm:") else spec_of()
    values = normalise(to_unit(torch.from_numpy(IMAGES), 64), spec)
    *_, head = (part for part in model.modules() if isinstance(part, torch.nn.Linear))
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
        for _ in range(30):
            model(values)
        logits = model.eval()(values)
        head.weight.mul_(2 / logits.std(0).mean())
        head.bias.sub_(model(values).mean(0))
    return Checkpoint(name, EIGHT, spec, model.state_dict(), {}, {}, {})


def spec_of(**values: object) -> ImageSpec:
    return ImageSpec.from_dict({**ImageSpec(size=64).to_dict(), **values})


@pytest.fixture(scope="module")
def wrapped() -> Wrapped:
    return wrap(checkpoint())


@pytest.fixture(scope="module")
def bundle(wrapped: Wrapped, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(wrapped, tmp_path_factory.mktemp("bundle") / "xs.onnx").path


def answer(source: Checkpoint) -> np.ndarray:
    values = normalise(to_unit(torch.from_numpy(IMAGES), 64), source.image_spec)
    with torch.no_grad():
        probabilities: np.ndarray = source.build()(values).softmax(1).numpy()
    return probabilities


def answer_of_file(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path))
    found: np.ndarray = session.run([PROBABILITIES], {session.get_inputs()[0].name: IMAGES})[0]
    return found


def test_what_is_read_back_answers_as_the_network_did(wrapped: Wrapped, bundle: Path) -> None:
    read = load_bundle(bundle)
    np.testing.assert_allclose(answer(read), answer(wrapped.checkpoint), atol=1e-4)
    assert np.ptp(answer(read), axis=0).max() > 0.1  # the images are told apart
    assert (read.model, read.classes, read.image_spec) == ("hierattn_xs", EIGHT.codes, ImageSpec(size=64))
    assert read.recipe == {"data": {"fold": 2}}


def test_of_the_released_model_that_asks_the_network_alone_is_read() -> None:
    path = released_bundle("phone")
    read = load_bundle(path)
    assert not read.taxonomy.questions
    spec = read.image_spec
    images = np.random.default_rng(2).integers(0, 256, (2, spec.size, spec.size, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(path))
    temperature = read_bundle(path)[1].temperature
    with torch.no_grad():
        logits = read.build()(normalise(to_unit(torch.from_numpy(images), spec.size), spec))
    found = session.run([PHOTO_PROBABILITIES], {session.get_inputs()[0].name: images})[0]
    np.testing.assert_allclose((logits / temperature).softmax(1).numpy(), found, atol=1e-4)


def test_its_licence_and_source_come_along(bundle: Path) -> None:
    known = load_bundle(bundle).provenance
    assert (known["source"], known["licence"], known["training_images"]) == ("isic2019", "CC BY-NC 4.0", 9)


# Rounding leaves the residual stream a small mean, which the bundle's root-mean-square normalisations keep and the
# layer normalisations here take off: what is read back differs by that much.
@pytest.mark.parametrize(("store", "bound"), [(store_as_float16, 1e-3), (store_mixed, 3e-2), (store_as_int8, 3e-2)])
def test_weights_in_few_bits_are_read_as_the_runtime_reads_them(
    store, bound: float, wrapped: Wrapped, tmp_path: Path
) -> None:
    proto = build_graph(wrapped.network)
    assert store(proto) > 50
    onnx.helper.set_model_props(proto, wrapped.bundle.to_metadata())
    path = tmp_path / "small.onnx"
    path.write_bytes(proto.SerializeToString())
    np.testing.assert_allclose(answer(load_bundle(path)), answer_of_file(path), atol=bound)


@pytest.mark.parametrize(
    ("name", "options", "spec"),
    [
        ("hierattn_s", {}, {}),
        ("hierattn_xs", {"branch_attention": False}, {}),
        ("hierattn_xs", {}, {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25]}),
    ],
    ids=["s", "no branches", "normalised images"],
)
def test_every_hierattn_and_specification_comes_back(name: str, options: dict, spec: dict, tmp_path: Path) -> None:
    source = checkpoint(name, spec_of(**spec), **options)
    path = export_onnx(wrap(source), tmp_path / "it.onnx").path
    np.testing.assert_allclose(answer(load_bundle(path)), answer(source), atol=1e-4)


@pytest.mark.parametrize("name", ["shufflenet_v2_1x", "timm:tf_efficientnet_lite0", "timm:resnet10t"])
def test_a_network_of_convolutions_and_linear_layers_comes_back(name: str, tmp_path: Path) -> None:
    source = peer(name)
    path = export_onnx(wrap(source), tmp_path / "it.onnx").path
    for images in (None, lambda spec: normalise(to_unit(torch.from_numpy(IMAGES), spec.size), spec)):
        read = load_bundle(path, images)
        np.testing.assert_allclose(answer(read), answer(source), atol=1e-4)
    assert np.ptp(answer(source), axis=0).max() > 0.05  # the images are told apart


def test_normalisations_take_the_statistics_of_images_and_the_answer_stays(bundle: Path) -> None:
    read = load_bundle(bundle, lambda spec: normalise(to_unit(torch.from_numpy(IMAGES), spec.size), spec))
    np.testing.assert_allclose(answer(read), answer(load_bundle(bundle)), atol=1e-4)
    model, seen = read.build(), []
    norm = model.stages[0].cth.fusion.norm
    norm.register_forward_pre_hook(lambda _norm, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(normalise(to_unit(torch.from_numpy(IMAGES), 64), read.image_spec))
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3), correction=0), rtol=1e-3, atol=1e-4)


def _without(proto: onnx.ModelProto, key: str) -> None:
    kept = [entry for entry in proto.metadata_props if entry.key != f"hierattn.{key}"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)


def _say(key: str, value: str):
    def change(proto: onnx.ModelProto) -> None:
        next(entry for entry in proto.metadata_props if entry.key == f"hierattn.{key}").value = value

    return change


def _without_last_convolution(proto: onnx.ModelProto) -> None:
    proto.graph.node.remove([node for node in proto.graph.node if node.op_type == "Conv"][-1])


def _computed_weight(proto: onnx.ModelProto) -> None:
    next(node for node in proto.graph.node if node.op_type == "Conv").input[1] = "nowhere"


def _nan(proto: onnx.ModelProto) -> None:
    name = next(node for node in proto.graph.node if node.op_type == "Gemm").input[1]
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
    values = onnx.numpy_helper.to_array(tensor) * np.float32(np.nan)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda proto: _without(proto, "classes"), "damaged description"),
        (lambda proto: _without(proto, "image_spec"), "damaged description"),
        (_say("model", '{"name": "mobilenet_v2", "parameters": 1}'), "does not hold mobilenet_v2"),
        (_say("model", '{"name": "timm:convnext_atto", "parameters": 1}'), "only the weights of a HierAttn, or of"),
        (_say("model", '{"name": "nobody", "parameters": 1}'), "does not say what it is"),
        (_say("model", '{"name": "hierattn_s", "parameters": 1}'), "a tensor of shape"),
        (_say("provenance", "3"), "damaged description"),
        (_say("training_data", "[1]"), "damaged description"),
        (_say("training_data", '{"all_sources": [1]}'), "does not say what it is"),
        (_say("recipe", "3"), "damaged description"),
        (_say("format_version", "99"), "has format 99, this hierattn reads"),
        (_without_last_convolution, "too few layers"),
        (_computed_weight, "nowhere is no stored weight"),
        (_nan, "not finite"),
    ],
)
def test_what_does_not_fit_gets_one_line(change, told: str, bundle: Path, tmp_path: Path) -> None:
    proto = onnx.load(bundle)
    change(proto)
    path = tmp_path / "odd.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(CheckpointError, match=told) as error:
        load_bundle(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("provenance", "3"), ("training_data", "[1]"), ("classes", "not JSON")])
def test_what_a_bundle_says_of_its_runs_is_refused_where_it_makes_no_sense(
    key: str, value: str, bundle: Path, tmp_path: Path
) -> None:
    proto = onnx.load(bundle)
    _say(key, value)(proto)
    path = tmp_path / "odd.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(CheckpointError, match="damaged description"):
        bundle_provenance(path)


def test_missing_damaged_and_huge_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no bundle at"):
        load_bundle(tmp_path / "none.onnx")
    (tmp_path / "half.onnx").write_bytes(bundle.read_bytes()[: 2**19])
    with pytest.raises(CheckpointError, match="no whole ONNX file"):
        load_bundle(tmp_path / "half.onnx")
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CheckpointError, match="at most"):
        load_bundle(tmp_path / "huge.onnx")
