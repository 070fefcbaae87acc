from collections import Counter

import numpy as np
import pytest

from hierattn.errors import UsageError
from hierattn.training.epoch_order import Cells, epoch_order

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


# --- by cells of source and class ---------------------------------------------------------------------------------

SOURCES = ["a"] * 60 + ["b"] * 40
MIXED = np.array([0] * 50 + [1] * 10 + [0] * 37 + [1] * 3)
CELLS = [("a", 0, 50), ("a", 1, 10), ("b", 0, 37), ("b", 1, 3)]


def by_hand(power, least=0, weights=None):
    """The rule in plain arithmetic, cell by cell."""
    drawn = []
    for source, _, count in CELLS:
        each = count**power if count >= least else least**power * count / least
        drawn.append(each * (weights or {}).get(source, 1))
    return [one / sum(drawn) for one in drawn]


@pytest.mark.parametrize(
    ("power", "least", "weights"),
    [(0, 0, None), (1, 0, None), (0.5, 0, None), (0.5, 20, None), (0, 10, None), (0.3, 4, {"a": 0.25, "b": 2})],
)
def test_cells_are_shared_out_by_their_power_their_least_and_their_sources_weight(power, least, weights):
    cells = Cells.of(SOURCES, MIXED, power=power, least=least, source_weights=weights)
    assert cells.names == tuple((source, label) for source, label, _ in CELLS)
    assert cells.shares.tolist() == pytest.approx(by_hand(power, least, weights))
    assert [len(rows) for rows in cells.rows] == [50, 10, 37, 3]


@pytest.mark.parametrize("by", [("class",), ("source",), ("source", "class")])
def test_cells_of_power_0_are_drawn_alike_whatever_they_are_of(by):
    cells = Cells.of(SOURCES, MIXED, by=by, power=0)
    assert set(cells.shares.tolist()) == {1 / (2 * len(by))}


@pytest.mark.parametrize(("draws", "batch"), [(0, 10), (96, 16), (640, 32), (300, 7), (5, 64)])
@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_every_batch_and_the_epoch_hold_each_cell_by_its_share_to_within_one(draws, batch, power):
    cells = Cells.of(SOURCES, MIXED, power=power, least=5)
    generator = np.random.default_rng(draws)
    order = epoch_order(MIXED, sampling="cells", draws=draws, generator=generator, cells=cells, batch=batch)
    assert len(order) == (draws or 100)
    number = np.empty(100, int)
    for place, rows in enumerate(cells.rows):
        number[rows] = place
    whole = len(order) // batch
    for part in [*np.split(order[: whole * batch], max(whole, 1)), *([order] if len(order) % batch == 0 else [])]:
        if len(part):
            held = np.bincount(number[part], minlength=4)
            assert (np.abs(held - len(part) * cells.shares) < 1 + 1e-9).all()


def test_no_image_of_a_cell_comes_again_before_every_other_of_it_came():
    cells = Cells.of(SOURCES, MIXED, power=0.3)
    generator = np.random.default_rng(1)
    order = epoch_order(MIXED, sampling="cells", draws=400, generator=generator, cells=cells, batch=16)
    times = np.bincount(order, minlength=100)
    for rows in cells.rows:
        assert times[rows].max() - times[rows].min() <= 1


def test_the_same_seed_draws_the_same_cells_and_images():
    cells = Cells.of(SOURCES, MIXED)

    def make(seed):
        generator = np.random.default_rng(seed)
        return epoch_order(MIXED, sampling="cells", draws=64, generator=generator, cells=cells, batch=16).tolist()

    assert make(1) == make(1) != make(2)


def test_a_weight_of_a_source_that_is_not_trained_on_is_refused():
    with pytest.raises(UsageError, match="source_weights names c, of which nothing is trained on: wanted some of a, b"):
        Cells.of(SOURCES, MIXED, source_weights={"c": 2})
