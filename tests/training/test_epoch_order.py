from collections import Counter

import numpy as np
import pytest

from hierattn.training.epoch_order import epoch_order

LABELS = np.array([0] * 70 + [1] * 20 + [2] * 10)


def test_natural_order_shows_every_image_once():
    order = epoch_order(LABELS, sampling="natural", draws=0, generator=np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    assert list(order) != list(range(100))


@pytest.mark.parametrize("draws", [0, 90, 101, 299])
def test_balanced_order_draws_every_class_equally_often(draws):
    order = epoch_order(LABELS, sampling="balanced", draws=draws, generator=np.random.default_rng(1))
    assert len(order) == (draws or 100)
    counts = Counter(LABELS[order].tolist())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_square_root_order_draws_each_class_as_often_as_the_root_of_its_images():
    labels = np.repeat([0, 1, 2, 3], [100, 25, 4, 1])  # roots 10, 5, 2 and 1
    order = epoch_order(labels, sampling="square-root", draws=180, generator=np.random.default_rng(3))
    assert Counter(labels[order].tolist()) == {0: 100, 1: 50, 2: 20, 3: 10}
    few = epoch_order(labels, sampling="square-root", draws=2, generator=np.random.default_rng(3))
    assert len(few) == 2


def test_no_image_comes_a_second_time_before_every_other_of_its_class_came_once():
    order = epoch_order(LABELS, sampling="balanced", draws=99, generator=np.random.default_rng(2))
    for label in range(3):
        times = Counter(order[LABELS[order] == label].tolist())
        pool = np.flatnonzero(label == LABELS)
        shown = [times.get(int(image), 0) for image in pool]
        assert max(shown) - min(shown) <= 1


def test_same_generator_same_order_other_generator_other_order():
    def make(seed):
        return epoch_order(LABELS, sampling="balanced", draws=0, generator=np.random.default_rng(seed)).tolist()

    assert make(5) == make(5)
    assert make(5) != make(6)
