"""From the shell to the answer: time, memory and imports of ``hierattn predict``, and the service until it is ready.

    git worktree add ../before REVISION
    python -m benchmarks.cold_start --before ../before/src --out results/cold-start

Every command is a fresh process; the sources of before and of now take turns, round by round, and a ratio is that of
one round. Seconds are of the processor, all threads together: other work on the machine hardly moves them, and on a
quiet one they are what a watch shows, or more. Modules are compiled before, as in an installed package.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from benchmarks.service_load import free_port
from benchmarks.web_page import rendered_photo

from hierattn.files import cores, write_json, write_text

MB = 1e6
SOURCES = Path(__file__).resolve().parents[1] / "src"
DOMAIN = "phone"
GOALS = {"predict": (0.5, 120), "serve, until ready": (2.0, None)}
"""Seconds, and MB at the most."""
LAUNCHER = """
import os, sys
process = os.posix_spawn(sys.executable, [sys.executable, '-m', 'hierattn', *sys.argv[1:]], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
"""A process counts the memory of the one that starts it: this one is small."""
_IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
SHOWN = 12
"""Packages in the table of imports."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, metavar="SRC", help="the sources to compare with")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for start.json and start.md")
    arguments = parser.parse_args()
    report = measure({"now": SOURCES} | ({"before": arguments.before} if arguments.before else {}), arguments.rounds)
    text = as_page(report)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out / "start.json", report, indent=1)
        write_text(arguments.out / "start.md", text)


def measure(sides: Mapping[str, Path], rounds: int) -> dict[str, Any]:
    """Seconds and MB of each command in each round, and milliseconds of imports by package, for each side."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(rendered_photo((1024, 768)))
        predict = ["predict", str(photo), "--domain", DOMAIN]
        commands = {"--version": ["--version"], "predict": predict, "predict --json": [*predict, "--json"]}
        rows: dict[str, dict[str, list[list[float]]]] = {}
        imports: dict[str, dict[str, float]] = {}
        for turn in range(rounds + 1):  # the first compiles
            for side, sources in sides.items():
                surroundings = _surroundings(sources, folder)
                seen = {name: once(words, surroundings) for name, words in commands.items()}
                seen["serve, until ready"] = served_once(surroundings)
                if turn > 0:
                    for name, values in seen.items():
                        rows.setdefault(name, {}).setdefault(side, []).append(values)
                    imported = imported_ms(predict, surroundings)
                    least = imports.get(side, imported)
                    imports[side] = {name: min(ms, least.get(name, ms)) for name, ms in imported.items()}
    return {
        "rounds": rounds, "cores": cores(), "load_average": round(os.getloadavg()[0], 1), "commands": rows,
        "imports_ms": {side: by_package(modules) for side, modules in imports.items()},
    }  # fmt: skip


def once(words: Sequence[str], surroundings: Mapping[str, str]) -> list[float]:
    """Seconds of the processor and peak MB of one command."""
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *words]
    told = subprocess.run(launcher, env=surroundings, capture_output=True, text=True, check=True).stdout
    code, seconds, peak = map(float, told.split())
    if code:
        raise SystemExit(f"hierattn {' '.join(words)} failed with {code:.0f}")
    return [round(seconds, 3), round(peak * (1 if sys.platform == "darwin" else 1024) / MB, 1)]


def served_once(surroundings: Mapping[str, str]) -> list[float]:
    """The same of the service, from its start to its first word that it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "hierattn", "serve", "--model", DOMAIN, "--port", str(port)]
    with psutil.Popen(command, env=surroundings, stderr=subprocess.DEVNULL) as service:
        try:
            deadline = time.monotonic() + 120
            while not _is_ready(port):
                if service.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the service did not start")
                time.sleep(0.02)
            used = service.cpu_times()
            return [round(used.user + used.system, 3), round(service.memory_info().rss / MB, 1)]
        finally:
            service.kill()


def imported_ms(words: Sequence[str], surroundings: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds that each module took by itself."""
    command = [sys.executable, "-X", "importtime", "-m", "hierattn", *words]
    told = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True).stderr
    return {module: int(microseconds) / 1000 for microseconds, module in _IMPORTED.findall(told)}


def by_package(modules: Mapping[str, float]) -> dict[str, float]:
    """The sum of each package, the largest first; Python's own modules together.

    >>> by_package({"numpy": 3.0, "numpy.linalg": 1.0, "json": 0.5, "re": 1.0})
    {'numpy': 4.0, "Python's own": 1.5}
    """
    found: Counter[str] = Counter()
    for module, ms in modules.items():
        top = module.partition(".")[0]
        found["Python's own" if top in sys.stdlib_module_names else top] += ms  # type: ignore[assignment]
    return {name: round(ms, 1) for name, ms in found.most_common()}


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _surroundings(sources: Path, folder: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(sources.resolve()), "PYTHONPYCACHEPREFIX": folder, "OMP_NUM_THREADS": "1"}


def as_page(report: Mapping[str, Any]) -> str:
    """Markdown; every figure is of this report."""
    sides = list(report["imports_ms"])
    lines = [
        "# From the shell to the answer", "",
        f"`python -m benchmarks.cold_start --before SRC --out results/cold-start`, {report['rounds']} rounds, "
        f"{report['cores']} cores under a load of {report['load_average']}. Seconds of the processor and peak MB "
        "(of the service: once it is ready), medians; the ratio is the median of those of the rounds.", "",
        "| hierattn | before, s | now, s | now over before | before, MB | now, MB | goal |",
        "|---|---:|---:|---:|---:|---:|---|",
        *(_row(name, by) for name, by in report["commands"].items()), "",
        "What `predict` imports, in milliseconds: a sum over the modules of each package, the least of each.", "",
        "| package | " + " | ".join(sides) + " |",
        "|---|" + "---:|" * len(sides),
    ]  # fmt: skip
    imports = report["imports_ms"]
    names = sorted(
        {name for by in imports.values() for name in list(by)[:SHOWN]}, key=lambda n: -imports["now"].get(n, 0)
    )
    lines += [
        f"| {name} | " + " | ".join(f"{imports[side].get(name, 0):.1f}" for side in sides) + " |" for name in names
    ]
    totals = " | ".join(f"{sum(imports[side].values()):.0f}" for side in sides)
    return "\n".join([*lines, f"| **all** | {totals} |", ""])


def _row(name: str, by: Mapping[str, Sequence[Sequence[float]]]) -> str:
    now = [statistics.median(column) for column in zip(*by["now"], strict=True)]
    before, ratio, former = "–", "–", "–"
    if "before" in by:
        seconds, memory = (statistics.median(column) for column in zip(*by["before"], strict=True))
        pairs = zip(by["now"], by["before"], strict=True)
        before, former = f"{seconds:.2f}", f"{memory:.0f}"
        ratio = f"{statistics.median(new[0] / old[0] for new, old in pairs):.2f}"
    goal = ""
    if name in GOALS:
        seconds, most = GOALS[name]
        words = f"under {seconds:g} s" + (f" and {most} MB" if most else "")
        goal = f"{words}: " + ("met" if now[0] < seconds and (most is None or now[1] < most) else "**missed**")
    return f"| `{name}` | {before} | {now[0]:.2f} | {ratio} | {former} | {now[1]:.0f} | {goal} |"


if __name__ == "__main__":
    main()
