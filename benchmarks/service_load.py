"""Throughput and latency of the service on loopback, at 1, 8 and 64 clients; then whether it recovers.

    python benchmarks/service_load.py model.onnx --seconds 120

Clients and service share this machine's cores, so a figure says what a whole small machine does, clients included.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from hierattn.data.synthetic import render_lesion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=120, help="for each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--queue", type=int, default=32)
    arguments = parser.parse_args()
    photo = rendered_photo()
    port = free_port()
    command = [sys.executable, "-m", "hierattn", "serve", "--model", str(arguments.model), "--port", str(port)]
    service = subprocess.Popen(
        [*command, "--queue", str(arguments.queue), "--log-level", "error"], stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        for clients in [*arguments.clients, arguments.clients[0]]:  # the last round: has it recovered?
            row = asyncio.run(load(url, photo, clients, arguments.seconds))
            print(json.dumps({**row, "memory_mb": round(resident(service.pid) / 1e6)}), flush=True)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=40)


def rendered_photo() -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(render_lesion("NV", np.random.default_rng(0), 256).image).resize((1024, 768))
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


async def load(url: str, photo: bytes, clients: int, seconds: float) -> dict[str, object]:
    """Every client asks again as soon as it has its answer, after a rest where it was told to wait."""
    statuses: Counter[int] = Counter()
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def ask(client: httpx.AsyncClient) -> None:
        while time.perf_counter() < end:
            start = time.perf_counter()
            try:
                status = (await client.post(f"{url}/v1/predictions", files={"images": photo})).status_code
            except httpx.TransportError:
                status = 0
            statuses[status] += 1
            if status == 200:
                times.append(time.perf_counter() - start)
            else:
                await asyncio.sleep(0.1)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    p50, p95, p99 = (round(1000 * float(np.quantile(times, share))) for share in (0.5, 0.95, 0.99))
    return {
        "clients": clients, "seconds": seconds, "per_second": round(len(times) / seconds, 1), "p50_ms": p50,
        "p95_ms": p95, "p99_ms": p99, "statuses": dict(statuses),
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the service did not start")


def resident(pid: int) -> int:
    """Bytes of memory, from Linux's /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
