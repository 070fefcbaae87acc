"""What is promised to programs is what is sent: every field, every word, and room for later ones."""

from __future__ import annotations

from typing import get_args

import pytest

pytest.importorskip("fastapi")

from pydantic import BaseModel, ValidationError
from services import post, rendered_photos, send, service
from small_bundles import write_small_bundle

from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.deploy.predict.triage import LEVELS, RULES
from hierattn.serve.schemas import Advice, Answer, Model, Prediction, Predictions, Problem, Quality


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):
    with service(write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")) as app:
        yield app


@pytest.fixture(scope="module")
def prediction(app) -> dict:
    return post(app, rendered_photos()[0], query="?heatmap=true").json()["predictions"][0]


def test_an_answer_has_the_promised_fields_and_no_other(app, prediction):
    assert set(prediction) == set(Prediction.model_fields)
    assert set(prediction["advice"]) == set(Advice.model_fields)
    assert set(prediction["quality"]) == set(Quality.model_fields)
    assert set(send(app, "GET", "/v1/model").json()) >= set(Model.model_fields)
    assert set(post(app, b"").json()) == set(Problem.model_fields)


def test_the_words_are_those_of_their_owners():
    words = {name: get_args(field.annotation) for name, field in Advice.model_fields.items()}
    assert words["level"] == LEVELS
    assert words["rule"] == RULES
    assert set(words["language"]) == set(TEXTS)


def test_a_later_version_may_add_to_an_answer(prediction):
    later = {**prediction, "new": 1}
    assert Predictions.model_validate({"predictions": [later]}).predictions[0].model_dump()["new"] == 1


@pytest.mark.parametrize(
    ("field", "value"), [("risk", 1.2), ("risk", "high"), ("seconds", -1.0), ("probabilities", {"MEL": "high"})]
)
def test_an_answer_that_breaks_the_promise_is_refused(prediction, field, value):
    with pytest.raises(ValidationError, match=field):
        Prediction.model_validate({**prediction, field: value})


def test_every_answer_says_that_it_may_grow():
    answers = [kind for kind in Answer.__subclasses__() if issubclass(kind, BaseModel)]
    assert len(answers) >= 8
    assert all(kind.model_json_schema()["additionalProperties"] is True for kind in answers)
