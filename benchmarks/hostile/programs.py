"""Changed ExecuTorch programs by the thousand, each in a child process: what happens to the one who loads them.

    hierattn export RUN model.pte
    python -m benchmarks.hostile.programs model.pte --files 2000 --out hostile-programs.json

Bytes are flipped, cut, doubled and spliced, in the program's tables or anywhere, and the checksum is made anew, as
somebody would who means harm: ExecuTorch sees every file. This only counts what happened; docs/bundle.md tells. That
damage without a new checksum is refused before, ``tests/support/hostile_files.py pte`` shows in one process. A child
has little memory and bounded time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from hostile_files import limit_memory, spoilt_programs

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.export.executorch import load_program
from hierattn.deploy.export.phone_file import seal, unseal
from hierattn.errors import BundleError
from hierattn.files import write_json

SAME, OTHER, OURS, FOREIGN = 0, 10, 11, 12
MEANING = {SAME: "the same answer", OTHER: "another answer", OURS: "our error", FOREIGN: "another error"}
SECONDS, WAITING = 20, 600
MEGABYTES = 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    good = unseal(options.program.read_bytes(), str(options.program))
    import executorch.runtime  # noqa: F401  # once, and not in every child; nothing runs here, so that no thread is lost

    photo = render_lesion("NV", np.random.default_rng(2), 128).image
    with tempfile.TemporaryDirectory() as name:
        path, wanted = Path(name) / "spoilt.pte", Path(name) / "wanted.npy"

        def first() -> int:
            np.save(wanted, load_program(path)[0](photo)["probabilities"])
            return SAME

        path.write_bytes(seal(good))
        if in_child(first)[0] != MEANING[SAME]:
            raise SystemExit("the good program gave no answer")
        report = count(good, path, np.load(wanted), photo, options)
    write_json(options.out, report, indent=1)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def count(
    good: bytes, path: Path, wanted: np.ndarray, photo: np.ndarray, options: argparse.Namespace
) -> dict[str, object]:
    """Spoil, load and ask so many times."""
    generator = np.random.default_rng(options.seed)
    source = spoilt_programs(generator, good)
    outcomes: Counter[str] = Counter()
    longest = 0.0

    def ask() -> int:
        try:
            answer = load_program(path)[0](photo)["probabilities"]
        except BundleError as error:
            return OURS if "\n" not in str(error) else FOREIGN
        return SAME if np.array_equal(answer, wanted) else OTHER

    for _ in range(options.files):
        content = next(source)[1]
        while content == good:
            content = next(source)[1]
        path.write_bytes(seal(content))
        outcome, seconds = in_child(ask)
        outcomes[outcome] += 1
        longest = max(longest, seconds)
    return {
        "files": options.files,
        "seed": options.seed,
        "outcomes": dict(outcomes.most_common()),
        "longest_cpu_s": round(longest, 2),
    }


def in_child(task: Callable[[], int]) -> tuple[str, float]:
    """What became of a child that did ``task``, and the processor time it took, in seconds."""
    child = os.fork()
    if child == 0:
        code = FOREIGN
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            limit_memory(MEGABYTES)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            code = task()
        except BaseException:  # a child must never go on as if it were the parent
            code = FOREIGN
        finally:
            os._exit(code)
    deadline = time.monotonic() + WAITING
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            deadline += WAITING
        time.sleep(0.002)
    seconds = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}", seconds
    return MEANING.get(os.WEXITSTATUS(status), f"ended with {os.WEXITSTATUS(status)}"), seconds


if __name__ == "__main__":
    main()
