"""A graph's answer that is none is an error: no shape, number or sum but what a bundle promises gets by."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from small_bundles import BUNDLE, small_graph, write_model

from hierattn.deploy.predict.answer_check import check_answer
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import BundleError


def good(images: int = 3) -> dict[str, np.ndarray]:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(8), images).astype(np.float32)
    group = [code in BUNDLE.triage.group for code in BUNDLE.classes]
    return {
        "probabilities": probabilities,
        "risk": probabilities[:, group].sum(1),
        "heatmap": np.zeros((images, 8, 15, 15), np.float32),
        "novelty": np.ones(images, np.float32),
    }


def spoilt(name: str, change) -> dict[str, np.ndarray]:
    answer = good()
    answer[name] = change(answer[name].copy())
    return answer


def without_number(values: np.ndarray) -> np.ndarray:
    values.flat[-1] = np.nan
    return values


def test_what_a_bundle_promises_passes():
    check_answer(good(), 3, BUNDLE)
    check_answer({name: good()[name] for name in ("probabilities", "risk")}, 3, BUNDLE)


@pytest.mark.parametrize("name", ["probabilities", "risk", "heatmap", "novelty"])
@pytest.mark.parametrize(
    "change",
    [
        without_number,
        lambda values: values[:2],
        lambda values: values[..., None],
        lambda values: values.astype(np.int32),
    ],
    ids=["nan", "too few", "one axis more", "whole numbers"],
)
def test_wrong_shapes_kinds_and_numbers_are_refused(name, change):
    with pytest.raises(BundleError, match=f"gave a {name}"):
        check_answer(spoilt(name, change), 3, BUNDLE)


def test_probabilities_that_are_none_are_refused():
    for change in (lambda values: values * 1.01, lambda values: values - 0.2, lambda values: values[:, ::-1] * 0):
        with pytest.raises(BundleError, match="no probabilities"):
            check_answer(spoilt("probabilities", change), 3, BUNDLE)


def test_a_risk_that_does_not_follow_from_the_probabilities_is_refused():
    with pytest.raises(BundleError, match="not its probabilities' sum"):
        check_answer(spoilt("risk", lambda values: values * 0.5), 3, BUNDLE)


@pytest.mark.parametrize("factor", [np.nan, 0.0, 0.5])
def test_a_damaged_graph_tells_nobody_to_wait(tmp_path, factor):
    model = small_graph()
    node = next(node for node in model.graph.node if "risk" in node.output)
    node.output[0] = "whole risk"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    model.graph.node.append(helper.make_node("Mul", ["whole risk", "factor"], ["risk"]))
    predictor = Predictor.load(write_model(tmp_path / "calm.onnx", model, BUNDLE.to_metadata()), threads=1)
    with pytest.raises(BundleError, match="risk"):
        predictor(np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8))
