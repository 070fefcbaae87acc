"""Work comes back in order from threads, processes and a local Ray, wave by wave."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from hierattn.data.engines import run_in_waves
from hierattn.errors import UsageError


def test_results_come_in_order_and_no_more_than_a_wave_runs_ahead() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number * number

    results = run_in_waves(work, range(20), jobs=2, wave=3)
    assert next(results) == 0
    assert sorted(begun) == [0, 1, 2, 3, 4, 5]  # two workers, three tasks each
    assert list(results) == [number * number for number in range(1, 20)]


def test_processes_give_what_threads_give() -> None:
    tasks = [np.full((3, 3), k) for k in range(5)]
    for one, other in zip(run_in_waves(np.sum, tasks, engine="processes", jobs=2), range(5), strict=True):
        assert one == 9 * other


def test_an_unknown_engine_and_no_job_are_refused() -> None:
    with pytest.raises(UsageError, match="wanted one of threads, processes, ray"):
        list(run_in_waves(abs, [1], engine="spark"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="0 jobs"):
        list(run_in_waves(abs, [1], jobs=0))


RAY = """
import numpy as np
from hierattn.data.balance.instance_hardness import CrossFitting, instance_hardness, make_learners
if __name__ == "__main__":
    generator = np.random.default_rng(0)
    labels = np.repeat(["MEL", "NV"], 40)
    features = generator.normal((labels == "NV")[:, None], 1.0, (80, 3)).astype(np.float32)
    learners = make_learners(["bayes", "neighbours"], 0)
    fittings = [CrossFitting(engine=engine, jobs=2) for engine in ("ray", "threads")]
    there, here = (instance_hardness(features, labels, learners, fitting) for fitting in fittings)
    np.testing.assert_array_equal(there.values, here.values)
    print("the same")
"""


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_local_ray_gives_the_same_bits(tmp_path) -> None:
    script = tmp_path / "on_ray.py"
    script.write_text(RAY)
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=180, check=False)
    assert "the same" in result.stdout, result.stderr[-2000:]
