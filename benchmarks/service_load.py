"""The service under load on loopback, as a real process: throughput and latency, shedding, recovery, SIGTERM.

    python -m benchmarks.service_load model.onnx --seconds 120 --out service-load.json

Rounds of 1, 8 and 64 clients, each of which asks again as soon as it has its answer; then requests at twice the
measured capacity, answered or not; then one client again; then SIGTERM in the middle of the load of 8 clients.
Leaves with 1 where a promise was broken: a request that was taken and failed, no shedding under too much, no recovery,
growth of memory, or an answer that SIGTERM lost. Clients and service share this machine's cores, so a figure says what
a whole small machine does, clients included.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from tools.marked_text import write_between_marks

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.files import write_json

SHED = {429, 503}
MOST_WAITING = 400
"""Requests of the overload that are under way at a time; beyond it a client machine would run out, not the service."""
MOST_GROWTH_MB = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=120, help="for each number of clients")
    parser.add_argument("--overload-seconds", type=float, default=40)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--queue", type=int, default=32)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path, help="the page whose table is written again")
    arguments = parser.parse_args()
    report = measure(arguments)
    print(as_table(report))
    print(json.dumps({name: report[name] for name in ("sigterm", "broken_promises")}))
    if arguments.out:
        write_json(arguments.out, report, indent=1)
    if arguments.docs:
        write_between_marks(arguments.docs, "python -m benchmarks.service_load", as_table(report))
    sys.exit(1 if report["broken_promises"] else 0)


def measure(arguments: argparse.Namespace) -> dict:
    """All rounds, on one process; what SIGTERM does, at its end."""
    photo = rendered_photo()
    rows = []
    with served(arguments.model, arguments.queue) as (service, url, log):

        def round_of(name: str, seconds: float, load: Callable[..., Awaitable[Seen]], amount: float) -> dict:
            seen = asyncio.run(load(url, photo, amount, seconds))
            rows.append({"round": name, **seen.summary(seconds), "memory_mb": resident(service.pid)})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            return rows[-1]

        for clients in arguments.clients:
            round_of("1 client" if clients == 1 else f"{clients} clients", arguments.seconds, keep_asking, clients)
        capacity = max(row["per_second"] for row in rows)
        round_of("twice capacity", arguments.overload_seconds, arrive, 2 * capacity)
        round_of("afterwards, 1 client", min(20, arguments.seconds), keep_asking, 1)
        sigterm = stop_under_load(service, url, photo, log)
    report = {"model": model_line(arguments.model),
              "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1),
              "queue": arguments.queue, "rounds": rows, "sigterm": sigterm}  # fmt: skip
    return {**report, "broken_promises": broken_promises(report)}


@dataclass
class Seen:
    """What came back: statuses (0: the connection broke), and the seconds of each answer."""

    statuses: Counter = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    not_sent: int = 0

    async def ask(self, client: httpx.AsyncClient, url: str, photo: bytes) -> int:
        """Ask once; the status."""
        start = time.perf_counter()
        try:
            status = (await client.post(f"{url}/v1/predictions", files={"images": photo})).status_code
        except httpx.TransportError:
            status = 0
        self.statuses[status] += 1
        if status == 200:
            self.times.append(time.perf_counter() - start)
        return status

    def summary(self, seconds: float) -> dict:
        """A row of the report."""
        names = ("p50_ms", "p95_ms", "p99_ms")
        shares = np.quantile(self.times, (0.5, 0.95, 0.99)) if self.times else [float("nan")] * 3
        shed = sum(self.statuses[status] for status in SHED)
        return {
            "seconds": seconds, "asked": self.statuses.total(), "answered": self.statuses[200], "shed": shed,
            "failed": self.statuses.total() - self.statuses[200] - shed, "not_sent": self.not_sent,
            "per_second": round(self.statuses[200] / seconds, 1),
            **{name: round(1000 * float(value)) if self.times else None
               for name, value in zip(names, shares, strict=True)},
        }  # fmt: skip


def open_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None))


async def keep_asking(url: str, photo: bytes, clients: int, seconds: float) -> Seen:
    """Every client asks again as soon as it has its answer, after a rest where it was told to wait."""
    seen, end = Seen(), time.perf_counter() + seconds

    async def one(client: httpx.AsyncClient) -> None:
        while time.perf_counter() < end:
            if await seen.ask(client, url, photo) != 200:
                await asyncio.sleep(0.1)

    async with open_client() as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    return seen


async def arrive(url: str, photo: bytes, per_second: float, seconds: float) -> Seen:
    """Requests arrive evenly, whether those before were answered or not."""
    seen, start, waiting = Seen(), time.perf_counter(), set()
    async with open_client() as client:
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
            if len(waiting) >= MOST_WAITING:
                seen.not_sent += 1
                continue
            task = asyncio.create_task(seen.ask(client, url, photo))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
    return seen


def stop_under_load(service: subprocess.Popen, url: str, photo: bytes, log: Path) -> dict:
    """SIGTERM while 8 clients ask. Each request has its own connection, so that none is taken after the port closed."""
    before = answered_by_log(log)
    received = asyncio.run(ask_until_closed(service, url, photo))
    code = service.wait(timeout=40)
    taken, answered = answered_by_log(log)
    return {
        "taken_by_the_log": taken - before[0], "answered_by_the_log": answered - before[1],
        "answers_received": received, "exit_code": code,
    }  # fmt: skip


async def ask_until_closed(service: subprocess.Popen, url: str, photo: bytes) -> int:
    received, closed = 0, asyncio.Event()

    async def one() -> None:
        nonlocal received
        while not closed.is_set():
            seen = Seen()
            async with open_client() as client:
                if await seen.ask(client, url, photo) == 0:
                    closed.set()
            received += seen.statuses[200]

    tasks = [asyncio.create_task(one()) for _ in range(8)]
    await asyncio.sleep(3)
    service.send_signal(signal.SIGTERM)
    await asyncio.gather(*tasks)
    return received


def answered_by_log(log: Path) -> tuple[int, int]:
    """How many prediction requests the service's log has, and how many of them with 200."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    asked = [line for line in lines if line.get("route") == "/v1/predictions"]
    return len(asked), sum(line["status"] == 200 for line in asked)


