"""The deed of a rendered lesion: paint the pigment, vessels and keratin of a drawn appearance onto skin.

Each structure of dermoscopy is one function, named as the structure. It adds to the tissue's chromophores, to its
height, or lays a cover on top; :func:`paint` calls them from the depth to the surface.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hierattn.data.rendered.lesion_appearance import LesionAppearance
from hierattn.data.rendered.rendering import Dots, Plane, smoothstep
from hierattn.data.rendered.tissue import Tissue, skin


def paint(plane: Plane, lesion: LesionAppearance) -> Tissue:
    """The tissue that ``plane`` sees."""
    tissue = skin(plane, lesion)
    for name, structure in STRUCTURES:
        if lesion.traits[name] > 0:
            structure(tissue, lesion.traits[name])
    return tissue


def base(tissue: Tissue, _: float) -> None:
    """The body of the lesion: its own melanin, blood and deep pigment, patchy and lopsided as drawn."""
    traits, plane, lean = tissue.lesion.traits, tissue.plane, tissue.lesion.lean
    towards = (plane.x * np.cos(lean) + plane.y * np.sin(lean)) / np.float32(traits["radius"])
    fine = plane.texture("grain", 0.25, tissue.lesion.textures["pigment"])
    patchy = 1 + traits["variegation"] * tissue.patches + traits["asymmetry"] * towards + 0.13 * fine
    patchy = np.maximum(patchy * (0.8 + 0.4 * np.clip(tissue.depth, 0, 1)), 0.08).astype(np.float32)
    tissue.melanin += tissue.inside * patchy * np.float32(traits["melanin"])
    uneven = np.maximum(0.2, 1 + 0.6 * traits["variegation"] * tissue.bays).astype(np.float32)
    tissue.blood += tissue.inside * uneven * np.float32(traits["blood"])
    tissue.deep += tissue.inside * np.float32(traits["deep"])
    dome = np.clip(tissue.depth, 0, 1)
    tissue.height += np.float32(0.3 * traits["bulge"]) * dome * (2 - dome)


def network(tissue: Tissue, strength: float) -> None:
    """Pigment network: brown lines around paler holes; with disorder, of uneven width, mesh and presence."""
    traits, seats = tissue.lesion.traits, tissue.lesion.textures
    disorder = np.float32(traits["network_disorder"])
    period = traits["network_period"]
    warp = (0.5 * period * disorder * tissue.bays, 0.5 * period * disorder * tissue.patches)
    gaps = tissue.plane.texture("cloud", 0.35, seats["network_gaps"])
    width = np.clip(0.17 * (1 + 0.7 * disorder * gaps), 0.05, 0.4)
    membrane = tissue.plane.texture("membrane", period, seats["network"], warp)
    lines = 1 - smoothstep(0.15, 1.0, membrane / width)
    # Even an orderly network fades here and there; a disordered one is broken up.
    present = smoothstep(-1.2, 0.6, 0.9 - 1.4 * disorder + gaps)
    hollow = traits["network_hollow"]
    where = tissue.inside * present
    if hollow > 0:  # only around the middle, and fading outwards: dermatofibroma
        middle = 1 - hollow
        where = (
            smoothstep(-0.3, 0.3, tissue.depth) * (1 - smoothstep(middle - 0.15, middle + 0.15, tissue.depth)) * present
        )
    tissue.melanin *= 1 - np.float32(0.3 * strength) * where * (1 - lines)
    tissue.melanin += np.float32(strength * (0.45 + 0.5 * traits["melanin"])) * lines * where


def globules(tissue: Tissue, _: float) -> None:
    """Round brown clods."""
    coverage = tissue.plane.dots(tissue.lesion.dots["globules"], softness=0.6) * np.minimum(1, tissue.inside + 0.3)
    tissue.melanin += 0.95 * coverage
    tissue.height += 0.01 * coverage


def streaks(tissue: Tissue, _: float) -> None:
    """Radial streaks and pseudopods at the border."""
    tissue.melanin += np.float32(0.5 + 0.6 * tissue.lesion.traits["melanin"]) * tissue.plane.strokes(
        tissue.lesion.strokes["streaks"]
    )


def blotches(tissue: Tissue, strength: float) -> None:
    """Eccentric black areas without structure."""
    coverage = tissue.patch(tissue.lesion.dots["blotches"], 1.0, 0.35) * tissue.inside
    tissue.melanin += np.float32(1.5 * strength) * coverage
    tissue.deep += np.float32(0.35 * strength) * coverage


def veil(tissue: Tissue, strength: float) -> None:
    """Blue-white veil: pigment deep down under a white haze."""
    coverage = np.float32(strength) * tissue.patch(tissue.lesion.dots["veil"], 0.9, 0.7) * tissue.inside
    tissue.melanin *= 1 - 0.55 * coverage
    tissue.deep += 0.9 * coverage
    tissue.covers.append((0.42 * coverage, (0.47, 0.53, 0.68)))


def regression(tissue: Tissue, strength: float) -> None:
    """White scar-like depigmentation with grey pepper."""
    coverage = np.float32(strength) * tissue.patch(tissue.lesion.dots["regression"], 1.0, 0.4) * tissue.inside
    grain = tissue.plane.texture("grain", 0.12, tissue.lesion.textures["flakes"])
    tissue.melanin *= 1 - 0.9 * coverage
    tissue.deep *= 1 - 0.6 * coverage
    tissue.deep += 0.45 * coverage * smoothstep(0.7, 1.6, grain)
    tissue.covers.append((0.4 * coverage, (0.90, 0.80, 0.80)))


def nests(tissue: Tissue, _: float) -> None:
    """Blue-grey ovoid nests."""
    coverage = tissue.patch(tissue.lesion.dots["nests"], 1.4, 0.7)
    tissue.deep += 0.95 * coverage
    tissue.melanin += 0.1 * coverage
    tissue.covers.append((0.18 * coverage, (0.42, 0.45, 0.56)))


def leaves(tissue: Tissue, _: float) -> None:
    """Brown to grey leaf-like areas at the border."""
    coverage = tissue.patch(tissue.lesion.dots["leaves"], 1.3, 0.35)
    tissue.melanin += 0.6 * coverage
    tissue.deep += 0.3 * coverage


def branching(tissue: Tissue, _: float) -> None:
    """Arborising vessels, in focus: bright red, sharp, thick stems and fine branches."""
    coverage = tissue.plane.strokes(tissue.lesion.strokes["branching"])
    shown = np.minimum(1, 0.15 + 1.2 * tissue.inside)
    tissue.blood += 1.25 * coverage * shown
    tissue.height += 0.004 * coverage


def ulcer(tissue: Tissue, strength: float) -> None:
    """A sore: raw red, with orange crust."""
    coverage = np.float32(strength) * tissue.patch(tissue.lesion.dots["ulcer"], 1.2, 0.25)
    grain = tissue.plane.texture("grain", 0.2, tissue.lesion.textures["flakes"])
    tissue.blood += 1.3 * coverage
    tissue.melanin += coverage * (0.45 + 0.25 * grain)
    tissue.height += coverage * (0.012 * grain - 0.03)


def strawberry(tissue: Tissue, strength: float) -> None:
    """Red pseudo-network: redness between follicles, which stay pale."""
    seat = tissue.lesion.textures["follicles"]
    warp = (0.03 * tissue.bays, 0.03 * tissue.patches)
    cell = tissue.plane.texture("cell", 0.17, seat, warp)
    between = smoothstep(0.22, 0.5, cell)
    uneven = np.clip(0.8 + 0.45 * tissue.bays, 0.1, 1.5)
    tissue.blood *= 1 - np.float32(0.6 * strength) * tissue.inside * (1 - between)
    tissue.blood += np.float32(0.85 * strength) * tissue.inside * between * uneven


def rosettes(tissue: Tissue, strength: float) -> None:
    """Follicle openings with a yellowish plug and a white halo."""
    cell = tissue.plane.texture(
        "cell", 0.17, tissue.lesion.textures["follicles"], (0.03 * tissue.bays, 0.03 * tissue.patches)
    )
    shade = tissue.plane.texture("shade", 0.17, tissue.lesion.textures["follicles"])
    plug = (1 - smoothstep(0.08, 0.24, cell)) * smoothstep(-0.6, 0.4, shade) * tissue.inside
    tissue.covers.append((np.float32(0.75 * strength) * plug, (0.88, 0.76, 0.58)))


def scale(tissue: Tissue, strength: float) -> None:
    """White to yellowish flakes, raised, with torn edges."""
    seats = tissue.lesion.textures
    plates = tissue.plane.texture("cloud", 0.28, seats["flakes"]) + 0.35 * tissue.plane.texture(
        "grain", 0.3, seats["skin"]
    )
    where = np.clip(0.2 + 0.8 * tissue.inside + 0.35 * tissue.bays, 0, 1) * tissue.inside
    coverage = smoothstep(0.9, 1.7, plates + np.float32(0.9 * strength) * where) * where
    tissue.height += 0.035 * coverage
    tissue.covers.append((0.75 * coverage, (0.88, 0.83, 0.76)))


def cysts(tissue: Tissue, _: float) -> None:
    """Milia-like cysts: bright white-yellow stars."""
    coverage = tissue.plane.dots(tissue.lesion.dots["cysts"], softness=1.1)
    tissue.covers.append((0.85 * coverage, (0.93, 0.86, 0.72)))
    tissue.height += 0.01 * coverage


def comedones(tissue: Tissue, _: float) -> None:
    """Comedo-like openings: brown to black plugs with a rim."""
    dots = tissue.lesion.dots["comedones"]
    coverage = tissue.plane.dots(dots, softness=0.5)
    tissue.melanin += 1.7 * coverage
    tissue.height -= 0.03 * coverage


def fissures(tissue: Tissue, strength: float) -> None:
    """Furrows and ridges as on a brain: where a smooth noise crosses zero."""
    folds = tissue.plane.texture("cloud", 0.26, tissue.lesion.textures["folds"])
    furrow = (1 - smoothstep(0.08, 0.42, np.abs(folds))) * smoothstep(0.05, 0.3, tissue.depth) * np.float32(strength)
    tissue.melanin += 0.8 * furrow * tissue.inside
    tissue.height -= 0.035 * furrow


def scar(tissue: Tissue, strength: float) -> None:
    """A white, scar-like patch in the middle, crossed by fine white lines."""
    coverage = np.float32(strength) * tissue.patch(tissue.lesion.dots["scar"], 0.7, 0.55)
    threads = tissue.plane.texture(
        "membrane", 0.12, tissue.lesion.textures["folds"], (0.05 * tissue.bays, 0.05 * tissue.patches)
    )
    lines = 1 - smoothstep(0.03, 0.2, threads)
    tissue.melanin *= 1 - 0.75 * coverage
    tissue.blood *= 1 - 0.5 * coverage
    tissue.covers.append((coverage * (0.5 + 0.35 * lines), (0.92, 0.85, 0.83)))


def lacunae(tissue: Tissue, _: float) -> None:
    """Red to purple lakes between paler septa; some blackened by clots."""
    dots, clotted = tissue.lesion.dots["lacunae"], tissue.lesion.traits["thrombosis"]
    dark = np.arange(len(dots.x)) < round(clotted * len(dots.x))
    clots = Dots(dots.x[dark], dots.y[dark], dots.radius[dark], dots.strength[dark])
    lakes = tissue.patch(dots, 0.9, 0.45) * np.minimum(1, tissue.inside + 0.1)
    clotted_lakes = tissue.patch(clots, 0.9, 0.5)
    tissue.blood += (1.25 + 0.3 * tissue.bays) * lakes
    tissue.deep += 0.3 * lakes + 1.4 * clotted_lakes
    tissue.melanin += 0.6 * clotted_lakes
    tissue.height += 0.06 * lakes


def keratin(tissue: Tissue, strength: float) -> None:
    """A white to yellow horny mass in the middle, without structure, rough on top."""
    coverage = np.float32(strength) * tissue.patch(tissue.lesion.dots["keratin"], 1.2, 0.3)
    grain = tissue.plane.texture("grain", 0.25, tissue.lesion.textures["flakes"])
    tissue.blood *= 1 - 0.5 * coverage
    tissue.height += coverage * (0.06 + 0.02 * grain)
    tissue.covers.append((0.85 * coverage * np.clip(0.85 + 0.15 * grain, 0, 1), (0.90, 0.80, 0.62)))


def coils(tissue: Tissue, _: float) -> None:
    """Glomerular vessels: clustered red knots, each on a paler ground."""
    dots = tissue.lesion.dots["coils"]
    halo = tissue.plane.dots(Dots(dots.x, dots.y, dots.radius * np.float32(2.0), dots.strength), softness=0.8)
    tissue.covers.append((0.22 * halo, (0.93, 0.80, 0.76)))
    tissue.blood += 1.4 * tissue.plane.dots(dots, softness=0.7)


def hairpins(tissue: Tissue, _: float) -> None:
    """Hairpin vessels with a white halo, across the border."""
    strokes = tissue.lesion.strokes["hairpins"]
    tissue.covers.append((0.3 * tissue.plane.strokes(strokes, widen=4), (0.93, 0.82, 0.78)))
    tissue.blood += 1.5 * tissue.plane.strokes(strokes)


def crust(tissue: Tissue, _: float) -> None:
    """Dried blood: dark red to black."""
    coverage = tissue.patch(tissue.lesion.dots["crust"], 1.3, 0.3)
    tissue.covers.append((0.88 * coverage, (0.20, 0.035, 0.03)))
    tissue.height += 0.03 * coverage


Structure = Callable[[Tissue, float], None]

STRUCTURES: tuple[tuple[str, Structure], ...] = (
    ("radius", base),  # every lesion has one
    ("network", network),
    ("globules", globules),
    ("streaks", streaks),
    ("blotches", blotches),
    ("leaves", leaves),
    ("nests", nests),
    ("lacunae", lacunae),
    ("strawberry", strawberry),
    ("veil", veil),
    ("regression", regression),
    ("fissures", fissures),
    ("comedones", comedones),
    ("scar", scar),
    ("ulcer", ulcer),
    ("keratin", keratin),
    ("coils", coils),
    ("hairpins", hairpins),
    ("branching", branching),
    ("rosettes", rosettes),
    ("cysts", cysts),
    ("scale", scale),
    ("crust", crust),
)
"""The trait that calls for a structure, and the structure, from the depth to the surface."""
