from __future__ import annotations

import numpy as np
import pytest
import torch
from tools.gpu.views import Sampler, Views, ahead, posed

NONE = {
    "rotation": 0,
    "zoom_in": 0,
    "zoom_out": 0,
    "stretch": 0,
    "horizontal_flip": 0,
    "vertical_flip": 0,
    "translation": 0,
}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_cells_of_source_and_class_are_drawn_by_the_root_of_their_images():
    sources, labels = ["a"] * 400 + ["b"] * 100, np.array([0] * 400 + [0] * 100)
    rules = {"by_source": True, "power": 0.5, "least": 0, "source_weights": {}}
    sampler = Sampler(np.arange(500), sources, labels, rules, seed=0)
    drawn = sampler.draw(0, 20, 30)
    assert drawn.shape == (20, 30)
    assert (np.mean(drawn < 400, axis=1).round(6) == round(2 / 3, 6)).all()  # in every step, not on average alone
    assert np.array_equal(drawn, sampler.draw(0, 20, 30))
    assert not np.array_equal(drawn, sampler.draw(1, 20, 30))


def test_a_tiny_cell_is_not_drawn_as_often_as_the_root_says():
    sources, labels = ["a"] * 101, np.array([0] * 100 + [1])
    plain = {"by_source": True, "power": 0.5, "least": 0, "source_weights": {}}
    shares = [Sampler(np.arange(101), sources, labels, {**plain, "least": least}, 0).shares for least in (0, 30)]
    assert shares[0][1] == pytest.approx(1 / 11)
    assert shares[1][1] < shares[0][1] / 4


def test_power_0_without_sources_balances_classes():
    sources, labels = ["a"] * 50 + ["b"] * 50, np.array([0] * 90 + [1] * 10)
    rules = {"by_source": False, "power": 0.0, "least": 0, "source_weights": {}}
    assert Sampler(np.arange(100), sources, labels, rules, 0).shares.tolist() == [0.5, 0.5]


def test_without_rules_a_view_is_the_photograph():
    images = torch.rand(3, 3, 16, 16, generator=generator())
    assert torch.allclose(posed(images, 16, NONE, generator()), images, atol=1e-5)


def test_a_stretch_changes_height_against_width_and_keeps_the_middle():
    images = torch.zeros(64, 3, 65, 65)
    images[:, :, 22:43, 22:43] = 1
    views = posed(images, 65, {**NONE, "stretch": 1.0}, generator())
    across, down = views[:, 0, 32].sum(1), views[:, 0, :, 32].sum(1)
    assert (across / down).max() > 1.3
    assert (across / down).min() < 0.75
    assert torch.allclose(across * down, torch.tensor(441.0), rtol=0.05)  # the area stays
    assert (views[:, 0, 32, 32] == 1).all()


def test_chunks_follow_from_seed_and_number_and_the_thread_makes_the_same(settings):
    images = torch.randint(0, 256, (40, 64, 64, 3), dtype=torch.uint8, generator=generator())
    labels = torch.arange(40) % 2
    table = settings["student"]
    sampler = Sampler(np.arange(40), ["a"] * 40, labels.numpy(), table["sampling"], 0)
    views = Views(images, labels, sampler, table, steps=2, batch=4)
    one = views.make(3)
    assert one.images.shape == (8, 3, 64, 64)
    assert one.images.min() >= 0
    assert one.images.max() <= 1
    again = ahead(views.make, 2, 2)
    next(again)
    two = next(again)
    again.close()
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)
    assert one.shares == two.shares


def test_an_error_in_the_thread_is_raised_here():
    def make(number: int) -> None:
        raise RuntimeError(f"chunk {number}")

    with pytest.raises(RuntimeError, match="chunk 5"):
        next(ahead(make, 5, 2))
