"""What lies at every pixel of a rendered photograph: chromophores, height, covers, and the skin before any lesion."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hierattn.data.rendered.lesion_appearance import ANGLES, LesionAppearance
from hierattn.data.rendered.rendering import Dots, Field, Plane, reflectance, smoothstep


@dataclass(eq=False)
class Tissue:
    """What lies at every pixel, each a :data:`Field`.

    ``inside`` is the lesion's coverage, 0 to 1; ``depth`` the distance from its border inwards over its radius,
    negative outside. ``melanin``, ``blood`` and ``deep`` are absorbances, ``height`` is what the light shows, and
    ``covers`` are opaque things on top: coverage and colour (linear RGB), the lowest first.
    """

    plane: Plane
    lesion: LesionAppearance
    inside: Field
    depth: Field
    bays: Field
    patches: Field
    melanin: Field
    blood: Field
    deep: Field
    height: Field
    covers: list[tuple[Field, tuple[float, float, float]]] = field(default_factory=list)

    def colour(self) -> Field:
        """Linear RGB, (3, size, size)."""
        colour = reflectance(self.melanin, self.blood, self.deep)
        for coverage, rgb in self.covers:
            colour += coverage * (np.array(rgb, np.float32)[:, None, None] - colour)
        return colour

    def patch(self, dots: Dots, raggedness: float, softness: float = 0.5) -> Field:
        """Coverage of large discs whose edge noise has made ragged."""
        cone = self.plane.dots(dots, softness=1.9)
        return smoothstep(
            0.5 - softness / 2, 0.5 + softness / 2, cone * (1 + np.float32(raggedness * 0.3) * self.patches)
        )


def skin(plane: Plane, lesion: LesionAppearance) -> Tissue:
    """Skin with its mottle and furrows, and the outline of the lesion that will lie in it."""
    seats, around, traits = lesion.textures, lesion.skin, lesion.traits
    mottle = plane.texture("cloud", 0.7, seats["mottle"])
    grain = plane.texture("grain", 0.22, seats["skin"])
    membrane = plane.texture("membrane", around.furrow_period, seats["furrows"])
    furrows = 1 - smoothstep(0.0, 0.3, membrane)
    bays, patches = plane.texture("cloud", 0.5, seats["bays"]), plane.texture("cloud", 0.4, seats["patches"])
    depth = _depth(plane, lesion, bays, patches)
    border = traits["border"]
    inside = smoothstep(-border, border, depth)
    uneven = np.float32(around.mottle)
    return Tissue(
        plane,
        lesion,
        inside,
        depth,
        bays,
        patches,
        melanin=around.melanin * (1 + 0.3 * uneven * mottle + 0.06 * grain + 0.10 * around.furrows * furrows),
        blood=around.blood
        * np.maximum(0.1, 1 + 0.5 * uneven * patches + 0.08 * grain - 0.10 * around.furrows * furrows),
        deep=np.zeros_like(inside),
        height=-0.006 * around.furrows * furrows * (1 - 0.6 * inside) + 0.003 * grain,
    )


def _depth(plane: Plane, lesion: LesionAppearance, bays: Field, patches: Field) -> Field:
    ragged = np.float32(lesion.traits["ragged"])
    x, y = plane.x + ragged * bays, plane.y + ragged * patches
    direction = (np.arctan2(y, x) * np.float32(ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
    return (lesion.outline[direction] - np.hypot(x, y)) / np.float32(lesion.traits["radius"])
