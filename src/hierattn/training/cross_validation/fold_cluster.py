"""Folds as Ray tasks: on a cluster, or on a Ray that is started here. Ray replaces workers and nodes that die.

The cluster's nodes need this package, and the prepared set and the output folder under the same paths.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hierattn.errors import HierAttnError, require
from hierattn.training.cross_validation.fold_task import MOST_RESTARTS, Ended, EndHeard, FoldTask, train_fold

LOOK_EVERY = 0.5


def train_on_ray(
    tasks: Sequence[FoldTask],
    jobs: int,
    ended: EndHeard,
    look: Callable[[], None],
    note: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """As :func:`hierattn.training.cross_validation.fold_processes.train_in_processes`, on Ray.

    Uses the Ray that is connected already, else the cluster that ``RAY_ADDRESS`` names, else one of its own with
    ``jobs`` workers. A fold whose worker or node dies is resumed from its last state, twice at most.

    Raises
    ------
    MissingPackageError
        Where Ray is not installed.
    """
    ray: Any = require("ray", "cluster")
    with _connected(ray, jobs, tasks[0].threads, note):
        waiting, running = deque(tasks), dict[Any, FoldTask]()
        while running or (waiting and not stop.is_set()):
            while waiting and len(running) < jobs and not stop.is_set():
                task = waiting.popleft()
                running[_remote(ray, task).remote(task)] = task
            if stop.is_set():
                for future in running:
                    ray.cancel(future, force=False)  # an interrupt, which a run takes as Ctrl-C
            done, _ = ray.wait(list(running), timeout=LOOK_EVERY)
            look()
            for future in done:
                ended(running.pop(future), *_outcome(ray, future))


def _remote(ray: Any, task: FoldTask) -> Any:
    gpus = 1 if task.device == "cuda" else 0
    options = ray.remote(num_cpus=task.threads, num_gpus=gpus, max_retries=MOST_RESTARTS, retry_exceptions=False)
    return options(train_fold)


def _outcome(ray: Any, future: Any) -> tuple[Ended, str]:
    try:
        return ray.get(future), ""
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, HierAttnError):
            return "failed", str(error.cause)
        raise
    except (ray.exceptions.TaskCancelledError, KeyboardInterrupt):
        return "interrupted", ""
    except ray.exceptions.RayError as error:
        return "failed", f"Ray lost its workers {MOST_RESTARTS + 1} times ({type(error).__name__})"


@contextmanager
def _connected(ray: Any, jobs: int, threads: int, note: Callable[[str], None]) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    # A worker imports torch with one thread a core of its task, not of the machine.
    runtime = {"env_vars": {"OMP_NUM_THREADS": str(threads)}}
    if address:
        ray.init(address=address, log_to_driver=False, runtime_env=runtime)
    else:
        note(f"no RAY_ADDRESS: starting Ray on this machine with {jobs} workers")
        ray.init(num_cpus=jobs * threads, include_dashboard=False, log_to_driver=False, runtime_env=runtime)
    try:
        yield
    finally:
        ray.shutdown()
