"""Timing: the order of the turns, the arithmetic of the ratios, and that plain and fast are one network."""

import pytest
import torch
from torch import nn

from hierattn.benchmarks.timing import (
    Limits,
    build_step,
    inference_step,
    made_plain,
    measure_limits,
    summarise,
    take_turns,
    training_step,
)
from hierattn.errors import UsageError
from hierattn.models.branch_attention import BranchAttention
from hierattn.models.registry import create_model
from hierattn.models.transformer import SelfAttention


def test_steps_take_turns_round_by_round_after_two_unseen_runs_each() -> None:
    calls: list[str] = []
    rounds: list[int] = []
    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    taken = take_turns(steps, 3, progress=lambda label, done, total: rounds.append(len(calls)))
    assert "".join(calls) == "aabb" + "ab" * 3
    assert rounds == [6, 8, 10]
    assert [len(times) for times in taken.values()] == [3, 3]


def test_ratio_is_the_median_of_the_rounds_so_that_a_slow_round_of_both_changes_nothing() -> None:
    taken = {"hierattn_xs": [6.0, 60.0, 7.0], "mobilenet_v2": [4.0, 40.0, 5.0]}
    work = {"hierattn_xs": 300, "mobilenet_v2": 200}
    ours, base = sorted(
        summarise(taken, work, Limits(100_000.0, 1.0), kind="inference", way="eager"), key=lambda row: row.model
    )
    assert ours.ratio == pytest.approx(1.5)  # 1.5, 1.5, 1.4
    assert base.ratio == 1
    assert (ours.minimum_ms, ours.median_ms) == (6.0, 7.0)
    assert ours.rate == pytest.approx(300 / 0.006)
    assert ours.of_limit == pytest.approx(0.5)


def test_without_the_baseline_there_is_no_ratio_and_the_fastest_comes_first() -> None:
    rows = summarise({"a": [2.0], "b": [1.0]}, {"a": 1, "b": 1}, Limits(1.0, 1.0), kind="inference", way="eager")
    assert [row.model for row in rows] == ["b", "a"]
    assert [row.ratio for row in rows] == [None, None]


def test_the_plain_network_that_ours_has_to_beat_computes_the_same() -> None:
    torch.manual_seed(0)
    model, images = create_model("hierattn_xs").eval(), torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        wanted = model(images)
        plain = made_plain(model)
        assert not any(type(part) in (SelfAttention, BranchAttention) for part in plain.modules())
        torch.testing.assert_close(plain(images), wanted, atol=1e-5, rtol=1e-4)


def test_a_training_step_moves_every_weight_and_an_inference_step_none() -> None:
    torch.manual_seed(0)
    model, images = create_model("hierattn_xs", stochastic_depth=0.0), torch.rand(2, 3, 64, 64)
    start = {name: value.clone() for name, value in model.named_parameters()}
    inference_step(model, images)()
    assert all(torch.equal(value, start[name]) for name, value in model.named_parameters())
    training_step(model, images)()
    assert not any(torch.equal(value, start[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize("way", ["eager", "channels-last", "plain"])
def test_every_way_gives_the_logits_of_the_same_network(way: str) -> None:
    images = torch.rand(1, 3, 64, 64)
    torch.manual_seed(0)
    wanted = create_model("hierattn_xs").eval()
    torch.manual_seed(0)
    got = build_step("hierattn_xs", "inference", way, images)()
    with torch.no_grad():
        torch.testing.assert_close(got, wanted(images), atol=1e-5, rtol=1e-4)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(UsageError, match="eager, channels-last"):
        build_step("hierattn_xs", "inference", "magic", torch.zeros(1, 3, 64, 64))


def test_no_small_layer_beats_the_limit_of_one_large_product() -> None:
    torch.set_num_threads(1)
    limits = measure_limits(rounds=5)
    layer, tokens = nn.Linear(8, 8), torch.rand(64, 8)  # too small to be fast
    least = min(take_turns({"layer": inference_step(layer, tokens)}, 20)["layer"])
    assert 1000 * 64 * 8 * 8 / least < limits.multiply_adds
    assert limits.bytes > 0
