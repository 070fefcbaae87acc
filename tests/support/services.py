"""The service: in process, with real requests through the whole application and no port, or as a process of its own.

And its web app in a browser: the steps that several tests take there.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.serve.app import create_app
from hierattn.serve.settings import ServiceSettings


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def rendered_photos() -> list[bytes]:
    """Three PNG files of 160 x 160 pixels."""
    return [
        png(render_lesion(code, np.random.default_rng(n), 160).image) for n, code in enumerate(("MEL", "NV", "BCC"))
    ]


@contextmanager
def service(bundle: Path, keys: tuple[str, ...] = (), **limits: Any) -> Iterator[Any]:
    """The application with these limits, without the web app; its threads end with the block."""
    app = create_app(ServiceSettings(str(bundle), app=False, **limits), keys)
    try:
        yield app
    finally:
        app.state.service.pool.close()


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def send(app: Any, method: str, url: str, **arguments: Any) -> httpx.Response:
    """One request."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, url, **arguments)

    return asyncio.run(go())


def post(app: Any, *contents: bytes, query: str = "", **arguments: Any) -> httpx.Response:
    """One request for the prediction of these photographs."""
    files = [("images", ("photo", content)) for content in contents]
    return send(app, "POST", f"/v1/predictions{query}", files=files, **arguments)


def stream(app: Any, pieces: AsyncIterable[bytes]) -> httpx.Response:
    """One request for a prediction whose body comes piece by piece, its length unannounced; its boundary is ``x``."""

    async def go() -> httpx.Response:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        async with client_of(app) as client:
            return await client.post("/v1/predictions", content=pieces, headers=headers)

    return asyncio.run(go())


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem of that status and code, said in one line; returns it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert "\n" not in problem["detail"]
    return problem


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def served(bundle: Path, log: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """``hierattn serve`` with these options, ready to answer, and its address; what it says goes to ``log``."""
    port = free_port()
    command = [sys.executable, "-m", "hierattn", "serve", "--model", str(bundle), "--port", str(port), *options]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ready(page: Any) -> None:
    page.locator(".status", has_text=re.compile("Ready|Pronto|就绪")).wait_for(timeout=60_000)


def answer(page: Any, *files: Path) -> None:
    page.set_input_files("#choose", [str(file) for file in files])
    page.locator("#answer").wait_for(timeout=60_000)


def shares(page: Any) -> list[float]:
    """The widths of the bars, which hold the exact shares."""
    return [
        float(style)
        for style in page.evaluate("[...document.querySelectorAll('.fill')].map(e => parseFloat(e.style.width) / 100)")
    ]


def use_bundle(page: Any, path: Path) -> None:
    page.get_by_role("link", name="About").click()
    page.set_input_files("#own-model", str(path))
