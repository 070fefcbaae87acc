"""Folds in parallel processes on one machine. A worker that is killed is replaced; its fold resumes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hierattn.errors import HierAttnError
from hierattn.processes import undisturbed
from hierattn.run_folder import RunFolder
from hierattn.training.cross_validation.fold_task import MOST_RESTARTS, Ended, EndHeard, FoldTask, train_fold

LOOK_EVERY = 0.5
"""Seconds between two looks at the folds' progress."""
_DRIVER = Path("/proc/driver/nvidia")
_AMD_DRIVER = Path("/dev/kfd")


@dataclass
class _Worker:
    task: FoldTask
    process: BaseProcess
    answers: Connection
    slot: int


def train_in_processes(
    tasks: Sequence[FoldTask],
    jobs: int,
    ended: EndHeard,
    look: Callable[[], None],
    note: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Train the folds, ``jobs`` at a time, each in a fresh process.

    Parameters
    ----------
    tasks
        The folds.
    jobs
        Processes at a time.
    ended, look, note
        Called at a fold's end; about twice a second; and with a line about a killed worker.
    stop
        Once set, the workers are asked to stop, which they do after saving their state; no other is started.
    """
    waiting, running = deque(tasks), list[_Worker]()
    restarts: dict[Path, int] = {}
    asked = False
    try:
        while running or (waiting and not stop.is_set()):
            while waiting and len(running) < jobs and not stop.is_set():
                running.append(_start(waiting.popleft(), min(set(range(jobs)) - {worker.slot for worker in running})))
            if stop.is_set() and not asked:
                asked = True
                for worker in running:
                    worker.process.terminate()
            wait([worker.process.sentinel for worker in running], timeout=LOOK_EVERY)
            look()
            for worker in [worker for worker in running if worker.process.exitcode is not None]:
                running.remove(worker)
                answer = _answer(worker)
                run = worker.task.out
                if answer is not None:
                    ended(worker.task, *answer)
                elif stop.is_set():
                    ended(worker.task, "interrupted", "")
                elif restarts.get(run, 0) < MOST_RESTARTS:
                    restarts[run] = restarts.get(run, 0) + 1
                    note(
                        f"{worker.task.held_out}: its worker ended by {_cause(worker)}; it resumes from its last state"
                    )
                    waiting.appendleft(worker.task)
                else:
                    ended(worker.task, "failed", f"its workers ended {MOST_RESTARTS + 1} times, by {_cause(worker)}")
    finally:
        for worker in running:
            worker.process.kill()
            worker.process.join()


def _start(task: FoldTask, slot: int) -> _Worker:
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, slot, theirs), name=task.out.name)
    with undisturbed():
        process.start()
    theirs.close()
    return _Worker(task, process, ours, slot)


def _context() -> Any:
    """How workers are started: on Linux without a graphics card, each from a process that has imported torch for all.

    A fork of this process would copy torch's threads half; that one computes nothing. With a graphics card, to import
    is little of a fold's time, and no worker may begin with a driver that another process has initialised.
    """
    if sys.platform != "linux" or any(driver.exists() for driver in (_DRIVER, _AMD_DRIVER)):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hierattn.training.fit", "torch._dynamo"])
    return context


def _answer(worker: _Worker) -> tuple[Ended, str] | None:
    """What the worker said at its end; None where it was killed before it could."""
    worker.process.join()
    with worker.answers, suppress(EOFError, OSError):
        if worker.answers.poll():
            answer: tuple[Ended, str] = worker.answers.recv()
            return answer
    return None


def _cause(worker: _Worker) -> str:
    code = worker.process.exitcode or 0
    if code == -signal.SIGKILL:
        return "SIGKILL (by the system, if memory ran out: use fewer --jobs)"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}, see {RunFolder(worker.task.out).worker_log}"


def _work(task: FoldTask, slot: int, answers: Any) -> None:
    """What a worker does: runs in a process of its own."""
    if sys.platform != "win32":
        os.setpgid(0, 0)  # Ctrl-C reaches the parent alone, which asks us to stop, once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # held back until here
    _stop_with_parent()
    _use_one_gpu(slot)
    task.out.mkdir(parents=True, exist_ok=True)
    log = os.open(RunFolder(task.out).worker_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        answers.send((train_fold(task), ""))
    except HierAttnError as error:
        answers.send(("failed", str(error)))


def _stop_with_parent() -> None:
    """Ask ourselves to stop once the parent is gone, however it ended: nobody waits for us then."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _use_one_gpu(slot: int) -> None:
    """Where the machine has several GPUs, each worker takes its own; decided before torch is imported."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = visible.split(",") if visible else [str(number) for number, _ in enumerate(_DRIVER.glob("gpus/*"))]
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
