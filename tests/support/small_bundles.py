"""Small bundles written by hand with ``onnx.helper``: what the deploy tests feed to the predictor, without torch.

The graph is Resize -> mean colour -> linear -> softmax: a network whose answer can be computed on paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from hierattn.bundle.bundle import Bundle
from hierattn.bundle.prediction_set import SetRule
from hierattn.bundle.thresholds import TriageSettings
from hierattn.deploy.predict.released import DOMAIN_OF, SUMS
from hierattn.image_spec import ImageSpec
from hierattn.taxonomy.built_in import EIGHT, MALIGNANT_OR_BENIGN
from hierattn.taxonomy.records import LesionClass, Taxonomy

TWO_LAYERS_SIDE = 16
WEIGHTS = np.random.default_rng(7).normal(0, 6, (3, len(EIGHT.codes))).astype(np.float32)
GROUP = tuple(code for code in EIGHT.codes if code in EIGHT.triage_group)
CALIBRATED = TriageSettings(
    group=GROUP, threshold=0.3, target_sensitivity=0.95, sensitivity=0.93, interval=(0.88, 0.97), images=250
)
BUNDLE = Bundle(
    model="hierattn_xs",
    parameters=24,
    taxonomy=EIGHT,
    image_spec=ImageSpec(size=64, crop="surround"),
    temperature=1.5,
    triage=CALIBRATED,
    training_data={"source": "synthetic", "licence": "CC0-1.0"},
    metrics={"top1": {"value": 0.5, "interval": [0.4, 0.6]}},
    provenance={"hierattn": "0.1.0", "commit": "abc"},
    heatmap="the answer again, on 2 x 2 cells",
)
USUAL_COLOUR = np.array([0.75, 0.6, 0.55], np.float32)
"""Of skin; with ``novelty`` in the bundle the graph gives ten times a photograph's mean distance from it."""
NOVEL = replace(BUNDLE, novelty={"threshold": 2.0, "method": "distance of the mean colour", "rejected": 0.0})
UNCALIBRATED = replace(BUNDLE, temperature=1.0, triage=TriageSettings(group=GROUP))


_NAMED = (
    LesionClass("PSO", "psoriasis", plain={"en": "scaly, itching patches", "pt-BR": "placas que descamam"}),
    LesionClass("ekzem_händig", "Handekzem", plain={"zh-Hans": "手部湿疹"}),
    LesionClass("MEL", "melanoma"),
    LesionClass("NV", "naevus of Ota"),
    LesionClass("银屑病", "银屑病"),
    LesionClass("lupus-erythematosus-of-the-face-and-neck", "lupus erythematosus " * 9 + "of the face"),
)
CLINIC = Taxonomy(
    "Klinik Süd", (*_NAMED, *(LesionClass(f"D{number:02}", f"diagnosis {number}") for number in range(17)))
)
"""23 classes of which nothing is said: own words for patients, two names of the eight, one code of the eight that means
something else, other scripts, a code of 40 characters and a name of 191."""

HUNDRED = Taxonomy(
    "atlas",
    tuple(LesionClass(f"A{number:02}", f"atlas diagnosis {number}", refer=number % 7 == 0) for number in range(100)),
)


def bundle_of(taxonomy: Taxonomy, **values: object) -> Bundle:
    """A small bundle's description with these classes; calibrated, with a threshold where they say who is referred."""
    group = tuple(code for code in taxonomy.codes if code in taxonomy.triage_group)
    triage = replace(CALIBRATED, group=group) if group else TriageSettings()
    sets = (SetRule(0.9, 0.03, 0.91, (0.88, 0.94), 3.1), SetRule(0.99, 0.002))
    described = {"calibration": {"temperature": 1.5}, "prediction_sets": sets, **values}
    return replace(BUNDLE, taxonomy=taxonomy, triage=triage, **described)  # type: ignore[arg-type]


OWN = {"two": bundle_of(MALIGNANT_OR_BENIGN), "clinic": bundle_of(CLINIC), "hundred": bundle_of(HUNDRED)}
"""Name -> bundle."""


def weights_for(classes: int) -> np.ndarray:
    """(3, classes) in float32: for up to eight, columns of :data:`WEIGHTS`."""
    if classes <= WEIGHTS.shape[1]:
        return WEIGHTS[:, :classes]
    return np.random.default_rng(classes).normal(0, 6, (3, classes)).astype(np.float32)


