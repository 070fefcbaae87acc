"""The dice of a rendered lesion: everything that is the lesion and the skin around it, drawn once.

:func:`draw_appearance` draws; ``lesion_structures`` paints what was drawn and draws nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from hierattn.data.rendered.lesion_looks import LOOKS, Chance, Look
from hierattn.data.rendered.rendering import Curve, Dots, Field, Seat, Strokes
from hierattn.errors import UsageError

ANGLES = 720
"""Directions for which an outline holds the radius."""

TEXTURES = (
    "skin",
    "furrows",
    "mottle",
    "pigment",
    "bays",
    "patches",
    "network",
    "network_gaps",
    "follicles",
    "flakes",
    "folds",
)

# Melanin and blood of the skin for Fitzpatrick's types I to VI, and how often each is drawn: dermoscopy sets are
# mostly of fair skin, and all six are here.
_SKIN_MELANIN = (0.03, 0.08, 0.16, 0.30, 0.55, 0.95)
_SKIN_SHARE = (0.16, 0.30, 0.24, 0.14, 0.09, 0.07)


@dataclass(frozen=True)
class Skin:
    """The skin around a lesion: Fitzpatrick's type 1 to 6, its chromophores, and how rough and uneven it is."""

    fitzpatrick: int
    melanin: float
    blood: float
    mottle: float
    furrows: float
    furrow_period: float


@dataclass(frozen=True, eq=False)
class LesionAppearance:
    """Everything that is the lesion; a photograph of it adds the rest.

    Attributes
    ----------
    code
        The class, of the paper's eight.
    traits
        One number for each field of :class:`~hierattn.data.rendered.lesion_looks.Look`; 0 where a structure is absent.
    outline
        (ANGLES,): the radius in each direction, counted from the x axis.
    lean
        The direction, in radians, in which the lesion is darker by ``traits["asymmetry"]``.
    textures, dots, strokes
        Where each texture begins, and the places of discs and curves, by the structure's name.
    skin
        The skin that it lies on.
    """

    code: str
    traits: Mapping[str, float]
    outline: Field
    lean: float
    textures: Mapping[str, Seat]
    dots: Mapping[str, Dots]
    strokes: Mapping[str, Strokes]
    skin: Skin


def draw_appearance(code: str, generator: np.random.Generator) -> LesionAppearance:
    """Draw a lesion of the class ``code``.

    Raises
    ------
    UsageError
        For a code that the paper's eight does not have.
    """
    if code not in LOOKS:
        raise UsageError(f"no rendered lesions of class {code!r}: wanted one of {', '.join(LOOKS)}")
    skin = _draw_skin(code, generator)
    traits = _draw_traits(LOOKS[code], generator)
    outline = _draw_outline(traits, generator)
    textures = {
        name: Seat(*(float(value) for value in generator.uniform((0, 0, 0), (1, 1, 2 * np.pi)))) for name in TEXTURES
    }
    lean = float(generator.uniform(0, 2 * np.pi))
    places = _Places(outline, generator)
    return LesionAppearance(
        code, traits, outline, lean, textures, _draw_dots(traits, places), _draw_strokes(traits, places), skin
    )


def _draw_skin(code: str, generator: np.random.Generator) -> Skin:
    kind = int(generator.choice(6, p=_SKIN_SHARE))
    sun = 0.5 if code in ("ACK", "SCC", "BCC") else 0.0  # these grow on sun-damaged skin
    return Skin(
        fitzpatrick=kind + 1,
        melanin=_SKIN_MELANIN[kind] * float(generator.uniform(0.8, 1.25)),
        blood=float(generator.uniform(0.06, 0.34)),
        mottle=float(generator.uniform(0.1, 0.4) + sun * generator.uniform(0, 0.6)),
        furrows=float(generator.uniform(0.1, 0.9)),
        furrow_period=float(generator.uniform(0.055, 0.085)),
    )


def _draw_traits(look: Look, generator: np.random.Generator) -> dict[str, float]:
    traits = {}
    for field in fields(look):
        wanted = getattr(look, field.name)
        if isinstance(wanted, Chance):
            there, value = generator.random() < wanted.often, generator.uniform(wanted.low, wanted.high)
            traits[field.name] = float(value) if there else 0.0
        else:
            traits[field.name] = float(generator.uniform(*wanted))
    return traits


