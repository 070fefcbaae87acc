"""Where heavy work runs: in threads or processes of this machine, or on a Ray cluster; through joblib always.

Work goes out in waves of a few tasks a worker. Each wave's results come back, in order, before the next goes out: what
is in memory is bounded, and what is done can be kept before the process is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast, get_args

from hierattn.errors import UsageError, require

Engine = Literal["threads", "processes", "ray"]
Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_waves(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    engine: Engine = "threads",
    jobs: int = 1,
    wave: int = 1,
) -> Iterator[Result]:
    """``map`` of ``work`` over ``tasks``, in order.

    Parameters
    ----------
    work
        With processes and ``ray`` it and its tasks travel to other processes, perhaps other machines: it must be a
        module's function (or a partial of one), and files that it reads must have the same path everywhere.
    tasks
        What it is called with.
    engine
        ``threads`` of this process, ``processes`` of this machine (for work that holds Python's lock), or ``ray``:
        the cluster that ``RAY_ADDRESS`` names, or a local one.
    jobs
        How many at once; on ``ray`` 0 means as many as the cluster has cores.
    wave
        Tasks a worker in one wave.

    Raises
    ------
    UsageError
        For an unknown engine, or fewer than one job.
    MissingPackageError
        Where Ray is wanted and not installed.

    >>> list(run_in_waves(abs, [-1, 2, -3], jobs=2))
    [1, 2, 3]
    """
    if engine not in get_args(Engine):
        raise UsageError(f"engine {engine!r}: wanted one of {', '.join(get_args(Engine))}")
    if jobs < (0 if engine == "ray" else 1):
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    from joblib import Parallel, delayed

    with _workers(engine, jobs) as (settings, workers), Parallel(**settings) as parallel:
        step = workers * wave
        for start in range(0, len(tasks), step):
            results = parallel(delayed(work)(task) for task in tasks[start : start + step])
            yield from cast("Iterable[Result]", results)


@contextmanager
def _workers(engine: Engine, jobs: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Settings for joblib and the number of workers."""
    if engine != "ray":
        yield {"n_jobs": jobs, "backend": "threading" if engine == "threads" else "loky"}, jobs
        return
    import joblib

    ray = require("ray", "cluster")
    from ray.util.joblib import register_ray

    if not ray.is_initialized():
        ray.init(logging_level="error", log_to_driver=False, include_dashboard=False, configure_logging=False)
    register_ray()
    workers = jobs or int(ray.cluster_resources().get("CPU", 1))
    with joblib.parallel_config(backend="ray"):
        yield {"n_jobs": workers}, workers
