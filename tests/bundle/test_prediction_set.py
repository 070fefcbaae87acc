"""The classes that cannot be excluded: the evaluation's thresholds, in the bundle and in each answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import BUNDLE, small_graph, write_model, write_small_bundle

from hierattn.bundle.bundle import read_bundle
from hierattn.bundle.prediction_set import SetRule, prediction_sets
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import BundleError
from hierattn.evaluation.measures import conformal
from hierattn.taxonomy.built_in import EIGHT

RULES = (SetRule(0.9, 0.2, 0.87, (0.8, 0.92), 1.7), SetRule(0.95, 0.01))


def test_they_are_the_evaluations_sets():
    probabilities = np.random.default_rng(0).dirichlet(np.full(8, 0.4), 50)
    wanted = conformal.prediction_sets(probabilities, 0.2)
    for row, member in zip(probabilities, wanted, strict=True):
        found = prediction_sets(dict(zip(EIGHT.codes, row, strict=True)), RULES)[0]
        assert set(found.classes) == {code for code, inside in zip(EIGHT.codes, member, strict=True) if inside}
        assert list(found.classes) == sorted(found.classes, key=lambda code: -row[EIGHT.codes.index(code)])


def test_they_survive_the_file_and_every_answer_has_its_sets(tmp_path):
    path = write_small_bundle(tmp_path / "b.onnx", replace(BUNDLE, prediction_sets=RULES))
    assert read_bundle(path)[1].prediction_sets == RULES
    diagnosis = Predictor.load(path, threads=1)(render_lesion("MEL", np.random.default_rng(6), 150).image)
    assert diagnosis.prediction_sets == prediction_sets(diagnosis.probabilities, RULES)
    plain = diagnosis.to_dict()["prediction_sets"]
    assert [one["wished"] for one in plain] == [0.9, 0.95]
    assert [one["coverage"] for one in plain] == [0.87, None]
    assert set(plain[0]["classes"]) <= set(plain[1]["classes"])


def test_answers_to_questions_take_no_class_off_a_set():
    drawn = np.random.default_rng(1).dirichlet(np.full(8, 0.4), (50, 2))
    for told, alone in (([dict(zip(EIGHT.codes, row, strict=True)) for row in pair]) for pair in drawn):
        each = [prediction_sets(*given) for given in ((told, RULES, alone), (told, RULES), (alone, RULES))]
        for both, *single in zip(*each, strict=True):
            assert set(both.classes) == {code for one in single for code in one.classes}
            assert list(both.classes) == sorted(both.classes, key=lambda code: -told[code])


def test_a_bundle_without_them_gives_none(tmp_path):
    metadata = BUNDLE.to_metadata()
    del metadata["hierattn.prediction_sets"]  # as bundles of before
    path = write_model(tmp_path / "old.onnx", small_graph(), metadata)
    photo = render_lesion("MEL", np.random.default_rng(6), 150).image
    assert Predictor.load(path, threads=1)(photo).to_dict()["prediction_sets"] == []


@pytest.mark.parametrize("text", ['[{"target": 2, "threshold": 0.1}]', '[{"target": 0.9}]', "3", '["x"]'])
def test_damaged_ones_get_one_line(tmp_path, text):
    metadata = {**BUNDLE.to_metadata(), "hierattn.prediction_sets": text}
    with pytest.raises(BundleError, match="damaged description"):
        read_bundle(write_model(tmp_path / "d.onnx", small_graph(), metadata))
