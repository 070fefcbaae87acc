"""How each class of rendered lesion looks: one record a class, side by side.

The looks follow the dermoscopy literature (Argenziano et al. 2003, consensus net meeting; Kittler et al. 2016,
standardised terminology). They overlap, as real ones do: no single feature separates a dark nevus with an
uneven network from a tame melanoma.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""


@dataclass(frozen=True)
class Chance:
    """With probability ``often`` a strength or number between ``low`` and ``high``; otherwise 0, it is not there."""

    often: float
    low: float
    high: float


NEVER = Chance(0, 0, 0)


@dataclass(frozen=True)
class Look:
    """The ranges from which lesions of one class are drawn. Lengths are in half-widths of the photograph.

    Attributes
    ----------
    radius, elongation
        Mean radius; longer over shorter axis.
    irregularity, ragged, border
        Depth of the outline's bays over the radius; depth of its fine teeth; width of the fading edge.
    melanin, blood, deep
        Base pigment near the surface (brown), blood (red) and pigment deep in the dermis (blue-grey), as absorbance.
    variegation, asymmetry
        How patchy the base pigment is; how much darker one side is than the other.
    bulge
        Height in the middle, which the light shows.
    network, network_period, network_disorder, network_hollow
        Pigment lines around paler holes; the size of a hole; how uneven lines and holes are; the part of the radius,
        from the middle, that has no network (0: it is everywhere).
    globules, globule_size, globule_disorder
        Number of round brown clods, their radius, how uneven they are in size, colour and place.
    blotches, streaks, veil, regression
        Melanoma: eccentric black areas; radial lines at the border; a blue-white haze; white scar with grey pepper.
    nests, leaves, branching
        Basal cell carcinoma: blue-grey ovoid nests; brown leaf-like areas at the border; arborising vessels.
    ulcer
        An orange-red sore.
    strawberry, rosettes
        Actinic keratosis: red pseudo-network around follicles; pale yellow follicle openings in it.
    scale
        White to yellow flakes on the surface.
    cysts, comedones, fissures
        Benign keratosis: milia-like cysts; plugged openings; furrows as on a brain.
    scar
        Dermatofibroma: a white patch in the middle.
    lacunae, thrombosis
        Vascular lesion: red to purple lakes; the share of them that is blackened.
    keratin, coils, hairpins, crust
        Squamous cell carcinoma: a white-yellow mass; glomerular vessels; hairpin vessels; blood-stained crust.
    """

    radius: Range = (0.38, 0.68)
    elongation: Range = (1.0, 1.35)
    irregularity: Range = (0.02, 0.07)
    ragged: Range = (0.0, 0.015)
    border: Range = (0.05, 0.14)
    melanin: Range = (0.3, 0.9)
    blood: Range = (0.0, 0.2)
    deep: Range = (0.0, 0.0)
    variegation: Range = (0.1, 0.25)
    asymmetry: Range = (0.0, 0.15)
    bulge: Range = (0.0, 0.3)
    network: Chance = NEVER
    network_period: Range = (0.07, 0.105)
    network_disorder: Range = (0.0, 0.25)
    network_hollow: Range = (0.0, 0.0)
    globules: Chance = NEVER
    globule_size: Range = (0.025, 0.04)
    globule_disorder: Range = (0.0, 0.3)
    blotches: Chance = NEVER
    streaks: Chance = NEVER
    veil: Chance = NEVER
    regression: Chance = NEVER
    nests: Chance = NEVER
    leaves: Chance = NEVER
    branching: Chance = NEVER
    ulcer: Chance = NEVER
    strawberry: Chance = NEVER
    rosettes: Chance = NEVER
    scale: Chance = NEVER
    cysts: Chance = NEVER
    comedones: Chance = NEVER
    fissures: Chance = NEVER
    scar: Chance = NEVER
    lacunae: Chance = NEVER
    thrombosis: Chance = NEVER
    keratin: Chance = NEVER
    coils: Chance = NEVER
    hairpins: Chance = NEVER
    crust: Chance = NEVER


LOOKS: dict[str, Look] = {
    "ACK": Look(
        radius=(0.45, 0.8),
        elongation=(1.0, 1.5),
        irregularity=(0.10, 0.2),
        ragged=(0.03, 0.06),
        border=(0.3, 0.55),
        melanin=(0.0, 0.35),
        blood=(0.15, 0.45),
        variegation=(0.3, 0.5),
        strawberry=Chance(0.92, 0.5, 0.95),
        rosettes=Chance(0.75, 0.3, 0.8),
        scale=Chance(0.65, 0.3, 0.8),
        network=Chance(0.1, 0.2, 0.3),
        network_disorder=(0.5, 0.8),
        crust=Chance(0.1, 2, 4),
    ),
    "BCC": Look(
        irregularity=(0.06, 0.16),
        ragged=(0.01, 0.03),
        border=(0.10, 0.24),
        melanin=(0.0, 0.22),
        blood=(0.12, 0.42),
        variegation=(0.1, 0.3),
        bulge=(0.2, 0.7),
        branching=Chance(0.88, 3, 7),
        nests=Chance(0.72, 3, 10),
        leaves=Chance(0.25, 4, 8),
        ulcer=Chance(0.35, 0.5, 0.9),
        scale=Chance(0.1, 0.15, 0.3),
        regression=Chance(0.15, 0.3, 0.5),
    ),
    "BKL": Look(
        elongation=(1.05, 1.6),
        irregularity=(0.05, 0.13),
        ragged=(0.01, 0.03),
        border=(0.025, 0.06),
        melanin=(0.25, 1.1),
        deep=(0.0, 0.2),
        variegation=(0.12, 0.35),
        bulge=(0.3, 0.8),
        cysts=Chance(0.85, 5, 16),
        comedones=Chance(0.7, 4, 14),
        fissures=Chance(0.75, 0.5, 1.0),
        scale=Chance(0.12, 0.2, 0.4),
        network=Chance(0.1, 0.2, 0.35),
        network_disorder=(0.3, 0.6),
    ),
    "DF": Look(
        radius=(0.38, 0.6),
        irregularity=(0.02, 0.07),
        border=(0.2, 0.36),
        melanin=(0.12, 0.5),
        blood=(0.05, 0.35),
        variegation=(0.05, 0.2),
        bulge=(0.1, 0.4),
        scar=Chance(0.93, 0.5, 0.95),
        network=Chance(0.9, 0.3, 0.6),
        network_period=(0.065, 0.09),
        network_disorder=(0.05, 0.3),
        network_hollow=(0.4, 0.6),
    ),
    "MEL": Look(
        radius=(0.42, 0.75),
        elongation=(1.05, 1.6),
        irregularity=(0.07, 0.17),
        ragged=(0.015, 0.045),
        border=(0.04, 0.13),
        melanin=(0.45, 1.3),
        blood=(0.0, 0.3),
        deep=(0.0, 0.3),
        variegation=(0.35, 0.75),
        asymmetry=(0.3, 0.8),
        network=Chance(0.6, 0.4, 0.9),
        network_period=(0.085, 0.145),
        network_disorder=(0.45, 0.9),
        globules=Chance(0.5, 8, 26),
        globule_size=(0.018, 0.035),
        globule_disorder=(0.6, 1.0),
        blotches=Chance(0.7, 0.6, 1.3),
        streaks=Chance(0.45, 8, 20),
        veil=Chance(0.6, 0.45, 0.9),
        regression=Chance(0.4, 0.4, 0.85),
        ulcer=Chance(0.06, 0.4, 0.7),
    ),
    "NV": Look(
        radius=(0.32, 0.65),
        melanin=(0.35, 1.25),
        blood=(0.0, 0.22),
        variegation=(0.06, 0.28),
        asymmetry=(0.0, 0.25),
        network=Chance(0.68, 0.35, 0.8),
        network_disorder=(0.0, 0.4),
        globules=Chance(0.4, 22, 60),
        globule_disorder=(0.0, 0.4),
    ),
    "SCC": Look(
        irregularity=(0.07, 0.17),
        ragged=(0.015, 0.035),
        border=(0.12, 0.28),
        melanin=(0.0, 0.28),
        blood=(0.2, 0.55),
        variegation=(0.2, 0.45),
        bulge=(0.4, 1.0),
        keratin=Chance(0.85, 0.5, 0.95),
        coils=Chance(0.75, 14, 40),
        hairpins=Chance(0.55, 8, 18),
        crust=Chance(0.55, 2, 6),
        scale=Chance(0.6, 0.3, 0.7),
        ulcer=Chance(0.15, 0.4, 0.7),
    ),
    "VASC": Look(
        radius=(0.3, 0.6),
        irregularity=(0.03, 0.10),
        border=(0.03, 0.07),
        melanin=(0.0, 0.15),
        blood=(0.2, 0.8),
        deep=(0.0, 0.2),
        variegation=(0.05, 0.2),
        bulge=(0.4, 1.0),
        lacunae=Chance(0.95, 7, 26),
        thrombosis=Chance(0.35, 0.2, 1.0),
        veil=Chance(0.15, 0.2, 0.4),
    ),
}
"""One look a class of the paper's eight."""
