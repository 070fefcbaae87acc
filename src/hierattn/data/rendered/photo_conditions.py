"""What is the photograph and not the lesion: pose, light, lens, camera, hair, ruler, bubbles and the black surround.

:func:`draw_photo` draws the conditions; :func:`photograph` applies them. Two photographs of one lesion are the same
appearance under two draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hierattn.data.rendered.rendering import Curve, Dots, Field, Plane, Strokes, blur, smoothstep
from hierattn.data.rendered.tissue import Tissue


@dataclass(frozen=True)
class Surround:
    """The circle of a dermatoscope: black outside. Centre and radius in half-widths of the photograph."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, eq=False)
class PhotoConditions:
    """How a lesion was photographed. Lengths are in half-widths of the photograph.

    Attributes
    ----------
    angle, scale, shift, flip
        Pose: the lesion's turn in radians, its enlargement, where its middle lies, whether it is mirrored.
    gains
        White balance: factors of linear red, green and blue.
    exposure, contrast, saturation
        Factor of linear light; exponent of the tone curve (1: none); factor of the distance from grey.
    light, slope, vignette
        Direction of the light in radians; how much brighter that side is; how much darker the corners are.
    relief
        How strongly the surface shows: 1 is contact dermoscopy's usual flatness.
    glare
        Strength of the reflections on what is raised.
    focus, noise, noise_seed
        Gaussian blur's sigma and the sensor noise's standard deviation (of 1); the seed of that noise.
    hair_colour, hairs, ruler, bubbles
        What else is in the picture; None where absent.
    surround
        The black surround; None where the picture fills the frame.
    """

    angle: float
    scale: float
    shift: tuple[float, float]
    flip: bool
    gains: tuple[float, float, float]
    exposure: float
    contrast: float
    saturation: float
    light: float
    slope: float
    vignette: float
    relief: float
    glare: float
    focus: float
    noise: float
    noise_seed: int
    hair_colour: tuple[float, float, float]
    hairs: Strokes | None = None
    ruler: Strokes | None = None
    bubbles: Dots | None = None
    surround: Surround | None = None

    def plane(self, size: int) -> Plane:
        """The pixels of this photograph, ``size`` a side, in the lesion's coordinates."""
        return Plane.of_pose(size, angle=self.angle, scale=self.scale, shift=self.shift, flip=self.flip)

    def window(self, size: int) -> NDArray[np.bool_]:
        """(size, size): where the picture is not black surround."""
        if self.surround is None:
            return np.ones((size, size), bool)
        return _window(Plane.of_pose(size), self.surround) > 0.5


def draw_photo(generator: np.random.Generator, *, surround: bool | None = None) -> PhotoConditions:
    """Draw the conditions of one photograph.

    ``surround`` True or False gives it the black surround or forbids it; with None, 8 % have one.
    """
    uniform, normal = generator.uniform, generator.normal
    warmth, magenta = normal(0, 0.075), normal(0.025, 0.04)
    gains = np.exp([warmth + magenta, -magenta, magenta - warmth])
    wanted = bool(generator.random() < 0.08) if surround is None else surround
    circle = Surround(float(normal(0, 0.03)), float(normal(0, 0.03)), float(uniform(0.80, 0.98))) if wanted else None
    scale = uniform(0.72, 1.15) * (0.85 if wanted else 1.0)
    return PhotoConditions(
        angle=float(uniform(0, 2 * np.pi)),
        scale=float(scale),
        shift=(float(np.clip(normal(0, 0.09), -0.2, 0.2)), float(np.clip(normal(0, 0.09), -0.2, 0.2))),
        flip=False,
        gains=(float(gains[0]), float(gains[1]), float(gains[2])),
        exposure=float(np.exp(normal(-0.02, 0.15))),
        contrast=float(uniform(0.85, 1.2)),
        saturation=float(uniform(0.75, 1.2)),
        light=float(uniform(0, 2 * np.pi)),
        slope=float(uniform(0, 0.16)),
        vignette=float(uniform(0.02, 0.30)),
        relief=float(uniform(0.5, 1.3)),
        glare=float(uniform(0, 0.8)),
        focus=float(uniform(0.001, 0.009)),
        noise=float(uniform(0.006, 0.022)),
        noise_seed=int(generator.integers(2**63)),
        hair_colour=tuple(float(v) for v in np.array([0.10, 0.06, 0.045]) * uniform(0.3, 2.2)),  # type: ignore[arg-type]
        hairs=_draw_hairs(generator) if generator.random() < 0.28 else None,
        ruler=_draw_ruler(generator) if generator.random() < 0.10 else None,
        bubbles=_draw_bubbles(generator) if generator.random() < 0.14 else None,
        surround=circle,
    )


def _draw_hairs(generator: np.random.Generator) -> Strokes:
    """Hairs of one common direction, each a bow."""
    count, heading = int(generator.integers(2, 16)), generator.uniform(0, np.pi)
    width = generator.uniform(0.008, 0.018)
    along = np.linspace(-0.5, 0.5, 24)
    curves: list[Curve] = []
    for _ in range(count):
        angle, length = heading + generator.normal(0, 0.35), generator.uniform(0.4, 1.9)
        middle_x, middle_y = generator.uniform(-0.95, 0.95, 2)
        bow = generator.normal(0, 0.18) * length * (4 * along**2 - 1)
        x = middle_x + length * along * np.cos(angle) - bow * np.sin(angle)
        y = middle_y + length * along * np.sin(angle) + bow * np.cos(angle)
        taper = width * generator.uniform(0.7, 1.2) * np.minimum(1, 1.6 - 1.4 * (along + 0.5))
        curves.append((x, y, taper, float(generator.uniform(0.75, 0.97))))
    return Strokes.join(curves)


def _draw_ruler(generator: np.random.Generator) -> Strokes:
    """A scale along one side: short ticks, every fifth longer."""
    turn = generator.integers(4) * np.pi / 2 + generator.normal(0, 0.04)
    distance, step = generator.uniform(0.72, 0.92), generator.uniform(0.05, 0.09)
    first = int(generator.integers(5))
    strength = float(generator.uniform(0.55, 0.9))
    curves = []
    for k, along in enumerate(np.arange(-0.92 + generator.uniform(0, step), 0.92, step)):
        reach = 0.09 if (k + first) % 5 == 0 else 0.05
        across = np.linspace(distance, distance + reach, 12)
        x, y = across * np.cos(turn) - along * np.sin(turn), across * np.sin(turn) + along * np.cos(turn)
        curves.append((x, y, np.full(12, 0.013), strength))
    return Strokes.join(curves)


def _draw_bubbles(generator: np.random.Generator) -> Dots:
    """Air in the contact fluid."""
    count = int(generator.integers(1, 9))
    x, y = generator.uniform(-1, 1, (2, count)).astype(np.float32)
    radius = generator.uniform(0.012, 0.06, count).astype(np.float32)
    return Dots(x, y, radius, generator.uniform(0.3, 0.8, count).astype(np.float32))


def lay_object(
    picture: NDArray[np.uint8], kind: Literal["ruler", "bubbles"], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Lay a ruler or bubbles on a photograph of whatever origin, (size, size, 3) uint8 -> the same shape."""
    photo = replace(draw_photo(generator), hairs=None, ruler=None, bubbles=None)
    if kind == "ruler":
        photo = replace(photo, ruler=_draw_ruler(generator))
    else:
        photo = replace(photo, bubbles=_draw_bubbles(generator))
    light = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / 255
    _lay_objects(light, Plane.of_pose(len(picture)), photo)
    return np.ascontiguousarray((np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def photograph(tissue: Tissue, photo: PhotoConditions, factor: int) -> NDArray[np.uint8]:
    """Photograph a tissue painted at ``factor`` times the wanted size: (size, size, 3) uint8 RGB, sRGB-like."""
    frame = Plane.of_pose(tissue.plane.size)
    light = tissue.colour()
    light *= _shading(tissue, frame, photo)
    light += _reflections(tissue, frame, photo)
    _lay_objects(light, frame, photo)
    light *= np.float32(photo.exposure) * np.array(photo.gains, np.float32)[:, None, None]
    size = frame.size // factor
    light = blur(light, photo.focus * frame.size)
    if photo.surround is not None:
        light *= _window(frame, photo.surround)
    if factor > 1:
        light = light.reshape(3, size, factor, size, factor).mean((2, 4))
    return _develop(light, photo)


def _shading(tissue: Tissue, frame: Plane, photo: PhotoConditions) -> Field:
    """Light from one side on the surface's slope; brighter there; darker towards the corners."""
    cosine, sine = np.float32(np.cos(photo.light)), np.float32(np.sin(photo.light))
    height = tissue.height / np.float32(tissue.plane.pixel)  # rise for each pixel
    slope = np.zeros_like(height)
    slope[:, 1:-1] += cosine * (height[:, 2:] - height[:, :-2])
    slope[1:-1] += sine * (height[2:] - height[:-2])
    radius = frame.x * frame.x + frame.y * frame.y
    fall = 1 - np.float32(photo.vignette * 0.5) * radius * radius
    towards = cosine * frame.x + sine * frame.y
    relief = np.clip(1 - np.float32(0.11 * photo.relief) * slope, 0.6, 1.4)
    return relief * np.clip(fall, 0.05, 1) * (1 + np.float32(photo.slope) * towards)


def _reflections(tissue: Tissue, frame: Plane, photo: PhotoConditions) -> Field:
    """Glare: white specks where the surface is raised and rough."""
    rough = tissue.height - blur(tissue.height, 0.03 * frame.size)
    return np.float32(0.5 * photo.glare) * smoothstep(0.018, 0.05, rough)


def _lay_objects(light: Field, frame: Plane, photo: PhotoConditions) -> None:
    """Bubbles, ruler and hairs with their shadow, in place."""
    if photo.bubbles is not None:
        dots = photo.bubbles
        disc, inner = frame.dots(dots, 0.25), frame.dots(Dots(dots.x, dots.y, dots.radius * 0.75, dots.strength), 0.5)
        light *= 1 - 0.35 * np.clip(disc - inner, 0, 1)
        shift = dots.radius * np.float32(0.4)
        spark = Dots(
            dots.x + shift * np.cos(photo.light), dots.y + shift * np.sin(photo.light), dots.radius * 0.3, dots.strength
        )
        light += 0.5 * frame.dots(spark, 0.8)
    if photo.ruler is not None:
        light *= 1 - np.float32(0.9) * frame.strokes(photo.ruler)
    if photo.hairs is not None:
        light *= 1 - 0.25 * blur(frame.strokes(photo.hairs, widen=1.5), 0.012 * frame.size)
        coverage = frame.strokes(photo.hairs)
        light += coverage * (np.array(photo.hair_colour, np.float32)[:, None, None] - light)


def _window(frame: Plane, surround: Surround) -> Field:
    distance = np.hypot(frame.x - np.float32(surround.x), frame.y - np.float32(surround.y))
    edge = max(0.012, 1.5 * frame.pixel)
    return 1 - smoothstep(surround.radius - edge, surround.radius, distance)


def _develop(light: Field, photo: PhotoConditions) -> NDArray[np.uint8]:
    """Saturation, tone curve, sensor noise, 8 bit."""
    grey = light.mean(0, keepdims=True)
    light = grey + np.float32(photo.saturation) * (light - grey)
    tone = np.clip(light, 0, None) ** np.float32(photo.contrast / 1.25)
    over = np.maximum(tone - np.float32(0.8), 0)
    tone -= over * over / (over + np.float32(0.2))  # highlights roll off and reach 1 only in the limit
    generator = np.random.Generator(np.random.SFC64(photo.noise_seed))
    noise = generator.standard_normal(tone.shape, np.float32)
    noise += generator.standard_normal(tone.shape[1:], np.float32)
    tone += np.float32(photo.noise * 0.7) * noise * np.sqrt(np.clip(tone, 0, 1))
    return np.ascontiguousarray((np.clip(tone, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
