"""A thousand photographs through the web app in three browser engines: does memory grow, does the time?

    python -m benchmarks.browser_soak model.onnx --out results/browser-soak
    python -m benchmarks.browser_soak model.onnx --engines webkit --photographs 100

The same steps in each engine: choose a photograph, wait for its answer and its picture, look at the heat map, start
again. Photographs are rendered lesions; every tenth is as large as a phone's. After every few, the page's process, the
whole browser and the runtime's memory are measured as they are; half-way and at the end once more, when the browser was
asked to let go of garbage and caches, as it does where memory is short (WebKitGTK cannot be asked). Leaves with 1 where
what is kept grew in the second half, or the runtime's memory did.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.browsers import ENGINES, Browser
from benchmarks.service_load import model_line, served
from benchmarks.web_page import rendered_photo, spread
from matplotlib.figure import Figure

from hierattn.deploy.predict.session import MAX_THREADS
from hierattn.evaluation.pages.figures import ACCENT, INK, SECOND, legend, plain_axes, save_figures
from hierattn.files import cores, write_json, write_text

MB = 1e6
SMALL, LARGE = (1024, 768), (4000, 3000)
EVERY_LARGE = 10
MOST_GROWTH = 0.15
"""Of the page's process over the second half; collectors and allocators move it up and down by as much."""

READY = """
const start = performance.now();
const status = () => document.querySelector('.status')?.textContent ?? '';
while (!status().startsWith('Ready')) {
  if (performance.now() - start > 120000) throw new Error('the app is not ready: ' + status());
  await new Promise((done) => setTimeout(done, 50));
}
return { isolated: self.crossOriginIsolated, cores: navigator.hardwareConcurrency };
"""

HAND_OVER = """
window.soaked ??= [];
window.soaked.push(Uint8Array.from(atob(given[0]), (letter) => letter.charCodeAt(0)));
return window.soaked.length;
"""

STEPS = """
const [from, count] = given;
const until = async (what, holds) => {
  const start = performance.now();
  while (!holds()) {
    const status = document.querySelector('.status');
    if (status.classList.contains('alarm')) throw new Error(status.textContent);
    if (performance.now() - start > 120000) throw new Error('waited two minutes for ' + what);
    await new Promise((done) => setTimeout(done, 4));
  }
  return performance.now() - start;
};
const times = [];
for (let n = from; n < from + count; n++) {
  const files = new DataTransfer();
  files.items.add(new File([window.soaked[n % window.soaked.length]], 'photo.jpg', { type: 'image/jpeg' }));
  const input = document.getElementById('choose');
  input.files = files.files;
  input.dispatchEvent(new Event('change'));
  times.push(await until('an answer', () => document.getElementById('answer')));
  const picture = () => document.querySelector('.shots img');
  await until('a picture', () => picture()?.complete && picture().naturalWidth > 0);
  document.querySelector('.heat > button')?.click();
  await new Promise((done) => setTimeout(done, 4));
  [...document.querySelectorAll('.shots > button')].at(-1).click();
  await until('a new start', () => !document.getElementById('answer'));
}
return { times, runtime: Number(document.documentElement.dataset.runtimeBytes ?? 0) };
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--every", type=int, default=20, help="photographs between two measurements")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for soak.json, soak.md and memory.svg")
    arguments = parser.parse_args()
    report = soak(arguments.model, arguments.engines, arguments.photographs, arguments.every)
    text = as_page(report)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out / "soak.json", report, indent=1)
        save_figures(arguments.out, {"memory": figure(report["engines"])}, pixels=False)
        write_text(arguments.out / "soak.md", text)
    sys.exit(1 if any(engine["grew"] for engine in report["engines"]) else 0)


def soak(model: Path, engines: Sequence[str], photographs: int, every: int) -> dict[str, Any]:
    """The report on these engines, one after the other; the service and the browsers share this machine."""
    photos = [rendered_photo(LARGE if n == 0 else SMALL, n) for n in range(EVERY_LARGE)]
    runs = []
    with served(model, 32) as (_, url, _):
        for name in engines:
            with ENGINES[name]() as browser:
                runs.append({"engine": name, **soak_one(browser, url, photos, photographs, every)})
    return {"model": model_line(model), "photographs": photographs, "cores": cores(), "engines": runs}


def soak_one(browser: Browser, url: str, photos: Sequence[bytes], photographs: int, every: int) -> dict[str, Any]:
    """One engine's curves; the first point is taken before the first photograph."""
    browser.open(url)
    about = browser.run(READY)
    for photo in photos:
        browser.run(HAND_OVER, base64.b64encode(photo).decode())
    page = browser.content()
    points: list[dict[str, Any]] = []
    kept = []
    start = time.perf_counter()
    for done in range(0, photographs + 1, every):
        seen = browser.run(STEPS, done - every, every) if done else {"times": [], "runtime": 0}
        points.append(
            {
                "photographs": done,
                "page_mb": round(page.memory_info().rss / MB, 1),
                "browser_mb": round(browser.proportional_bytes() / MB, 1),
                "runtime_mb": round(seen["runtime"] / MB, 1),
                "median_ms": round(statistics.median(seen["times"])) if seen["times"] else None,
            }
        )
        print(browser.version, points[-1], file=sys.stderr, flush=True)
        half, end = done - every < photographs // 2 <= done, done + every > photographs
        if browser.collect is not None and (half or end):
            browser.collect()
            kept.append(round(page.memory_info().rss / MB, 1))
    measured = {key: growth([point[key] for point in points[1:]]) for key in ("page_mb", "browser_mb", "runtime_mb")}
    if len(kept) == 2:
        measured["kept_mb"] = change(*kept)
    judged = measured.get("kept_mb", measured["page_mb"])
    return {
        "browser": browser.version, **about, "seconds": round(time.perf_counter() - start),
        "load_average": round(os.getloadavg()[0], 1), "growth": measured,
        "grew": judged["share"] > MOST_GROWTH or measured["runtime_mb"]["share"] > 0, "points": points,
    }  # fmt: skip


