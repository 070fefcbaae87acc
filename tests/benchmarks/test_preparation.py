"""Each step of preparation is timed as often as it is asked for, on the cores that are asked for."""

from __future__ import annotations

from pathlib import Path

from hierattn.benchmarks.preparation import StepOptions, machine, measure_steps


def test_costs_are_of_the_cores_and_images_that_were_asked_for(tmp_path: Path) -> None:
    heard = []
    options = StepOptions(photograph=64, size=32, images=64, rounds=1, cores=(1,))
    costs = measure_steps(tmp_path, options, lambda step, done, total: heard.append((done, total)))
    assert heard == [(number, len(costs)) for number in range(1, len(costs) + 1)]
    for cost in costs:
        assert cost.images == 64
        assert list(cost.per_second) == [1]
        assert cost.speed_up == 1
    assert list(tmp_path.iterdir()) == []  # what packing wrote is removed


def test_the_machine_is_named_with_its_cores() -> None:
    assert " cores, " in machine()
