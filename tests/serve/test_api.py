"""The service: the Predictor's own answers, and each refusal with its status, in process."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from small_bundles import BUNDLE, write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import BundleError, UsageError
from hierattn.serve.app import create_app
from hierattn.serve.settings import ServiceSettings

KEY = "a-key-of-more-than-sixteen-characters"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [
        png(render_lesion(code, np.random.default_rng(n), 160).image) for n, code in enumerate(("MEL", "NV", "BCC"))
    ]


@contextmanager
def service(bundle: Path, keys: tuple[str, ...] = (), **limits: Any) -> Iterator[Any]:
    app = create_app(ServiceSettings(str(bundle), app=False, **limits), keys)
    try:
        yield app
    finally:
        app.state.service.pool.close()


def send(app: Any, method: str, url: str, **arguments: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, url, **arguments)

    return asyncio.run(go())


def post(app: Any, *contents: bytes, query: str = "", **arguments: Any) -> httpx.Response:
    files = [("images", ("photo", content)) for content in contents]
    return send(app, "POST", f"/v1/predictions{query}", files=files, **arguments)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert "\n" not in problem["detail"]
    return problem


def test_service_gives_the_predictors_own_answers(bundle, photos):
    expected = Predictor.load(bundle)(photos, heatmap=True, language="zh")
    with service(bundle) as app:
        answer = post(app, *photos, query="?heatmap=true&language=zh")
    assert answer.status_code == 200
    for mine, theirs in zip(answer.json()["predictions"], expected, strict=True):
        plain = json.loads(json.dumps(theirs.to_dict()))
        assert mine["probabilities"] == pytest.approx(plain["probabilities"], abs=1e-6)
        assert np.allclose(mine["heatmap"], plain["heatmap"], atol=1e-5)
        assert mine["advice"] == plain["advice"]
        assert mine["quality"] == plain["quality"]


def test_concurrent_requests_each_get_their_own_answer(bundle, photos):
    expected = [one.probabilities for one in Predictor.load(bundle)(photos)]

    async def go(app: Any) -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            wanted = (client.post("/v1/predictions", files={"images": photos[n % 3]}) for n in range(24))
            return await asyncio.gather(*wanted)

    with service(bundle, threads=2, batch=4) as app:
        answers = asyncio.run(go(app))
    for number, answer in enumerate(answers):
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(expected[number % 3], abs=1e-6)


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


def test_requests_for_two_bundles_at_a_time_do_not_mix(bundle, photos, tmp_path):
    other = write_small_bundle(tmp_path / "other.onnx", replace(BUNDLE, temperature=9.0))
    expected = [Predictor.load(one)(photos[0]).probabilities for one in (bundle, other)]

    async def go(app: Any) -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            names = ("model", "phone") * 8
            wanted = (client.post(f"/v1/predictions?model={n}", files={"images": photos[0]}) for n in names)
            return await asyncio.gather(*wanted)

    with service(bundle, more=(("phone", str(other)),), threads=2) as app:
        answers = asyncio.run(go(app))
    for number, answer in enumerate(answers):
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(
            expected[number % 2], abs=1e-4
        )  # a batch's last digits differ


def test_command_names_what_it_serves():
    from hierattn.cli.serve import served_models

    assert served_models("a.onnx", None, ["b=c=d.onnx"]) == [("model", "a.onnx"), ("b", "c=d.onnx")]
    assert served_models(None, "phone", [])[0] == ("phone", "phone")
    with pytest.raises(UsageError, match="NAME=BUNDLE"):
        served_models("a.onnx", None, ["b.onnx"])


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


def test_stopping_service_is_not_ready(bundle):
    with service(bundle) as app:
        app.state.service.pool.close()
        assert send(app, "GET", "/readyz").status_code == 503
        assert send(app, "GET", "/healthz").status_code == 200


def test_pages_carry_a_strict_content_policy(bundle):
    with service(bundle) as app:
        headers = send(app, "GET", "/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"


# --- refusals -----------------------------------------------------------------------------------------------------


def test_body_that_announces_too_much_is_refused_before_it_is_read(bundle):
    with service(bundle, max_body=1000) as app:
        assert_problem(post(app, bytes(2000)), 413, "too_large")


def test_body_that_announces_nothing_is_counted_as_it_streams(bundle):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent += 1000
            yield bytes(1000)

    async def go(app: Any) -> httpx.Response:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/v1/predictions", content=endless(), headers=headers)

    with service(bundle, max_body=10_000) as app:
        assert_problem(asyncio.run(go(app)), 413, "too_large")
    assert sent > 10_000


def test_too_many_photographs_are_refused(bundle, photos):
    with service(bundle, max_images=2) as app:
        assert_problem(post(app, *photos), 413, "too_many")


def test_other_content_types_are_refused(bundle, photos):
    with service(bundle) as app:
        assert_problem(send(app, "POST", "/v1/predictions", content=photos[0]), 415, "media_type")
        assert_problem(send(app, "POST", "/v1/predictions", json={}), 415, "media_type")


@pytest.mark.parametrize(
    "content", [b"%PDF-1.7 and so on", b"\0\0\0\x18ftypheic\0\0\0\0", b"<svg/>"], ids=["pdf", "heic", "svg"]
)
def test_other_file_formats_are_refused(bundle, photos, content):
    with service(bundle) as app:
        assert assert_problem(post(app, photos[0], content), 415, "media_type")["image"] == 1


def test_damaged_photograph_is_named_by_its_number(bundle, photos):
    with service(bundle) as app:
        assert assert_problem(post(app, photos[0], photos[1][:500]), 422, "image")["image"] == 1
        assert assert_problem(post(app, b""), 422, "image")["image"] == 0


def test_photograph_of_too_many_pixels_is_refused_by_its_header(bundle, photos):
    with service(bundle, max_pixels=100 * 100) as app:
        assert "160 x 160" in assert_problem(post(app, photos[0]), 422, "image")["detail"]


@pytest.mark.parametrize("query", ["?language=fr", "?rule=mine", "?heatmap=perhaps"])
def test_unknown_parameters_are_refused(bundle, photos, query):
    with service(bundle) as app:
        assert_problem(post(app, photos[0], query=query), 422, "parameter")


def test_forms_without_photographs_are_refused(bundle):
    with service(bundle) as app:
        assert_problem(send(app, "POST", "/v1/predictions", files={"other": b"x"}), 422, "form")
        assert_problem(
            send(app, "POST", "/v1/predictions", data={"images": "x"}, files={"images": b"\xff"}), 422, "form"
        )
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert_problem(send(app, "POST", "/v1/predictions", content=b"nonsense", headers=headers), 422, "form")
        headers = {"content-type": "multipart/form-data"}
        assert_problem(send(app, "POST", "/v1/predictions", content=b"nonsense", headers=headers), 422, "form")


def test_rate_of_a_client_is_limited_and_says_when_to_return(bundle, photos):
    with service(bundle, rate=2) as app:
        assert [post(app, photos[0]).status_code for _ in range(2)] == [200, 200]
        refused = post(app, photos[0])
    assert_problem(refused, 429, "rate")
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def test_full_service_sheds_and_recovers(bundle, photos):
    async def go(app: Any) -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            several = [client.post("/v1/predictions", files={"images": photos[0]}) for _ in range(20)]
            statuses = [answer.status_code for answer in await asyncio.gather(*several)]
            return [*statuses, (await client.post("/v1/predictions", files={"images": photos[0]})).status_code]

    with service(bundle, queue=3, threads=1) as app:
        *statuses, last = asyncio.run(go(app))
        assert app.state.service.places.taken == 0
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 3
    assert last == 200


def test_late_answer_is_given_up(bundle, photos, monkeypatch):
    import time

    monkeypatch.setattr("hierattn.serve.work.read_photograph", lambda *_, **__: time.sleep(0.3))
    with service(bundle, answer_seconds=0.05) as app:
        refused = post(app, photos[0])
    assert_problem(refused, 503, "late")
    assert refused.headers["retry-after"] == "5"


def test_slow_body_is_given_up(bundle):
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.05)
            yield b"-"

    async def go(app: Any) -> httpx.Response:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/v1/predictions", content=dripping(), headers=headers)

    with service(bundle, receive_seconds=0.1) as app:
        assert_problem(asyncio.run(go(app)), 408, "slow")


def test_keys_open_the_interface_and_nothing_else_does(bundle, photos):
    with service(bundle, keys=(KEY, KEY + "2")) as app:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": KEY + "3"}):
            refused = post(app, photos[0], headers=headers)
            assert_problem(refused, 401, "key")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert post(app, photos[0], headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert post(app, photos[0], headers={"X-API-Key": KEY + "2"}).status_code == 200
        assert send(app, "GET", "/v1/model").status_code == 401
        assert send(app, "GET", "/metrics").status_code == 401
        assert send(app, "GET", "/healthz").status_code == 200


def test_other_origins_are_closed_unless_named(bundle):
    preflight = {"Origin": "https://clinic.example", "Access-Control-Request-Method": "POST"}
    with service(bundle) as app:
        assert "access-control-allow-origin" not in send(app, "OPTIONS", "/v1/predictions", headers=preflight).headers
    with service(bundle, origins=("https://clinic.example",)) as app:
        allowed = send(app, "OPTIONS", "/v1/predictions", headers=preflight)
        other = send(app, "OPTIONS", "/v1/predictions", headers=preflight | {"Origin": "https://other.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://clinic.example"
    assert "access-control-allow-origin" not in other.headers


def test_unknown_routes_and_methods_are_problems(bundle):
    with service(bundle) as app:
        assert_problem(send(app, "GET", "/v2/anything"), 404, "route")
        refused = send(app, "GET", "/v1/predictions")
    assert_problem(refused, 405, "route")
    assert refused.headers["allow"] == "POST"


def test_failure_inside_shows_no_stack_trace(bundle, photos, monkeypatch, caplog):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret-detail")

    with service(bundle) as app:
        monkeypatch.setattr(app.state.service.predictor, "prepare", fail)
        refused = post(app, photos[0])
        assert app.state.service.pool.alive
    problem = assert_problem(refused, 500, "internal")
    assert "secret-detail" not in refused.text
    assert refused.headers["x-request-id"] in problem["detail"]


def test_nothing_that_the_client_wrote_is_logged_or_stored(bundle, photos, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    big = photos[0] + bytes(3_000_000)  # above the size at which form parsers turn to a temporary file
    rolled: list[object] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda self: rolled.append(self))
    caplog.set_level(logging.INFO, "hierattn.serve")
    with service(bundle) as app:
        files = [("images", ("patient-name.png", big))]
        answer = send(app, "POST", "/v1/predictions?language=pt", files=files, headers={"User-Agent": "who-am-i"})
        send(app, "GET", "/patient-name")
    assert answer.status_code == 200
    assert not rolled
    assert not list(tmp_path.iterdir())
    lines = [json.dumps({"event": one.getMessage(), **getattr(one, "fields", {})}) for one in caplog.records]
    assert len(lines) == 2
    assert not any("patient" in line or "who-am-i" in line or "language" in line for line in lines)


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
