import itertools
import math

import pytest

from hierattn.training.optimisation.schedule import learning_rate, learning_rate_with_transfer

PAPER = {"epochs": 500, "peak": 0.002, "final": 0.0002, "warmup_epochs": 15}


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (0, 0.0002),
        (7.5, 0.0011),  # half-way up
        (15, 0.002),
        (15 + 485 / 2, 0.0011),  # half-way down
        (500, 0.0002),
    ],
)
def test_the_papers_schedule_at_its_named_epochs(epoch, rate):
    assert learning_rate(epoch, **PAPER) == pytest.approx(rate, rel=1e-12)


def test_cosine_part_equals_torchs_cosine_annealing():
    import torch

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.002)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=485, eta_min=0.0002)
    for epoch in range(0, 485):
        assert learning_rate(15 + epoch, **PAPER) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        theirs.step()


def test_with_transfer_the_schedule_runs_over_the_frozen_epochs_and_then_once_more():
    with_transfer = {**PAPER, "frozen_epochs": 30}
    assert learning_rate_with_transfer(0, **with_transfer) == pytest.approx(0.0002)
    assert learning_rate_with_transfer(15, **with_transfer) == pytest.approx(0.002)
    assert learning_rate_with_transfer(30 - 1e-9, **with_transfer) == pytest.approx(0.0002)
    assert learning_rate_with_transfer(30, **with_transfer) == pytest.approx(0.0002)
    assert learning_rate_with_transfer(45, **with_transfer) == pytest.approx(0.002)
    assert learning_rate_with_transfer(500, **with_transfer) == pytest.approx(0.0002)


def test_a_schedule_shorter_than_its_warm_up_still_comes_down():
    rates = [learning_rate(e, epochs=4, peak=0.002, final=0.0002, warmup_epochs=15) for e in (0, 2, 4)]
    assert rates == pytest.approx([0.0002, 0.002, 0.0002])


def test_the_schedule_has_no_jump():
    rates = [learning_rate(step / 100, **PAPER) for step in range(50_001)]
    assert max(abs(b - a) for a, b in itertools.pairwise(rates)) < 0.0018 / 15 / 100 + 1e-12
    assert not any(math.isnan(rate) for rate in rates)
