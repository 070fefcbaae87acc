"""The web app in Chromium: weight and time of the first visit, time from a chosen photograph to the answer.

    python -m benchmarks.web_page model.onnx --docs docs/web-app.md

Needs Chromium and the built app (``make web``). Each time is the median of several with the smallest and the largest;
the first visit and the first photograph are measured in a fresh profile each time, the answer inside the page. With
``--docs`` the table replaces what stands between the two marks in that page.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.service_load import model_line, served
from PIL import Image
from playwright import sync_api as playwright
from tools.marked_text import write_between_marks

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.files import cores, write_json

SIZES = ((1024, 768), (4000, 3000))
MB = 1e6
UNTIL_CHOSEN_MS = 3000
"""Nobody has a photograph at hand sooner; the app warms up meanwhile."""

ANSWER = """async (base64) => {
  const again = [...document.querySelectorAll('.shots > button')].at(-1);
  if (again) { again.click(); await new Promise((done) => setTimeout(done, 50)); }
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], 'photo.jpg', { type: 'image/jpeg' }));
  const input = document.getElementById('choose');
  input.files = files.files;
  const start = performance.now();
  input.dispatchEvent(new Event('change'));
  while (!document.getElementById('answer')) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
"""Hands over a file as the visitor's choice does, and waits for the answer's heading to be drawn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    report = measure(arguments.model, arguments.repeats)
    table = as_table(report)
    print(table)
    if arguments.out:
        write_json(arguments.out, report)
    if arguments.docs:
        write_between_marks(arguments.docs, "python -m benchmarks.web_page", table)


def measure(model: Path, repeats: int) -> dict[str, Any]:
    """Everything; the service and the browser share this machine."""
    with served(model, 32) as (_, url, _), open_browser() as browser:
        first_photo = base64.b64encode(rendered_photo(SIZES[0])).decode()
        visits = [first_visit(browser, url, first_photo) for _ in range(repeats)]
        page = browser.new_context().new_page()
        page.goto(url)
        wait_until_ready(page)
        answers = {}
        for size in SIZES:
            photo = base64.b64encode(rendered_photo(size)).decode()
            page.evaluate(ANSWER, photo)  # the first of a size is slower; see first_answer_ms
            answers["{} x {}".format(*size)] = [page.evaluate(ANSWER, photo) for _ in range(repeats)]
        about = page.evaluate("fetch('model.onnx').then(r => r.arrayBuffer()).then(b => b.byteLength)")
        version = browser.version
    return {
        "model": model_line(model), "model_bytes": about, "browser": f"Chromium {version}", "cores": cores(),
        "load_average": round(os.getloadavg()[0], 1), "repeats": repeats,
        "first_visit_ms": [visit["ms"] for visit in visits], "bytes": visits[-1]["bytes"],
        "first_answer_ms": [visit["answer_ms"] for visit in visits], "answer_ms": answers,
    }  # fmt: skip


def first_visit(browser: Any, url: str, photo: str) -> dict[str, Any]:
    """From the address to ready in a fresh profile, the bytes that came over the wire by then, and the first answer."""
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    finished: list[Any] = []
    page.on("requestfinished", lambda request: finished.append(request))
    start = time.perf_counter()
    page.goto(url)
    wait_until_ready(page)
    seconds = time.perf_counter() - start
    page.wait_for_timeout(UNTIL_CHOSEN_MS)
    amounts: dict[str, int] = {}
    for request in finished:  # the worker's too; what it asks for twice comes once
        amounts[request.url] = max(amounts.get(request.url, 0), sent_for(request))
    answer_ms = page.evaluate(ANSWER, photo)
    context.close()
    return {"ms": 1000 * seconds, "bytes": by_kind(amounts, url), "answer_ms": answer_ms}


def sent_for(request: Any) -> int:
    """Bytes of an answer, head and compressed body. Chromium gives a worker's script no size; its head does."""
    sizes, announced = request.sizes(), request.response().headers.get("content-length", "0")
    return int(sizes["responseHeadersSize"]) + max(int(sizes["responseBodySize"]), int(announced))


def by_kind(amounts: dict[str, int], url: str) -> dict[str, int]:
    """Bytes of the page itself, of the WebAssembly runtime and of the model."""
    kinds = {"page": 0, "runtime": 0, "model": 0}
    for address, amount in amounts.items():
        if address.startswith(url):
            kind = "model" if address.endswith(".onnx") else "runtime" if "ort-wasm" in address else "page"
            kinds[kind] += amount
    return kinds


def as_table(report: dict[str, Any]) -> str:
    """Markdown; every figure is of this report."""
    page, runtime, model = (report["bytes"][kind] / MB for kind in ("page", "runtime", "model"))
    rows = [
        ("bytes sent at the first visit", f"page {page:.2f} MB, ONNX Runtime {runtime:.2f} MB, model {model:.2f} MB, "
         f"**together {page + runtime + model:.2f} MB**"),
        ("from the address to ready, first visit", spread(report["first_visit_ms"])),
        (f"the first photograph, a JPEG of {SIZES[0][0]} x {SIZES[0][1]}", spread(report["first_answer_ms"])),
        *((f"from the chosen JPEG of {size} to the answer", spread(values))
          for size, values in report["answer_ms"].items()),
    ]  # fmt: skip
    lines = [f"| {what} | {value} |" for what, value in rows]
    where = (
        f"{report['model']}; {report['browser']}, {report['cores']} cores under a load of {report['load_average']}, "
        f"{report['repeats']} runs each: median (smallest to largest)."
    )
    return "\n".join(["| | |", "|---|---|", *lines, "", where])


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ms ({min(values):.0f} to {max(values):.0f})"


def rendered_photo(size: tuple[int, int], seed: int = 0) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(render_lesion("NV", np.random.default_rng(seed), 512).image)
    image.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def open_browser() -> Iterator[Any]:
    """Chromium without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def wait_until_ready(page: Any) -> None:
    page.locator(".status", has_text="Ready").wait_for(timeout=120_000)


if __name__ == "__main__":
    main()
