"""A request's photographs: each bound in bytes, parts and time has its refusal, and what is no photograph too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from services import assert_problem, post, rendered_photos, send, service, stream
from small_bundles import write_small_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return rendered_photos()


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

    with service(bundle, max_body=10_000) as app:
        assert_problem(stream(app, endless()), 413, "too_large")
    assert sent > 10_000


def test_slow_body_is_given_up(bundle):
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.05)
            yield b"-"

    with service(bundle, receive_seconds=0.1) as app:
        assert_problem(stream(app, dripping()), 408, "slow")


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