def expected_probabilities(image: np.ndarray, temperature: float = BUNDLE.temperature) -> np.ndarray:
    """What the graph gives for a uint8 image of its own size, in float64."""
    logits = (image.reshape(-1, 3).mean(axis=0) / 255) @ WEIGHTS.astype(np.float64) / temperature
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def small_graph(bundle: Bundle = BUNDLE) -> onnx.ModelProto:
    """The graph, without metadata."""
    size, classes = bundle.image_spec.size, len(bundle.classes)
    nodes = [
        helper.make_node(
            "Resize", ["image", "", "", "sizes"], ["resized"], mode="linear", antialias=1, exclude_outside=1,
            coordinate_transformation_mode="half_pixel", axes=[1, 2],
        ),
        helper.make_node("Cast", ["resized"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "full"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "places"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=1),
        helper.make_node("MatMul", ["probabilities", "group"], ["risk"]),
        helper.make_node("Reshape", ["calibrated", "cells"], ["cell"]),
        helper.make_node("Tile", ["cell", "repeats"], ["heatmap"]),
    ]  # fmt: skip
    outputs = []
    if bundle.novelty:
        nodes += [
            helper.make_node("Sub", ["colour", "usual"], ["apart"]),
            helper.make_node("Abs", ["apart"], ["far"]),
            helper.make_node("ReduceMean", ["far", "channels"], ["distance"], keepdims=0),
            helper.make_node("Mul", ["distance", "ten"], ["novelty"]),
        ]
        outputs.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"]))
    group = np.array([float(code in bundle.triage.group) for code in bundle.classes], np.float32)
    constants: dict[str, np.ndarray] = {
        "sizes": np.array([size, size], np.int64),
        "full": np.array(255, np.float32),
        "places": np.array([1, 2], np.int64),
        "weights": weights_for(classes),
        "temperature": np.array(bundle.temperature, np.float32),
        "group": group,
        "cells": np.array([-1, classes, 1, 1], np.int64),
        "repeats": np.array([1, 1, 2, 2], np.int64),
    }
    if bundle.novelty:
        channels, ten = np.array([1], np.int64), np.array(10, np.float32)
        constants |= {"usual": USUAL_COLOUR, "channels": channels, "ten": ten}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes]),
            helper.make_tensor_value_info("risk", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["N", classes, 2, 2]),
            *outputs,
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def write_model(path: Path, model: onnx.ModelProto, metadata: Mapping[str, str]) -> Path:
    """Write ``model`` with ``metadata``."""
    helper.set_model_props(model, dict(metadata))
    path.write_bytes(model.SerializeToString())
    return path


def write_small_bundle(path: Path, bundle: Bundle = BUNDLE) -> Path:
    """Write a whole small bundle."""
    return write_model(path, small_graph(bundle), bundle.to_metadata())


def two_layers() -> onnx.ModelProto:
    """Bytes (N, 16, 16, 3) -> convolution of 1,200 weights -> mean -> product -> softmax."""
    generator = np.random.default_rng(0)
    constants = {
        "kernel": generator.normal(0, 0.2, (48, 3, 3, 3)).astype(np.float32),
        "bias": generator.normal(0, 0.1, 48).astype(np.float32),
        "wide": generator.normal(0, 0.2, (48, 64)).astype(np.float32),
        "wide_bias": np.zeros(64, np.float32),
        "last": generator.normal(0, 2, (64, 4)).astype(np.float32),
        "full": np.array(255, np.float32),
        "places": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT, name="cast"),
        helper.make_node("Div", ["values", "full"], ["unit"], name="div"),
        helper.make_node("Transpose", ["unit"], ["first"], perm=[0, 3, 1, 2], name="transpose"),
        helper.make_node("Conv", ["first", "kernel", "bias"], ["map"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["map"], ["positive"], name="relu"),
        helper.make_node("ReduceMean", ["positive", "places"], ["pooled"], keepdims=0, name="mean"),
        helper.make_node("Gemm", ["pooled", "wide", "wide_bias"], ["hidden"], name="gemm"),
        helper.make_node("MatMul", ["hidden", "last"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1, name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", TWO_LAYERS_SIDE, TWO_LAYERS_SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def answer_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    """What ONNX Runtime answers, once the checker finds the graph whole and plain."""
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


def with_novelty(path: Path, value: float) -> None:
    """A small bundle that finds every photograph ``value`` novel, where 1 is its limit."""
    graph = small_graph(BUNDLE)
    graph.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "how_novel"))
    graph.graph.node.append(helper.make_node("Mul", ["risk", "zero"], ["none"]))
    graph.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    graph.graph.node.append(helper.make_node("Add", ["none", "how_novel"], ["novelty"]))
    graph.graph.output.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"]))
    write_model(path, graph, replace(BUNDLE, novelty={"threshold": 1.0}).to_metadata())


def list_sums(folder: Path) -> None:
    """List the checksums of the bundles in a folder, as a release does."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.glob("*.onnx")]
    (folder / SUMS).write_text("".join(lines))


def write_released(folder: Path) -> Path:
    """Bundles as if released: nothing is like what those of ``dermoscopy`` have seen, everything like ``phone``'s."""
    for name, domain in DOMAIN_OF.items():
        with_novelty(folder / f"{name}.onnx", 3.0 if domain == "dermoscopy" else 0.5)
    list_sums(folder)
    return folder