def growth(values: Sequence[float]) -> dict[str, float]:
    """From the median of the second fifth to that of the last: the first fifth fills caches.

    >>> growth([9, 10, 10, 10, 11])
    {'early': 10.0, 'late': 11.0, 'share': 0.1}
    """
    fifth = max(1, len(values) // 5)
    return change(float(np.median(values[fifth : 2 * fifth] or values)), float(np.median(values[-fifth:])))


def change(early: float, late: float) -> dict[str, float]:
    """Both, and the growth from one to the other as a share."""
    return {"early": early, "late": late, "share": round(late / early - 1, 3) if early else 0.0}


def as_page(report: dict[str, Any]) -> str:
    """Markdown; every figure is of this report."""
    head = [
        f"# {report['photographs']:,} photographs in each browser engine", "",
        "`python -m benchmarks.browser_soak MODEL --out results/browser-soak`", "",
        f"{report['model']}; {report['cores']} cores, which the service and other work share: times are no measure of "
        f"a device. One JPEG of {LARGE[0]} x {LARGE[1]} in {EVERY_LARGE}, the others {SMALL[0]} x {SMALL[1]}. Memory "
        "in MB, as it is: the median of the second fifth of the photographs → of the last. Kept: half-way → at the "
        "end, once the browser has let go of garbage and caches.", "",
        "| engine | threads | process of the page | whole browser | runtime | kept | a photograph | grew |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    return "\n".join([*head, *map(_row, report["engines"]), "", "![The memory of each engine](memory.svg)", ""])


def _row(engine: dict[str, Any]) -> str:
    def pair(key: str) -> str:
        seen = engine["growth"].get(key)
        return f"{seen['early']:.0f} → {seen['late']:.0f} ({seen['share']:+.1%})" if seen else "–"

    memory = " | ".join(map(pair, ("page_mb", "browser_mb", "runtime_mb", "kept_mb")))
    times = spread([point["median_ms"] for point in engine["points"][1:]])
    threads = min(MAX_THREADS, engine["cores"]) if engine["isolated"] else 1
    return f"| {engine['browser']} | {threads} | {memory} | {times} | {'**yes**' if engine['grew'] else 'no'} |"


def figure(engines: Sequence[dict[str, Any]]) -> Figure:
    """The memory of each engine's page over the photographs, and below it the runtime's."""
    drawn, (pages, runtimes) = plain_axes(6.4, 5.6, rows=2)
    for engine, colour in zip(engines, (ACCENT, SECOND, INK), strict=False):
        done = [point["photographs"] for point in engine["points"]]
        for axis, key in ((pages, "page_mb"), (runtimes, "runtime_mb")):
            axis.plot(done, [point[key] for point in engine["points"]], color=colour, label=engine["browser"])
    pages.set(ylabel="process of the page, MB", ylim=(0, None))
    runtimes.set(xlabel="photographs", ylabel="runtime's memory, MB", ylim=(0, None))
    legend(pages)
    return drawn


if __name__ == "__main__":
    main()
