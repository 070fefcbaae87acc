"""Mutated images through the service's endpoint, in process: no 500, no crash, no hang, no growth of memory.

    python -m benchmarks.hostile.mutated_images --count 100000 --out mutated-images.json

The images are small, so that decoding and refusing them is what is exercised; the bundle is the tests' small one. Every
image follows from the seed and its number. Leaves with 1 where something was answered as it must not be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from hierattn.files import write_text
from hierattn.serve.app import create_app
from hierattn.serve.settings import ServiceSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from image_files import mutated, valid_files
from small_bundles import write_small_bundle

ALLOWED = {200, 415, 422}
AT_A_TIME = 8
LONGEST_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first image, to share them out")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_small_bundle(Path(folder) / "small.onnx")
        report = asyncio.run(send_all(bundle, arguments.first, arguments.count, arguments.seed))
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        write_text(arguments.out, text + "\n")
    sys.exit(0 if report["passed"] else 1)


async def send_all(bundle: Path, start_at: int, count: int, seed: int) -> dict[str, object]:
    """Send ``count`` images, some at a time, and say what came back."""
    app = create_app(ServiceSettings(str(bundle), app=False, max_body=400_000, max_pixels=250_000))
    files, statuses, memory, wrong = valid_files(), Counter[int](), [], []
    start, slowest = time.perf_counter(), 0.0
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=LONGEST_SECONDS) as client:

        async def send(number: int) -> None:
            nonlocal slowest
            content = mutated(files[number % len(files)], np.random.default_rng([seed, number]))
            began = time.perf_counter()
            status = (await client.post("/v1/predictions", files={"images": content})).status_code
            slowest = max(slowest, time.perf_counter() - began)
            statuses[status] += 1
            if status not in ALLOWED:
                wrong.append(number)

        for sent in range(0, count, AT_A_TIME):
            await asyncio.gather(*(send(start_at + number) for number in range(sent, min(count, sent + AT_A_TIME))))
            if sent * 20 // count > len(memory) - 1:  # twenty times in all
                memory.append(resident())
                print(f"{sent + AT_A_TIME} sent, {dict(statuses)}, {memory[-1]} MB", file=sys.stderr, flush=True)
    alive = app.state.service.pool.alive
    app.state.service.pool.close()
    half = memory[len(memory) // 2 :]
    return {
        "images": count, "first": start_at, "seed": seed,
        "statuses": {str(key): value for key, value in sorted(statuses.items())},
        "wrongly_answered": wrong[:20], "slowest_seconds": round(slowest, 2), "memory_mb": memory,
        "growth_of_second_half_mb": half[-1] - half[0], "seconds": round(time.perf_counter() - start),
        "passed": not wrong and alive and sum(statuses.values()) == count and half[-1] - half[0] < 50,
    }  # fmt: skip


def resident() -> int:
    """Megabytes of memory now, from Linux's /proc."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


if __name__ == "__main__":
    main()
