"""Processes that kill themselves at a named call, or are killed at some moment: for the promises about resuming."""

from __future__ import annotations

import json
import os
import subprocess
import sys

# Forks a process a kill: importing everything once, and the work many times. A child kills itself at one call of one of
# the named functions, before or after it, or is killed by its parent at some moment. What a test puts before it defines
# OWNERS, whose attributes can be named, and work(job).
_DRIVER = """
import json, os, signal, sys, time

def dying(function, left, after):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

for job in json.load(sys.stdin):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if job["where"]:
                owner, name = job["where"].split(".")
                setattr(OWNERS[owner], name, dying(getattr(OWNERS[owner], name), [job["at"]], job["after"]))
            work(job)
            code = 0
        finally:
            os._exit(code)
    if job.get("after_s"):
        time.sleep(job["after_s"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print("killed" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}", flush=True)
"""


def drive(setting: str, jobs: list[dict[str, object]]) -> list[str]:
    """``"killed"`` or ``"exit CODE"`` for each job, one after the other.

    ``setting`` is Python that defines ``OWNERS`` and ``work``; a job has ``where`` (``"Owner.function"`` or empty),
    ``at`` (which call of it), ``after``, perhaps ``after_s``, and what ``work`` reads.
    """
    done = subprocess.run(
        [sys.executable, "-c", setting + _DRIVER],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    return done.stdout.split("\n")[:-1]
