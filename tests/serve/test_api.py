"""The interface for programs: the Predictor's own answers, by each bundle's name, and its description."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi")

from PIL import Image
from services import assert_problem, post, send, service
from small_bundles import BUNDLE, write_small_bundle

from hierattn.deploy.predict.predictor import Predictor


def test_service_gives_the_predictors_own_answers(bundle, photos):
    expected = Predictor.load(bundle)(photos, heatmap=True, language="zh")
    with service(bundle) as app:
        answer = post(app, *photos, query="?heatmap=true&language=zh")
    assert answer.status_code == 200
    for mine, theirs in zip(answer.json()["predictions"], expected, strict=True):
        plain = json.loads(json.dumps(theirs.to_dict()))
        assert mine["probabilities"] == pytest.approx(plain["probabilities"], abs=1e-6)
        assert (mine["label"], mine["risk"]) == (plain["label"], pytest.approx(plain["risk"], abs=1e-6))
        if plain["heatmap"] is None:
            assert (mine["heatmap"], mine["advice"]["level"]) == (None, "retake")
        else:
            assert np.allclose(mine["heatmap"], plain["heatmap"], atol=1e-5)
        assert mine["advice"] == plain["advice"]
        assert mine["quality"] == plain["quality"]


def test_an_unfit_photograph_gets_advice_and_no_figure(bundle):
    black = io.BytesIO()
    Image.new("RGB", (200, 200)).save(black, "PNG")
    with service(bundle) as app:
        answer = post(app, black.getvalue(), query="?heatmap=true").json()["predictions"][0]
    assert answer["advice"]["level"] == "retake"
    assert [answer[key] for key in ("label", "probabilities", "risk", "heatmap")] == [None] * 4
    assert answer["prediction_sets"] == []


def test_description_is_the_bundles_metadata_and_digest(bundle):
    import hashlib

    with service(bundle) as app:
        model = send(app, "GET", "/v1/model").json()
    assert model["training_data"] == {"source": "synthetic", "licence": "CC0-1.0"}
    assert model["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert [one["code"] for one in model["classes"]] == list(Predictor.load(bundle).bundle.classes)


def test_several_bundles_answer_by_name_and_the_first_where_none_is_named(bundle, photos, tmp_path):
    other = write_small_bundle(tmp_path / "other.onnx", replace(BUNDLE, temperature=9.0))
    mine, theirs = (Predictor.load(one)(photos[0]).probabilities for one in (bundle, other))
    assert mine != pytest.approx(theirs, abs=1e-3)
    with service(bundle, more=(("phone", str(other)),)) as app:
        asked = ("", "?model=model", "?model=phone")
        given = [post(app, photos[0], query=query).json()["predictions"][0]["probabilities"] for query in asked]
        listed = send(app, "GET", "/v1/models").json()["models"]
        one = send(app, "GET", "/v1/model?model=phone").json()
        assert_problem(post(app, photos[0], query="?model=none"), 422, "model")
        assert_problem(send(app, "GET", "/v1/model?model=none"), 422, "model")
    for got, expected in zip(given, (mine, mine, theirs), strict=True):
        assert got == pytest.approx(expected, abs=1e-4)
    assert [(model["name"], model["temperature"]) for model in listed] == [("model", 1.5), ("phone", 9.0)]
    assert one == listed[1]


def test_damaged_photograph_is_named_by_its_number(bundle, photos):
    with service(bundle) as app:
        assert assert_problem(post(app, photos[0], photos[1][:500]), 422, "image")["image"] == 1
        assert assert_problem(post(app, b""), 422, "image")["image"] == 0


def test_late_answer_is_given_up(bundle, photos, monkeypatch):
    import time

    monkeypatch.setattr("hierattn.serve.work.read_photograph", lambda *_, **__: time.sleep(0.3))
    with service(bundle, answer_seconds=0.05) as app:
        refused = post(app, photos[0])
    assert_problem(refused, 503, "late")
    assert refused.headers["retry-after"] == "5"
