"""Names beside the marks of a scatter figure, placed over no other name, mark or interval.

Each name tries places right and left of its mark, at heights ever farther away; it takes the one that covers least and
lies nearest. The names choose in turn, and then a few times again, as the others have moved. Nothing is drawn by
chance, so a figure comes out the same again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

GAPS = (7.0, 14.0, 21.0, 28.0)
"""Points between a mark and its name: as near as can be, and past a neighbour or two."""
REACH, STEP = 110.0, 3.0
"""How far up or down a name may go, and by which steps, in points."""
ROUNDS = 4
MARK = 4.5
"""Half the width of what is kept free around a mark, in points."""
LEADER = 0.9
"""A line leads to a name that is farther up or down than this many of its own heights, or not at the nearest gap."""


@dataclass(frozen=True)
class Mark:
    """A mark with a name.

    Attributes
    ----------
    x, y
        In the units of the axes.
    low, high
        Ends of its interval; ``y`` where it has none.
    text
        Its name; empty: the mark is only to be kept free.
    colour
        Of the name.
    """

    x: float
    y: float
    low: float
    high: float
    text: str
    colour: str


def side_by_side(sizes: Sequence[float], apart: float) -> list[float]:
    """Where marks stand on a logarithmic axis of sizes: those of nearly one size beside one another.

    Parameters
    ----------
    sizes
        Positive; marks of one size stand in the order given.
    apart
        How far apart such marks stand, as a share of their size. Sizes within twice that are nearly one.

    >>> side_by_side([1.0, 5.0, 1.0], apart=0.1)
    [0.95, 5.0, 1.05]
    """
    order = sorted(range(len(sizes)), key=lambda one: (sizes[one], one))
    groups: list[list[int]] = []
    for one in order:
        if groups and sizes[one] <= sizes[groups[-1][0]] * (1 + 2 * apart):
            groups[-1].append(one)
        else:
            groups.append([one])
    found = list(map(float, sizes))
    for group in groups:
        for place, one in enumerate(group):
            found[one] = sizes[one] * (1 + apart * (place - (len(group) - 1) / 2))
    return found


@dataclass(frozen=True)
class _Place:
    box: Bbox
    anchor: tuple[float, float]
    side: str
    away: float


def write_labels(axis: Axes, marks: Sequence[Mark], size: float = 8.0) -> None:
    """Write the names. The axes must have their limits and scales already.

    Parameters
    ----------
    axis
        Of a figure that is laid out here, and whose layout the names do not change.
    marks
        All marks of the axes, with or without names.
    size
        Of the names, in points.
    """
    figure = axis.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError(f"axes of {type(figure).__name__}: wanted axes that stand in a figure themselves")
    figure.draw_without_rendering()
    unit = figure.dpi / 72
    frame = axis.get_window_extent()
    points = [axis.transData.transform((mark.x, mark.y)) for mark in marks]
    kept_free = [box for mark, point in zip(marks, points, strict=True) for box in _taken(axis, mark, point, unit)]
    named = [(mark, point) for mark, point in zip(marks, points, strict=True) if mark.text]
    choices = [list(_places(_extent(axis, mark.text, size), point, unit)) for mark, point in named]
    costs = [
        _Costs.of(places, point, kept_free, frame, unit) for places, (_, point) in zip(choices, named, strict=True)
    ]
    chosen: list[_Place | None] = [None] * len(named)
    for _ in range(ROUNDS):
        for index, places in enumerate(choices):
            others = [place.box for other, place in enumerate(chosen) if place is not None and other != index]
            chosen[index] = places[int(np.argmin(costs[index].beside(others)))]
    for (mark, point), place in zip(named, chosen, strict=True):
        if place is not None:
            _write(axis, mark, point, place, size, unit)


def _extent(axis: Axes, text: str, size: float) -> tuple[float, float]:
    """Width and height of a text, in dots."""
    shown = axis.text(0, 0, text, fontsize=size)
    box = shown.get_window_extent()
    shown.remove()
    return box.width, box.height


def _taken(axis: Axes, mark: Mark, point: np.ndarray, unit: float) -> Iterator[Bbox]:
    """What a mark and its interval cover."""
    x, y = point
    half = MARK * unit
    yield Bbox.from_extents(x - half, y - half, x + half, y + half)
    low, high = (axis.transData.transform((mark.x, end))[1] for end in (mark.low, mark.high))
    if high > low:
        yield Bbox.from_extents(x - 3 * unit, low, x + 3 * unit, high)


def _places(extent: tuple[float, float], point: np.ndarray, unit: float) -> Iterator[_Place]:
    width, height = extent
    x, y = point
    steps = int(REACH / STEP)
    for step in sorted(range(-steps, steps + 1), key=lambda one: (abs(one), -one)):
        up = step * STEP * unit
        for gap in GAPS:
            if gap == GAPS[0] and _needs_line(up, gap * unit, height, unit):
                continue  # no room for the line
            out = gap * unit
            for side in ("left", "right"):  # of the text: it stands right of its mark, or left
                start = x + out if side == "left" else x - out - width
                box = Bbox.from_extents(start, y + up - height / 2, start + width, y + up + height / 2)
                anchor = (x + out if side == "left" else x - out, y + up)
                away = abs(up) + (gap - GAPS[0]) * unit + (0.0 if side == "left" else 2 * unit)
                yield _Place(box, anchor, side, away)


def _needs_line(up: float, out: float, height: float, unit: float) -> bool:
    """Whether a name this far up and out of its mark needs a line that leads to it."""
    return abs(up) > LEADER * height or out > GAPS[0] * unit + 1e-6


@dataclass(frozen=True)
class _Costs:
    """How bad each place of a name is: what it covers weighs most, then what its line crosses, then distance.

    Attributes
    ----------
    boxes
        The names with a little room around them, (places, 4): x0, y0, x1, y1.
    lines
        Points of the lines that lead to them, (places, 11, 2).
    alone
        What a place costs whatever the other names do, (places,).
    unit
        Dots a point.
    """

    boxes: np.ndarray
    lines: np.ndarray
    alone: np.ndarray
    unit: float

    @classmethod
    def of(
        cls, places: Sequence[_Place], point: np.ndarray, kept_free: Sequence[Bbox], frame: Bbox, unit: float
    ) -> _Costs:
        """The costs of a name's places; ``point`` is its mark."""
        boxes = _array([place.box for place in places])
        roomy = boxes + unit * np.array([-1, -1, 1, 1])
        anchors = np.array([place.anchor for place in places])
        lines = np.linspace(np.broadcast_to(point, anchors.shape), anchors, 12, axis=1)[:, 1:]
        covered = _shared(roomy, _array(kept_free)).sum(axis=1)
        outside = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - _shared(boxes, _array([frame]))[:, 0]
        near = _inside(lines, _array([box for box in kept_free if not box.contains(*point)]))
        away = np.array([place.away for place in places])
        return cls(roomy, lines, 40 * (covered + outside) / unit**2 + 3 * near + away / unit, unit)

    def beside(self, others: Sequence[Bbox]) -> np.ndarray:
        """The costs where other names stand, (places,)."""
        taken = _array(others)
        covered = _shared(self.boxes, taken).sum(axis=1)
        return self.alone + 40 * covered / self.unit**2 + 60 * _inside(self.lines, taken)


