"""``hierattn serve``: which bundles are served under which names, and what stops it before it listens.

The service itself is asked in tests/serve.
"""

from __future__ import annotations

import signal
import socket

import pytest

pytest.importorskip("uvicorn")

import httpx
from services import served
from small_bundles import write_small_bundle

from hierattn.cli.serve import served_models
from hierattn.deploy.predict.released import DOMAINS, is_released
from hierattn.serve.settings import API_KEYS


def test_without_a_bundle_the_released_ones_are_served_that_of_the_domain_first():
    for domain in DOMAINS:
        names = [name for name, _ in served_models(None, domain, [])]
        assert names[0] == domain
        assert set(names) == {domain} | {each for each in DOMAINS if is_released(each)}
    assert served_models("a.onnx", None, ["b=c=d.onnx"]) == [("model", "a.onnx"), ("b", "c=d.onnx")]


def test_bad_use_is_one_line(refused, tmp_path):
    assert "no bundle" in refused(1, "serve", "--model", str(tmp_path / "none.onnx"))


def test_an_address_that_cannot_be_had_is_refused_before_it_is_told(refused, tmp_path):
    bundle = tmp_path / "model.onnx"
    write_small_bundle(bundle)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused(2, "serve", "--model", str(bundle), "--port", port)
        assert f"port {port} of 127.0.0.1 is in use: choose another --port" in said
        assert "Open http" not in said
    assert "port 8000 of 999.1.1.1 cannot be had" in refused(2, "serve", "--model", str(bundle), "--host", "999.1.1.1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--also", "phone"], "--also 'phone': wanted NAME=BUNDLE"),
        (["--also", "=phone.onnx"], "wanted NAME=BUNDLE"),
        (["--also", "Phone=phone.onnx"], "model name 'Phone'"),
        (["--also", "model=phone.onnx"], "a different name for each"),
        (["--domain", "phone"], "wanted one of them"),
        (["--log-level", "loud"], "--log-level 'loud': wanted debug, info, warning or error"),
        (["--threads", "-1"], "--threads -1: wanted"),
        (["--queue", "0"], "--queue 0: wanted"),
        (["--answer-seconds", "0"], "--answer-seconds 0: wanted"),
        (["--rate", "-1"], "--rate -1: wanted"),
        (["--origin", "clinic.example"], "--origin 'clinic.example': wanted"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(refused, words, said):
    assert said in refused(2, "serve", "--model", "none.onnx", *words)


def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(refused, monkeypatch):
    monkeypatch.setenv(API_KEYS, "secret-word")
    line = refused(2, "serve", "--model", "none.onnx")
    assert "key 1 has 11 characters" in line
    assert "secret-word" not in line


def test_it_says_what_it_serves_and_where_and_then_does(tmp_path):
    bundle = write_small_bundle(tmp_path / "small.onnx")
    with served(bundle, tmp_path / "log", "--also", f"phone={bundle}") as (process, url):
        models = httpx.get(f"{url}/v1/models", timeout=30).json()["models"]
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
    assert [model["name"] for model in models] == ["model", "phone"]
    said = (tmp_path / "log").read_text()
    for line in ("model: hierattn_xs", "phone: hierattn_xs", "No API key required", f"Open {url}/"):
        assert line in said
