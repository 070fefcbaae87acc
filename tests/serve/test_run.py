"""The service as a real process: what it took it answers, also when told to stop; several workers count together."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn")

from services import served

from hierattn.data.rendered.rendered_set import render_lesion


@pytest.fixture(scope="module")
def photo() -> bytes:
    file = io.BytesIO()
    large = Image.fromarray(render_lesion("NV", np.random.default_rng(0), 128).image).resize((1200, 1200))
    large.save(file, "JPEG")  # large, so that a request takes a while
    return file.getvalue()


def test_stopped_in_the_middle_of_load_it_loses_nothing_that_it_took(bundle, photo, tmp_path):
    answered, broken, refused = [0], [0], [0]
    stop = threading.Event()

    def keep_asking(url: str) -> None:
        while not stop.is_set():
            try:
                # A connection for each request: once the port is closed nothing more can be taken.
                status = httpx.post(f"{url}/v1/predictions", files={"images": photo}, timeout=30).status_code
                answered[0] += status == 200
                broken[0] += status != 200
            except httpx.ConnectError:
                refused[0] += 1
                return
            except httpx.TransportError:
                broken[0] += 1
                return

    log = tmp_path / "log"
    with served(bundle, log, "--queue", "64") as (process, url):
        clients = [threading.Thread(target=keep_asking, args=(url,)) for _ in range(6)]
        for client in clients:
            client.start()
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
        stop.set()
        for client in clients:
            client.join()
    taken = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    requests = [one for one in taken if one.get("route") == "/v1/predictions"]
    assert answered[0] >= 6
    assert [one["status"] for one in requests] == [200] * answered[0]
    # What was never taken (still in the closed port's backlog) may break, but nothing in the log may be unanswered.
    assert broken[0] <= 6
    assert process.returncode in (0, -signal.SIGTERM)


def test_several_workers_answer_and_count_together(bundle, photo, tmp_path):
    with served(bundle, tmp_path / "log", "--workers", "2") as (process, url):
        for _ in range(6):
            assert httpx.post(f"{url}/v1/predictions", files={"images": photo}, timeout=30).status_code == 200
        text = httpx.get(f"{url}/metrics", timeout=30).text
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
    counted = [
        line for line in text.splitlines() if line.startswith("hierattn_requests_total") and "predictions" in line
    ]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == 6


def test_all_that_is_logged_is_json_lines_and_nothing_of_pillow(tmp_path):
    code = (
        "import logging, logging.config; from hierattn.serve.run import log_config\n"
        "logging.config.dictConfig(log_config('info'))\n"
        "for name in ('hierattn.serve', 'uvicorn', 'uvicorn.error', 'PIL.TiffImagePlugin'):\n"
        "    logging.getLogger(name).debug('small'); logging.getLogger(name).error('said by ' + name)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == ""
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        f"said by {name}" for name in ("hierattn.serve", "uvicorn", "uvicorn.error")
    ]


# --- what is no HTTP ---

POST = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"


@pytest.fixture(scope="module")
def address(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    log = tmp_path_factory.mktemp("log") / "log"
    with served(bundle, log, "--no-app", "--max-body", "1000") as (_, url):
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)
    assert "Traceback" not in log.read_text()


def answers(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while more := connection.recv(65536):
                answer += more
        except ConnectionError:
            pass
        return answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(99) + b"\r\n\r\n",  # TLS
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Content-Length: abc\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
    ids=lambda request: request[-24:].decode("latin-1"),
)
def test_what_is_no_http_is_refused_in_json(address, request_):
    head, _, body = answers(address, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head.lower()
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert (json.loads(body)["status"], json.loads(body)["code"]) == (400, "http")


def test_a_body_that_goes_wrong_after_its_refusal_gets_no_second_answer(address):
    chunk = b"3e8\r\n" + bytes(1000) + b"\r\n"
    answer = answers(address, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"no chunk\r\n" * 3)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answers(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )
