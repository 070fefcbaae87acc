import math

import pytest
import torch
from torch import nn

from hierattn.training.optimisation.averaging import WeightAverage


def model_at(value):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


def test_average_of_constant_weights_is_that_constant():
    model = model_at(3.0)
    average = WeightAverage(model, 0.9)
    for _ in range(5):
        average.update()
    assert torch.equal(average.tensors["0.weight"], torch.full((2, 2), 3.0))


def test_average_follows_the_closed_form():
    model = model_at(0.0)
    average = WeightAverage(model, 0.5)
    expected = 0.0
    for n, value in enumerate([1.0, 2.0, 4.0, 8.0]):
        model.load_state_dict(model_at(value).state_dict())
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(average.tensors["0.bias"], torch.full((2,), expected))


@pytest.mark.parametrize("updates", [1, 5, 20])
def test_a_short_run_forgets_the_weights_that_it_began_with(updates):
    model = model_at(1.0)
    average = WeightAverage(model, 0.99)
    model.load_state_dict(model_at(0.0).state_dict())
    for _ in range(updates):
        average.update()
    # The product of (1 + n) / (10 + n) is 1 over a binomial coefficient; of 0.99 alone, 0.82 would be left after 20.
    left = torch.full((2, 2), 1 / math.comb(updates + 9, 9))
    torch.testing.assert_close(average.tensors["0.weight"], left)


def test_whole_numbers_are_copied_and_state_survives_a_round_trip():
    model = model_at(1.0)
    average = WeightAverage(model, 0.9)
    model.train()
    model(torch.rand(4, 2))
    average.update()
    assert int(average.tensors["1.num_batches_tracked"]) == 1
    other = WeightAverage(model_at(7.0), 0.9)
    other.load_state_dict(average.state_dict())
    assert other.updates == 1
    assert all(torch.equal(other.tensors[name], value) for name, value in average.tensors.items())
