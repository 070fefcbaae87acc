"""Every random choice follows from seed, purpose, epoch and step, and from nothing else."""

import itertools

import torch

from hierattn.training import seed as seeds


def test_the_same_place_has_the_same_draws_and_every_other_place_others():
    places = list(itertools.product((0, 5), ("order", "mixing"), (0, 1), (0, 1)))
    derived = [seeds.derive(*place) for place in places]
    assert derived == [seeds.derive(*place) for place in places]
    assert len(set(derived)) == len(places)
    assert all(0 <= value < 2**63 for value in derived)
    first, again = (seeds.torch_generator(5, "augmentation", 2, 7) for _ in range(2))
    assert torch.equal(torch.rand(4, generator=first), torch.rand(4, generator=again))
    one, other = (seeds.numpy_generator(5, "mixing", 2, step).random(4).tolist() for step in (7, 8))
    assert one != other


def test_the_layers_draw_the_same_at_a_step_and_each_process_others():
    drawn = []
    for process in (0, 0, 1):
        seeds.seed_layers(3, 1, 4, process)
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
