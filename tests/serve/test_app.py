"""The whole application: its operations' pages, errors of its routes, other origins, and what it loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from services import assert_problem, post, send, service

from hierattn.errors import BundleError, UsageError
from hierattn.serve.app import app_from_environment, create_app
from hierattn.serve.settings import API_KEYS, ENVIRONMENT, ServiceSettings


def test_operations_pages_answer(bundle, photos):
    with service(bundle) as app:
        assert send(app, "GET", "/healthz").json() == {"status": "alive"}
        assert send(app, "GET", "/readyz").json() == {"status": "ready"}
        assert post(app, photos[0]).status_code == 200
        text = send(app, "GET", "/metrics").text
        page = send(app, "GET", "/docs")
    assert 'hierattn_requests_total{method="POST",route="/v1/predictions",status="200"} 1.0' in text
    assert "hierattn_batch_images_count 1.0" in text
    assert "/v1/predictions" in page.text
    assert "<script" not in page.text


def test_openvino_serves_onnx_runtimes_answers(bundle, photos):
    pytest.importorskip("openvino")
    found = []
    for runtime in ("openvino", "onnxruntime"):
        with service(bundle, runtime=runtime, threads=2) as app:
            found.append([each["probabilities"] for each in post(app, *photos[:3]).json()["predictions"]])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_stopping_service_is_not_ready(bundle):
    with service(bundle) as app:
        app.state.service.pool.close()
        assert send(app, "GET", "/readyz").status_code == 503
        assert send(app, "GET", "/healthz").status_code == 200


@pytest.mark.parametrize("query", ["?language=fr", "?rule=mine", "?heatmap=perhaps"])
def test_unknown_parameters_are_refused(bundle, photos, query):
    with service(bundle) as app:
        assert_problem(post(app, photos[0], query=query), 422, "parameter")


def test_unknown_routes_and_methods_are_problems(bundle):
    with service(bundle) as app:
        assert_problem(send(app, "GET", "/v2/anything"), 404, "route")
        refused = send(app, "GET", "/v1/predictions")
    assert_problem(refused, 405, "route")
    assert refused.headers["allow"] == "POST"


def test_other_origins_are_closed_unless_named(bundle):
    preflight = {"Origin": "https://clinic.example", "Access-Control-Request-Method": "POST"}
    with service(bundle) as app:
        assert "access-control-allow-origin" not in send(app, "OPTIONS", "/v1/predictions", headers=preflight).headers
    with service(bundle, origins=("https://clinic.example",)) as app:
        allowed = send(app, "OPTIONS", "/v1/predictions", headers=preflight)
        other = send(app, "OPTIONS", "/v1/predictions", headers=preflight | {"Origin": "https://other.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://clinic.example"
    assert "access-control-allow-origin" not in other.headers


def test_missing_bundle_is_said_before_anything_is_served(tmp_path):
    with pytest.raises(BundleError, match="no bundle"):
        create_app(ServiceSettings(str(tmp_path / "none.onnx")))


def test_service_needs_no_torch(bundle):
    code = (
        "import sys; from hierattn.serve.app import create_app; from hierattn.serve.settings import ServiceSettings\n"
        f"app = create_app(ServiceSettings({str(bundle)!r})); app.state.service.pool.close()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_process_builds_it_from_the_environment(bundle, monkeypatch):
    key = "a-key-of-more-than-sixteen-characters"
    monkeypatch.setenv(ENVIRONMENT, ServiceSettings(str(bundle), app=False, name="phone").to_json())
    monkeypatch.setenv(API_KEYS, key)
    app = app_from_environment()
    try:
        assert send(app, "GET", "/v1/models").status_code == 401
        models = send(app, "GET", "/v1/models", headers={"X-API-Key": key}).json()["models"]
    finally:
        app.state.service.pool.close()
    assert [model["name"] for model in models] == ["phone"]


def test_without_settings_in_the_environment_it_says_how_to_start(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(UsageError, match="hierattn serve"):
        app_from_environment()


def test_every_reference_in_the_description_leads_somewhere(bundle):
    with service(bundle) as app:
        text = send(app, "GET", "/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert {"Problem", "Predictions", "Advice"} <= references <= set(schemas)
    assert "HTTPValidationError" not in schemas
