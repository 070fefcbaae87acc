"""Names beside marks: readable, each near its own mark, and the same again."""

import itertools

import numpy as np
import pytest
from matplotlib.text import Annotation

from hierattn.evaluation.pages.figure_labels import Mark, side_by_side, write_labels
from hierattn.evaluation.pages.figures import plain_axes


def drawn(marks, width=5.2, height=5.0):
    """(axes, its names by text), the figure laid out."""
    figure, (axis,) = plain_axes(width, height)
    for mark in marks:
        axis.errorbar([mark.x], [mark.y], yerr=[[mark.y - mark.low], [mark.high - mark.y]], fmt="o")
    axis.set(xlim=(0, 10), ylim=(0, 1))
    write_labels(axis, marks)
    figure.draw_without_rendering()
    return axis, {text.get_text(): text for text in axis.texts if isinstance(text, Annotation)}


def cluster(count, seed=0):
    """Marks that crowd: long names, wide intervals, a few places."""
    rng = np.random.default_rng(seed)
    places = rng.choice([2.0, 2.3, 5.0, 7.5], count)
    values = rng.uniform(0.35, 0.65, count)
    return [
        Mark(float(x), float(y), float(y) - 0.1, float(y) + 0.1, f"network_number_{number}", "#000000")
        for number, (x, y) in enumerate(zip(places, values, strict=True))
    ]


def overlaps(one, other):
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


@pytest.mark.parametrize("seed", range(3))
def test_no_name_covers_another_a_mark_or_an_interval_or_leaves_the_axes(seed):
    marks = cluster(8, seed)
    axis, names = drawn(marks)
    assert set(names) == {mark.text for mark in marks}
    boxes = {text: super(Annotation, name).get_window_extent() for text, name in names.items()}  # the words alone
    for one, other in itertools.combinations(boxes, 2):
        assert not overlaps(boxes[one], boxes[other]), (one, other)
    frame = axis.get_window_extent()
    for text, box in boxes.items():
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1, text
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1, text
        for mark in marks:
            x, low = axis.transData.transform((mark.x, mark.low))
            high = axis.transData.transform((mark.x, mark.high))[1]
            assert not (box.x0 < x < box.x1 and box.y0 < high and low < box.y1), (text, mark.text)


def test_a_name_alone_stands_right_of_its_mark_at_its_height():
    axis, names = drawn([Mark(3.0, 0.5, 0.4, 0.6, "alone", "#000000")])
    box = super(Annotation, names["alone"]).get_window_extent()
    x, y = axis.transData.transform((3.0, 0.5))
    assert 0 < box.x0 - x < 20
    assert abs((box.y0 + box.y1) / 2 - y) < 2


def test_a_mark_without_a_name_is_kept_free_and_gets_none():
    free = Mark(3.6, 0.5, 0.5, 0.5, "", "#000000")
    axis, names = drawn([Mark(3.0, 0.5, 0.5, 0.5, "its neighbour", "#000000"), free])
    assert set(names) == {"its neighbour"}
    box = super(Annotation, names["its neighbour"]).get_window_extent()
    x, y = axis.transData.transform((free.x, free.y))
    assert not (box.x0 < x < box.x1 and box.y0 < y < box.y1)


def test_places_are_the_same_again():
    first, second = ({text: name.xyann for text, name in drawn(cluster(8))[1].items()} for _ in range(2))
    assert first == second


def test_marks_of_nearly_one_size_stand_beside_one_another_and_others_where_they_are():
    assert side_by_side([4.0, 1.0, 1.01, 1.0], apart=0.1) == pytest.approx([4.0, 0.9, 1.01 * 1.1, 1.0])
    assert side_by_side([], apart=0.1) == []