def _array(boxes: Sequence[Bbox]) -> np.ndarray:
    return np.array([box.extents for box in boxes]).reshape(-1, 4)


def _shared(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that each of some boxes shares with each of others, (N, 4), (M, 4) -> (N, M)."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(axis=2))


def _inside(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How many points of each line lie in boxes, counted for each box, (N, P, 2), (M, 4) -> (N,)."""
    points = lines[:, :, None]
    return np.asarray(((boxes[:, :2] <= points) & (points <= boxes[:, 2:])).all(axis=3).sum(axis=(1, 2)))


def _write(axis: Axes, mark: Mark, point: np.ndarray, place: _Place, size: float, unit: float) -> None:
    offset = (np.asarray(place.anchor) - point) / unit
    far = _needs_line(offset[1], abs(offset[0]), place.box.height / unit, 1.0)
    written = axis.annotate(
        mark.text,
        (mark.x, mark.y),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha=place.side,
        va="center",
        fontsize=size,
        color=mark.colour,
        arrowprops={
            "arrowstyle": "-",
            "color": mark.colour,
            "linewidth": 0.6,
            "shrinkA": 1,
            "shrinkB": 4,
            "relpos": (0 if place.side == "left" else 1, 0.5),
        }
        if far
        else None,
    )
    written.set_in_layout(False)
