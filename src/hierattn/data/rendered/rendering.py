"""Drawing primitives of the rendered lesions: the plane, noise, soft discs, strokes, blur, and the optics of skin.

A rendered lesion is a function on a plane, and a photograph samples it: every primitive works in the lesion's own
coordinates (the half-width of an unscaled photograph is 1), so that two photographs of one lesion show the same
lesion, and a larger size shows the same lesion more finely. Everything is vectorised, by NumPy and OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]
"""One value a pixel, (size, size)."""

Curve = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating], float]
"""x, y and width at the points of a curve, each (n,), and the opacity of the whole."""

Texture = Literal["cloud", "grain", "membrane", "cell", "shade"]

# Absorbance of one unit of each chromophore in red, green and blue. Melanin absorbs most in the blue (brown), blood in
# the green (red to crimson); pigment deep in the dermis looks blue-grey, because what returns from above it is blue.
MELANIN = np.array([0.58, 1.0, 1.22], np.float32)
BLOOD = np.array([0.20, 1.0, 0.72], np.float32)
DEEP = np.array([1.05, 0.86, 0.62], np.float32)
PALE = np.array([0.97, 0.915, 0.885], np.float32)
"""Reflectance of skin without melanin and blood."""

TILE = 512
CELLS = 20
"""Cells along one side of the cellular tiles."""


@dataclass(frozen=True, eq=False)
class Seat:
    """Where on its endless tile a texture of one lesion begins: ``u`` and ``v`` in tiles, ``angle`` in radians."""

    u: float
    v: float
    angle: float


@dataclass(frozen=True, eq=False)
class Dots:
    """Discs in lesion coordinates: ``x``, ``y``, ``radius`` and ``strength`` (0 to 1), each of shape (n,)."""

    x: Field
    y: Field
    radius: Field
    strength: Field


@dataclass(frozen=True, eq=False)
class Strokes:
    """Curves as chains of points in lesion coordinates, each array of shape (n,).

    ``width`` is the full width at a point, ``strength`` its opacity, and ``curve`` the number of the curve that the
    point belongs to; neighbours of one number are joined.
    """

    x: Field
    y: Field
    width: Field
    strength: Field
    curve: NDArray[np.int64]

    @classmethod
    def join(cls, curves: Sequence[Curve]) -> Strokes:
        """Chains from ``(x, y, width, strength)`` a curve; an empty list gives no points."""
        if not curves:
            empty = np.zeros(0, np.float32)
            return cls(empty, empty, empty, empty, np.zeros(0, np.int64))
        lengths = [len(curve[0]) for curve in curves]
        x, y, width = (np.concatenate([curve[k] for curve in curves]).astype(np.float32) for k in range(3))
        strength = np.repeat([curve[3] for curve in curves], lengths).astype(np.float32)
        return cls(x, y, width, strength, np.repeat(np.arange(len(curves)), lengths))


@dataclass(frozen=True, eq=False)
class Plane:
    """The pixels of one photograph in lesion coordinates.

    Attributes
    ----------
    x, y
        Lesion coordinates of every pixel's centre, (size, size).
    pixel
        Length of a pixel's side in lesion coordinates.
    to_pixels
        (2, 3): the affine map from lesion coordinates back to pixel indices.
    """

    x: Field
    y: Field
    pixel: float
    to_pixels: NDArray[np.float64]

    @classmethod
    def of_pose(
        cls,
        size: int,
        *,
        angle: float = 0.0,
        scale: float = 1.0,
        shift: tuple[float, float] = (0, 0),
        flip: bool = False,
    ) -> Plane:
        """A photograph of ``size`` pixels: the lesion turned by ``angle`` (radians), enlarged, shifted, mirrored.

        ``shift`` is where the lesion's origin lies in the photograph, whose sides run from -1 to 1.
        """
        half = size / 2
        cosine, sine = np.cos(angle), np.sin(angle)
        mirror = np.diag([-1.0 if flip else 1.0, 1.0])
        forward = half * scale * np.array([[cosine, -sine], [sine, cosine]]) @ mirror
        offset = half * (np.asarray(shift, float) + 1) - 0.5
        inverse = np.linalg.inv(forward)
        columns = (np.arange(size) - offset[0])[None, :]
        rows = (np.arange(size) - offset[1])[:, None]
        x = inverse[0, 0] * columns + inverse[0, 1] * rows
        y = inverse[1, 0] * columns + inverse[1, 1] * rows
        affine = np.column_stack([forward, offset])
        return cls(x.astype(np.float32), y.astype(np.float32), 1 / (half * scale), affine)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.x.shape[0]

    def texture(self, kind: Texture, period: float, seat: Seat, warp: tuple[Field, Field] | None = None) -> Field:
        """Sample a tile. ``period``: of ``cloud`` and ``grain`` the length of the largest features, else of a cell."""
        scale = 1 / (period * (CELLS if kind in ("membrane", "cell", "shade") else 4))
        x, y = (self.x, self.y) if warp is None else (self.x + warp[0], self.y + warp[1])
        # Clouds are smooth: 64 samples a side hold them, and the rest is interpolation.
        step = self.size // 64 if kind == "cloud" and warp is None and self.size % 64 == 0 else 1
        if step > 1:
            rows = slice(step // 2, None, step)
            x, y = x[rows, rows], y[rows, rows]
        cosine, sine = np.float32(np.cos(seat.angle) * scale), np.float32(np.sin(seat.angle) * scale)
        u, v = cosine * x - sine * y + np.float32(seat.u), sine * x + cosine * y + np.float32(seat.v)
        values = sample(tile(kind), u, v)
        if step > 1:
            values = _interpolate_rows(_interpolate_rows(values, step).T, step).T
        return values.astype(np.float32, copy=False)

    def dots(self, dots: Dots, softness: float = 0.35) -> Field:
        """Coverage of discs, 0 to 1; their edge is ``softness`` of the radius wide, and a pixel at the least."""
        x, y = self._pixels(dots.x, dots.y)
        radius = dots.radius / np.float32(self.pixel)
        return stamp(self.size, x, y, radius, np.maximum(1, radius * softness), dots.strength)

    def strokes(self, strokes: Strokes, widen: float = 1.0) -> Field:
        """Coverage of curves, 0 to 1, antialiased."""
        x, y = self._pixels(strokes.x, strokes.y)
        radius = strokes.width * np.float32(0.5 * widen / self.pixel)
        x, y, radius, strength = _fill(x, y, radius, strokes.strength, strokes.curve)
        thin = np.minimum(1, radius * 2)  # a curve thinner than a pixel covers a part of it
        return stamp(self.size, x, y, np.maximum(radius, 0.5), np.ones_like(radius), strength * thin)

    def _pixels(self, x: Field, y: Field) -> tuple[Field, Field]:
        points = self.to_pixels @ np.stack([x, y, np.ones_like(x)])
        return points[0].astype(np.float32), points[1].astype(np.float32)


def _fill(
    x: Field, y: Field, radius: Field, strength: Field, curve: NDArray[np.int64]
) -> tuple[Field, Field, Field, Field]:
    """Put points between neighbours of one curve until no gap is wider than about 0.8 pixel."""
    if len(x) < 2:
        return x, y, radius, strength
    gap = np.hypot(np.diff(x), np.diff(y))
    joined = np.diff(curve) == 0
    parts = int(np.clip(np.ceil(gap[joined].max(initial=0) / 0.8), 1, 64))
    if parts == 1:
        return x, y, radius, strength
    steps = (np.arange(parts, dtype=np.float32) / parts)[:, None]
    filled = []
    for values in (x, y, radius, strength):
        between = values[:-1] + steps * np.where(joined, np.diff(values), 0)
        filled.append(np.append(between.ravel(), values[-1]).astype(np.float32))
    return filled[0], filled[1], filled[2], filled[3]


def stamp(size: int, x: Field, y: Field, radius: Field, softness: Field, strength: Field) -> Field:
    """Soft discs on a (size, size) canvas, the strongest winning where they overlap. All lengths in pixels."""
    canvas = np.zeros(size * size, np.float32)
    reach = np.ceil(radius + softness / 2).astype(int)
    bucket = np.where(reach <= 4, reach, 2 ** np.ceil(np.log2(np.maximum(reach, 1))).astype(int))
    near = (x > -reach) & (x < size + reach) & (y > -reach) & (y < size + reach)
    for span in np.unique(bucket[near]):
        chosen = near & (bucket == span)
        offset = np.arange(-span, span + 1)
        column = np.rint(x[chosen]).astype(int)[:, None] + offset
        row = np.rint(y[chosen]).astype(int)[:, None] + offset
        along = (column - x[chosen, None]) ** 2
        down = (row - y[chosen, None]) ** 2
        distance = np.sqrt(down[:, :, None] + along[:, None, :])
        edge = softness[chosen, None, None]
        value = np.clip((radius[chosen, None, None] - distance) / edge + 0.5, 0, 1) * strength[chosen, None, None]
        inside = ((row >= 0) & (row < size))[:, :, None] & ((column >= 0) & (column < size))[:, None, :] & (value > 0)
        index = (row[:, :, None] * size + column[:, None, :])[inside]
        np.maximum.at(canvas, index, value[inside].astype(np.float32))
    return canvas.reshape(size, size)


@lru_cache(maxsize=8)
def tile(kind: Texture) -> Field:
    """One of the endless tiles, the same in every run: clouds of (TILE, TILE), cells of 16 samples a side.

    ``cloud`` and ``grain``: smooth and rough fractal noise of unit variance. ``membrane``: half the difference of the
    distances to the two nearest cell centres, 0 on the border of two cells; ``cell``: the distance to the nearest
    centre; both in cells (Worley 1996). ``shade``: one value in -1..1 a cell.
    """
    if kind in ("cloud", "grain"):
        return _fractal(*{"cloud": (11, 2.6, 48), "grain": (12, 1.6, 128)}[kind])
    return _cellular()[("membrane", "cell", "shade").index(kind)]


def _fractal(seed: int, slope: float, highest: int) -> Field:
    spectrum = np.fft.rfft2(np.random.default_rng(seed).standard_normal((TILE, TILE)))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]) * TILE
    weight = np.where((frequency >= 3) & (frequency <= highest), np.maximum(frequency, 1) ** (-slope / 2 - 0.5), 0)
    noise = np.fft.irfft2(spectrum * weight, (TILE, TILE))
    return (noise / noise.std()).astype(np.float32)


@lru_cache(maxsize=1)
def _cellular() -> tuple[Field, Field, Field]:
    generator = np.random.default_rng(13)
    side = 16 * CELLS
    # Where each cell's centre lies, counted from the cell's own corner. Every second row is shifted by half a cell:
    # closer to the hexagonal mesh of rete ridges than a square one.
    lean_y, lean_x = (0.5 + generator.uniform(-0.33, 0.33, (2, CELLS, CELLS))).astype(np.float32)
    lean_x += 0.5 * (np.arange(CELLS)[:, None] % 2)
    shades = generator.uniform(-1, 1, (CELLS, CELLS)).astype(np.float32)
    place = (np.arange(side, dtype=np.float32) + 0.5) / 16
    cell = place.astype(int)
    place -= cell
    first, second = np.full((2, side, side), 9, np.float32)
    shade = np.zeros((side, side), np.float32)
    for down in (-1, 0, 1):
        for along in (-2, -1, 0, 1):  # two to the left, because shifted rows lean to the right
            near = np.ix_((cell + down) % CELLS, (cell + along) % CELLS)
            dx, dy = place[None, :] - along - lean_x[near], place[:, None] - down - lean_y[near]
            distance = np.sqrt(dx * dx + dy * dy)
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            first, shade = np.where(closer, distance, first), np.where(closer, shades[near], shade)
    return ((second - first) / 2).astype(np.float32, copy=False), first, shade


def sample(texture: Field, u: Field, v: Field) -> Field:
    """Read an endless tile at ``u`` (across) and ``v`` (down), in tiles, bilinearly."""
    side = texture.shape[0]
    u, v = u * np.float32(side), v * np.float32(side)
    left, top = np.floor(u), np.floor(v)
    right_part, low_part = u - left, v - top
    column, row = left.astype(np.int32) % side, top.astype(np.int32) % side
    next_column, row, next_row = (column + 1) % side, row * side, (row + 1) % side * side
    flat = texture.ravel()
    upper_left, upper_right = flat[row + column], flat[row + next_column]
    lower_left, lower_right = flat[next_row + column], flat[next_row + next_column]
    upper = upper_left + right_part * (upper_right - upper_left)
    return upper + low_part * (lower_left + right_part * (lower_right - lower_left) - upper)


def _interpolate_rows(values: Field, step: int) -> Field:
    """(rows, columns) -> (rows * step, columns): linear between samples at step // 2, step // 2 + step, ..."""
    last = len(values) - 1
    place = np.clip((np.arange(len(values) * step) - step // 2) / step, 0, last)
    before = place.astype(int)
    share = (place - before).astype(np.float32)[:, None]
    return values[before] + share * (values[np.minimum(before + 1, last)] - values[before])


def smoothstep(low: float, high: float, values: Field) -> Field:
    """0 below ``low``, 1 above ``high``, and the cubic 3t² - 2t³ between them."""
    t = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=64)
def _blur_weights(size: int, sigma: float) -> tuple[Field, Field]:
    """A Gaussian's taps to 4.8 sigma, and for each place of a row the sum of those that fall inside the picture."""
    reach = min(int(4.8 * sigma), size - 1)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    inside = np.convolve(np.ones(size), taps, mode="full")[reach : reach + size]
    return taps.astype(np.float32), inside.astype(np.float32)


def blur(image: Field, sigma: float) -> Field:
    """Gaussian blur of (size, size) or (3, size, size); ``sigma`` in pixels, in steps of 0.05, none below 0.25."""
    sigma = round(sigma * 20) / 20
    if sigma < 0.25:
        return image
    # Not by products of matrices, whose threads wait for one another: fourteen times as slow on a busy processor.
    taps, inside = _blur_weights(image.shape[-1], sigma)
    planes = image.reshape(-1, *image.shape[-2:]).astype(np.float32, copy=False)
    sums = [cv2.sepFilter2D(plane, -1, taps, taps, borderType=cv2.BORDER_CONSTANT) for plane in planes]
    return (np.stack(sums) / (inside[:, None] * inside)).reshape(image.shape)


def reflectance(melanin: Field, blood: Field, deep: Field) -> Field:
    """Colour of skin by Lambert and Beer, (3, size, size), linear 0 to 1: pale skin dimmed by what it holds."""
    of_melanin, of_blood, of_deep, pale = (values[:, None, None] for values in (MELANIN, BLOOD, DEEP, PALE))
    return pale * np.exp(-(of_melanin * melanin + of_blood * blood + of_deep * deep))