def _draw_outline(traits: Mapping[str, float], generator: np.random.Generator) -> Field:
    """An ellipse with bays: r = ellipse · exp(sum of harmonics 2 to 9, each weaker than the last)."""
    theta = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    harmonics = np.arange(2, 10)
    amplitude = generator.standard_normal(8) / harmonics**1.3
    phase = generator.uniform(0, 2 * np.pi, 8)
    bays = (amplitude[:, None] * np.cos(harmonics[:, None] * theta + phase[:, None])).sum(0)
    stretch = np.sqrt(traits["elongation"])
    turned = theta - generator.uniform(0, np.pi)
    ellipse = traits["radius"] / np.hypot(np.cos(turned) / stretch, np.sin(turned) * stretch)
    outline: Field = (ellipse * np.exp(traits["irregularity"] * bays / bays.std())).astype(np.float32)
    return np.minimum(outline, np.float32(0.95))


NO_DOTS = Dots(*(np.zeros(0, np.float32) for _ in range(4)))


@dataclass(frozen=True, eq=False)
class _Places:
    """Draws places by the outline: ``depth`` 0 is the middle, 1 the border."""

    outline: Field
    generator: np.random.Generator

    def at(self, theta: np.ndarray, depth: np.ndarray) -> tuple[Field, Field]:
        radius = self.outline[(theta * (ANGLES / (2 * np.pi))).astype(int) % ANGLES] * depth
        return (radius * np.cos(theta)).astype(np.float32), (radius * np.sin(theta)).astype(np.float32)

    def scatter(self, number: int, inner: float, outer: float, apart: int = 1) -> tuple[Field, Field]:
        """``number`` places; of ``apart`` candidates each the one farthest from the rest, so more are more even."""
        theta = self.generator.uniform(0, 2 * np.pi, (number, apart))
        depth = np.sqrt(self.generator.uniform(inner**2, outer**2, (number, apart)))
        x, y = self.at(theta, depth)
        if apart == 1:
            return x[:, 0], y[:, 0]
        chosen_x, chosen_y = x[:, 0].copy(), y[:, 0].copy()
        for k in range(1, number):
            squares = (x[k, :, None] - chosen_x[:k]) ** 2 + (y[k, :, None] - chosen_y[:k]) ** 2
            best = int(squares.min(1).argmax())
            chosen_x[k], chosen_y[k] = x[k, best], y[k, best]
        return chosen_x, chosen_y

    def dots(
        self,
        number: float,
        inner: float,
        outer: float,
        radius: tuple[float, float],
        strength: tuple[float, float] = (1, 1),
        apart: int = 1,
    ) -> Dots:
        count = round(number)
        if count == 0:
            return NO_DOTS
        x, y = self.scatter(count, inner, outer, apart)
        sizes = self.generator.uniform(*radius, count).astype(np.float32)
        return Dots(x, y, sizes, self.generator.uniform(*strength, count).astype(np.float32))


def _draw_dots(traits: Mapping[str, float], places: _Places) -> dict[str, Dots]:
    """Discs by structure. Large soft ones are patches, whose edge noise will make ragged."""
    size, uneven = traits["globule_size"], traits["globule_disorder"]
    reach = traits["radius"]
    lacuna = reach * 0.75 / max(np.sqrt(traits["lacunae"]), 1)
    drawn = {
        "globules": places.dots(
            traits["globules"],
            0,
            0.95 - 0.1 * (1 - uneven),
            (size * (1 - 0.5 * uneven), size * (1 + 0.9 * uneven)),
            (1 - 0.6 * uneven, 1),
            apart=1 if uneven > 0.5 else 8,
        ),
        "nests": places.dots(traits["nests"], 0.1, 0.85, (0.045, 0.14), (0.55, 1), apart=3),
        "leaves": places.dots(traits["leaves"], 0.8, 0.98, (0.06, 0.11), (0.5, 0.9), apart=6),
        "cysts": places.dots(traits["cysts"], 0.05, 0.9, (0.016, 0.036), (0.6, 1), apart=3),
        "comedones": places.dots(traits["comedones"], 0.05, 0.92, (0.018, 0.045), (0.6, 1), apart=3),
        "lacunae": places.dots(traits["lacunae"], 0, 0.86, (lacuna * 0.75, lacuna * 1.5), (0.75, 1), apart=5),
        "coils": places.dots(traits["coils"], 0.35, 1.05, (0.016, 0.026), (0.6, 1), apart=2),
        "crust": places.dots(traits["crust"], 0.0, 0.75, (0.03, 0.10), (0.6, 1)),
        "blotches": places.dots(
            int(places.generator.integers(1, 4)) if traits["blotches"] else 0, 0.35, 0.85, (reach * 0.2, reach * 0.42)
        ),
    }
    for name, outer, low, high in (
        ("veil", 0.4, 0.35, 0.6),
        ("regression", 0.6, 0.25, 0.45),
        ("ulcer", 0.4, 0.2, 0.4),
        ("keratin", 0.2, 0.35, 0.6),
        ("scar", 0.12, 0.28, 0.5),
    ):
        drawn[name] = places.dots(traits[name] > 0, 0, outer, (reach * low, reach * high))
    return drawn


