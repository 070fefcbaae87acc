"""What ``hierattn balance`` costs on whole rendered sets, in a process of its own that the system measures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hierattn.data.prepared_set.packed import is_prepared
from hierattn.data.rendered.prepared import render_prepared
from hierattn.data.sets.catalog import ISIC2019
from hierattn.errors import DataError
from hierattn.progress import Progress


@dataclass(frozen=True)
class WholeCost:
    """What one command costs in a process of its own.

    Attributes
    ----------
    images
        It was given.
    seconds, cpu_seconds
        Wall clock, and CPU time of the process and its children.
    peak_mb
        The largest resident memory, in 10^6 bytes; pages of mapped files count in it.
    steps
        What it says of its own steps, in seconds.
    """

    images: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    steps: Mapping[str, float]


def isic2019_shares(images: int) -> dict[str, int]:
    """ISIC 2019's classes in a set of so many images, at least 40 of each.

    >>> sum(isic2019_shares(1000).values())
    1000
    """
    counts = {
        code: max(40, round(images * count / sum(ISIC2019.classes.values())))
        for code, count in ISIC2019.classes.items()
    }
    counts["NV"] += images - sum(counts.values())
    return counts


def balance_rendered(
    folder: Path, name: str, counts: Mapping[str, int], size: int, jobs: int, progress: Progress | None = None
) -> WholeCost:
    """Render a set unless ``folder`` has it, and measure balancing it to a tenth of its images a class.

    Parameters
    ----------
    folder
        Where rendered sets are kept and found again.
    name
        Of the set there.
    counts
        Images a class.
    size
        Pixels a side.
    jobs
        Cores.
    """
    total = sum(counts.values())
    prepared, out, cache = (folder / f"{part}-{name}" for part in ("rendered", "balanced", "cache"))
    if not is_prepared(prepared):
        render_prepared(prepared, counts, size=size, folds=5, jobs=jobs, progress=progress)
    if progress is not None:
        progress(f"balancing {total}", 0, None)
    options = ["--target", str(total // 10), "--protocol", "paper", "--grouped", "--jobs", str(jobs)]
    cost = measure_balance(prepared, out, total, [*options, "--cache", str(cache)])
    for made in (out, cache):
        shutil.rmtree(made)
    return cost


def measure_balance(prepared: Path, out: Path, images: int, options: Sequence[str]) -> WholeCost:
    """Run ``hierattn balance`` in a process of its own, and say what it took.

    Raises
    ------
    DataError
        Where the command fails; tells its last line.
    """
    command = [sys.executable, "-m", "hierattn", "balance", str(prepared), str(out), "--json", *options]
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    *complaint, usage = ended.stderr.strip().splitlines() or [""]
    if ended.returncode:
        last = complaint[-1] if complaint else "no word"
        raise DataError(f"hierattn balance failed with {ended.returncode} ({last}): run it by hand to see more")
    cpu_seconds, peak = json.loads(usage)
    steps = json.loads(ended.stdout)["seconds"]
    if not steps:
        raise DataError(f"{out} was balanced before, so that there was nothing to measure: choose another folder")
    return WholeCost(
        images=images,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_mb=peak * (1 if sys.platform == "darwin" else 1024) / 1e6,
        steps=steps,
    )


# A process between: the system counts as a child's peak what its parent held when it was started, and whoever measures
# may hold much more than what is measured.
_LAUNCHER = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss]), file=sys.stderr)
sys.exit(abs(child.returncode))
"""
