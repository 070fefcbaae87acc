"""The bundle: what it says of itself survives the file, and hostile or foreign files get one line."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_bundles import BUNDLE, UNCALIBRATED, small_graph, write_model, write_small_bundle

from hierattn.bundle import bundle as bundle_module
from hierattn.bundle.bundle import FORMAT_VERSION, Bundle, read_bundle
from hierattn.bundle.prediction_set import SetRule
from hierattn.errors import BundleError

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def refuse(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 400
    return line


@pytest.mark.parametrize("bundle", [BUNDLE, UNCALIBRATED], ids=["calibrated", "uncalibrated"])
def test_what_a_bundle_says_survives_the_file(tmp_path, bundle):
    assert read_bundle(write_small_bundle(tmp_path / "b.onnx", bundle))[1] == bundle


def test_every_metadata_value_is_json_a_stranger_can_read(tmp_path):
    model = onnx.load(write_small_bundle(tmp_path / "b.onnx"))
    values = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert values["hierattn.format_version"] == 3
    assert [one["code"] for one in values["hierattn.classes"]] == list(BUNDLE.classes)
    assert values["hierattn.temperature"] == 1.5
    assert values["hierattn.triage"]["threshold"] == 0.3
    assert "Not a medical device" in values["hierattn.intended_use"]


def test_missing_file_is_named(tmp_path):
    assert "no bundle at" in refuse(tmp_path / "none.onnx")


def test_folder_is_refused(tmp_path):
    assert "cannot be read" in refuse(tmp_path)


def test_file_above_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "big.onnx"
    with path.open("wb") as file:
        os.truncate(file.fileno(), bundle_module.MAX_BYTES + 1)  # sparse: no such memory is ever there
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("the file was read"))
    assert "wanted a bundle of at most" in refuse(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not a model at all", b"\xff" * 4000, b"PK\x03\x04" * 50])
def test_bytes_that_are_no_model_are_refused(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    assert "ONNX" in refuse(path)


def test_every_truncation_is_refused(tmp_path):
    whole = write_small_bundle(tmp_path / "b.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 131):
        path.write_bytes(whole[:length])
        refuse(path)


def test_random_damage_gives_a_bundle_or_a_bundle_error_and_nothing_else(tmp_path):
    whole = write_small_bundle(tmp_path / "b.onnx").read_bytes()
    generator, path = np.random.default_rng(0), tmp_path / "damaged.onnx"
    for _ in range(80):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(BundleError):  # anything else is a traceback in a user's face
            read_bundle(path)


def test_foreign_model_is_told_apart_from_a_damaged_one(tmp_path):
    assert "no bundle of ours" in refuse(write_model(tmp_path / "f.onnx", small_graph(), {"author": "someone"}))


def test_newer_format_asks_for_an_update(tmp_path):
    metadata = {**BUNDLE.to_metadata(), "hierattn.format_version": str(FORMAT_VERSION + 1)}
    assert "update hierattn" in refuse(write_model(tmp_path / "n.onnx", small_graph(), metadata))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", "[]"),
        ("classes", '[{"code": "MEL"}, {"code": "MEL"}]'),
        ("classes", '[{"code": "MEL"}, {"code": "CAT"}]'),
        ("classes", "{"),
        ("temperature", "0"),
        ("temperature", "NaN"),
        ("temperature", '"warm"'),
        ("image_spec", '{"size": 1000000}'),
        ("image_spec", '{"sizes": 64}'),
        ("triage", '{"group": ["MEL"], "threshold": 2}'),
        ("triage", '{"group": ["MEL"], "threshold": 0.5, "interval": [0.5]}'),
        ("triage", '{"threshold": 0.5}'),
        ("model", '{"name": "x", "parameters": Infinity}'),
        ("model", "[" * 5000),
        ("metrics", "3"),
    ],
)
def test_damaged_description_gets_one_line(tmp_path, key, value):
    metadata = {**BUNDLE.to_metadata(), f"hierattn.{key}": value}
    assert "damaged description" in refuse(write_model(tmp_path / "d.onnx", small_graph(), metadata))


def test_missing_entry_gets_one_line(tmp_path):
    metadata = BUNDLE.to_metadata()
    del metadata["hierattn.classes"]
    assert "classes" in refuse(write_model(tmp_path / "m.onnx", small_graph(), metadata))


def external_data(model: onnx.ModelProto) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"


def external_data_in_a_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Shell", ["risk"], ["s"], domain="com.example"))


def graph_within(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("If", ["risk"], ["i"], then_branch=body, else_branch=body))


def own_function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [], [helper.make_opsetid("", 20)]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (external_data, "data in other files"),
        (external_data_in_a_constant, "data in other files"),
        (foreign_operator, "operators of com.example"),
        (graph_within, "graphs within the graph"),
        (own_function, "functions of its own"),
    ],
)
def test_what_a_bundle_has_no_business_with_is_refused(tmp_path, spoil, said):
    model = small_graph()
    spoil(model)
    assert said in refuse(write_model(tmp_path / "h.onnx", model, BUNDLE.to_metadata()))


def test_other_outputs_are_refused(tmp_path):
    model = small_graph()
    del model.graph.output[1]
    assert "outputs" in refuse(write_model(tmp_path / "o.onnx", model, BUNDLE.to_metadata()))


def test_figures_without_a_value_cannot_enter_the_metadata():
    with pytest.raises(ValueError, match="JSON"):
        Bundle(**{**BUNDLE.__dict__, "metrics": {"top1": float("nan")}}).to_metadata()


def test_a_bundle_of_version_1_reads_as_the_same_bundle():
    rules = (SetRule(0.9, 0.2, 0.87, (0.8, 0.92), 1.7), SetRule(0.95, 0.01))
    novelty = {"threshold": 2.0, "target": 0.03, "confidence": 0.9, "rejected": 0.1, "rejected_of_class": {"NV": 0.2}}
    calibration = {"target_sensitivity": 0.95, "confidence": 0.8}
    bundle = replace(BUNDLE, prediction_sets=rules, novelty=novelty, calibration=calibration)
    former = {
        "target_sensitivity": "wished_sensitivity",
        "rejected": "turned_away",
        "rejected_of_class": "turned_away_of_class",
    }
    former |= {"target": "wished", "confidence": "sure"}
    text = json.dumps(bundle.to_metadata())
    for new, old in former.items():
        text = text.replace(f'\\"{new}\\"', f'\\"{old}\\"')
    metadata = {**json.loads(text), "hierattn.format_version": "1"}
    assert "target" not in "".join(metadata.values())
    assert Bundle.from_metadata(metadata, "old") == bundle


def test_a_bundle_that_was_released_as_version_1_is_read_under_the_new_keys():
    """The description of the phone model that was released before version 4."""
    written = json.loads((GOLDEN / "phone_of_version_1.json").read_text(encoding="utf-8"))
    raw = {key: json.loads(text) for key, text in written.items()}
    bundle = Bundle.from_metadata(written, "phone")
    assert raw["hierattn.format_version"] == 1
    assert bundle.triage.target_sensitivity == raw["hierattn.triage"]["wished_sensitivity"]
    assert bundle.novelty["rejected"] == raw["hierattn.novelty"]["turned_away"]
    assert bundle.novelty["rejected_of_class"] == raw["hierattn.novelty"]["turned_away_of_class"]
    assert [rule.target for rule in bundle.prediction_sets] == [
        rule["wished"] for rule in raw["hierattn.prediction_sets"]
    ]
    assert not {"wished", "sure", "turned_away"} & {*bundle.novelty, *bundle.calibration}
    assert Bundle.from_metadata(bundle.to_metadata(), "phone") == bundle