def _draw_strokes(traits: Mapping[str, float], places: _Places) -> dict[str, Strokes]:
    generator = places.generator
    branching: list[Curve] = []
    for _ in range(round(traits["branching"])):
        theta, depth = generator.uniform(0, 2 * np.pi), generator.uniform(0.6, 1.1)
        x, y = places.at(np.array([theta]), np.array([depth]))
        heading = theta + np.pi + generator.normal(0, 0.5)
        _grow_vessel(branching, float(x[0]), float(y[0]), heading, generator.uniform(0.022, 0.034), 0.75, generator)
    return {
        "branching": Strokes.join(branching),
        "streaks": Strokes.join(_draw_streaks(round(traits["streaks"]), places)),
        "hairpins": Strokes.join(_draw_hairpins(round(traits["hairpins"]), places)),
    }


def _grow_vessel(
    curves: list[Curve],
    x: float,
    y: float,
    heading: float,
    width: float,
    length: float,
    generator: np.random.Generator,
) -> None:
    """A vessel that meanders, tapers, and sends out thinner branches: add it to ``curves``."""
    steps = max(4, int(length * generator.uniform(0.7, 1.2) / 0.025))
    turns = heading + np.cumsum(generator.normal(0, 0.17, steps))
    path_x, path_y = x + 0.025 * np.cumsum(np.cos(turns)), y + 0.025 * np.cumsum(np.sin(turns))
    curves.append((path_x, path_y, width * np.linspace(1, 0.4, steps), float(generator.uniform(0.7, 1))))
    if width < 0.012:
        return
    for at in generator.uniform(0.2, 0.95, 3):
        k = int(at * (steps - 1))
        side = generator.choice([-1, 1]) * generator.uniform(0.45, 1.1)
        narrower, shorter = width * generator.uniform(0.45, 0.65), length * generator.uniform(0.3, 0.6)
        _grow_vessel(curves, path_x[k], path_y[k], turns[k] + side, narrower, shorter, generator)


def _draw_streaks(number: int, places: _Places) -> list[Curve]:
    """Radial lines that cross a part of the border, some with a bulb at the end (pseudopods)."""
    generator = places.generator
    sector, spread = generator.uniform(0, 2 * np.pi), generator.uniform(0.6, 1.6)
    curves = []
    for _ in range(number):
        theta = sector + generator.uniform(-spread, spread) + np.linspace(0, generator.normal(0, 0.06), 8)
        x, y = places.at(theta, np.linspace(0.8, generator.uniform(1.05, 1.2), 8))
        bulb = generator.random() < 0.5
        width = generator.uniform(0.022, 0.038) * np.linspace(1.2, 0.6, 8)
        if bulb:
            width[-2:] *= 2
        curves.append((x, y, width.astype(np.float32), float(generator.uniform(0.5, 1))))
    return curves


def _draw_hairpins(number: int, places: _Places) -> list[Curve]:
    """Vessels bent back on themselves, standing across the border."""
    generator = places.generator
    curves = []
    bend = np.linspace(0, np.pi, 7)
    loop_x = np.concatenate([np.linspace(0, 1, 5)[:-1], 1 + 0.3 * np.sin(bend), np.linspace(1, 0, 5)[1:]])
    loop_y = np.concatenate([np.full(4, -0.3), -0.3 * np.cos(bend), np.full(4, 0.3)])
    for _ in range(number):
        theta = generator.uniform(0, 2 * np.pi)
        x, y = places.at(np.array([theta]), np.array([generator.uniform(0.65, 0.95)]))
        heading, length = theta + generator.normal(0, 0.5), generator.uniform(0.09, 0.14)
        cosine, sine = length * np.cos(heading), length * np.sin(heading)
        path_x, path_y = x + cosine * loop_x - sine * loop_y, y + sine * loop_x + cosine * loop_y
        curves.append((path_x, path_y, np.full(len(loop_x), 0.016, np.float32), float(generator.uniform(0.7, 1))))
    return curves