def broken_promises(report: dict) -> list[str]:
    """What must not be."""
    rounds = {row["round"]: row for row in report["rounds"]}
    first, overload, last = report["rounds"][0], rounds["twice capacity"], rounds["afterwards, 1 client"]
    sigterm = report["sigterm"]
    broken = [f"{row['failed']} failed in the round of {row['round']}" for row in report["rounds"] if row["failed"]]
    if overload["shed"] == 0:
        broken.append("nothing was shed at twice the capacity")
    if last["shed"] or not last["answered"] or last["p50_ms"] > 3 * (first["p50_ms"] or math.inf):
        broken.append("it did not recover after the overload")
    growth = last["memory_mb"] - report["rounds"][-3]["memory_mb"]
    if growth > MOST_GROWTH_MB:
        broken.append(f"memory grew by {growth} MB in the overload")
    if not sigterm["taken_by_the_log"] == sigterm["answered_by_the_log"] == sigterm["answers_received"] > 0:
        broken.append("SIGTERM lost answers")
    return broken


def as_table(report: dict) -> str:
    """For docs/service.md."""
    head = ("load", "answers a second", "p50", "p95", "p99", "answered", "shed", "failed", "memory")
    rows = [
        (row["round"], row["per_second"],
         *("–" if row[name] is None else f"{row[name]} ms" for name in ("p50_ms", "p95_ms", "p99_ms")),
         row["answered"], row["shed"], row["failed"], f"{row['memory_mb']} MB")
        for row in report["rounds"]
    ]  # fmt: skip
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
    stop, promises = report["sigterm"], "; ".join(report["broken_promises"]) or "none"
    said = (
        f"{report['model']}; JPEG of 1024 x 768; `--queue {report['queue']}`; {report['cores']} cores, shared with the "
        f"clients, under a load of {report['load_average']}; {report['rounds'][0]['seconds']:g} s a round. "
        f"SIGTERM under load: {stop['taken_by_the_log']} taken, {stop['answers_received']} answers received. "
        f"Promises broken: {promises}."
    )
    return "\n".join([*lines, "", said])


def model_line(model: Path) -> str:
    """The bundle in words."""
    predictor = Predictor.load(model, threads=1)
    return (
        f"{predictor.bundle.model}, {predictor.bundle.parameters:,} parameters, {predictor.bundle.image_spec.size} px"
    )


def rendered_photo() -> bytes:
    """JPEG of 1024 x 768."""
    file = io.BytesIO()
    image = Image.fromarray(render_lesion("NV", np.random.default_rng(0), 256).image).resize((1024, 768))
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def served(model: Path, queue: int) -> Iterator[tuple[subprocess.Popen, str, Path]]:
    """The service as a process of its own, its address and its log."""
    port = free_port()
    command = [sys.executable, "-m", "hierattn", "serve", "--model", str(model), "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            service = subprocess.Popen([*command, "--queue", str(queue)], stderr=file)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url)
            yield service, url, log
        finally:
            if service.poll() is None:
                service.kill()
            service.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the service did not start")


def resident(pid: int) -> int:
    """Megabytes of memory, from Linux's /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


if __name__ == "__main__":
    main()
