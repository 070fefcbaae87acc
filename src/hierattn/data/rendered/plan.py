"""What a rendered set will hold: which lesions, how many photographs of each, which near-duplicates, and the table.

:func:`plan_set` draws; ``rendered_set.render_set`` renders and writes. No pixel is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hierattn.errors import UsageError
from hierattn.taxonomy.built_in import EIGHT

# Shares of the images: ISIC 2019's order of sizes with its ratio of 53.9 softened to 6.
SHARES: dict[str, float] = {
    "NV": 0.30, "MEL": 0.17, "BKL": 0.15, "BCC": 0.14, "ACK": 0.07, "SCC": 0.07, "DF": 0.05, "VASC": 0.05,
}  # fmt: skip
PHOTOS_OF_A_LESION = (0.45, 0.30, 0.15, 0.10)
"""Probability of 1, 2, 3 and 4 photographs."""
NEAR_DUPLICATES = 0.02
FEWEST = 16

# Mean age by class, and the body sites of ISIC 2019; plausible, and no more than that.
_AGE = {"ACK": 67, "BCC": 66, "BKL": 62, "DF": 48, "MEL": 60, "NV": 42, "SCC": 69, "VASC": 50}
_SITES = ("anterior torso", "upper extremity", "posterior torso", "lower extremity", "head/neck", "palms/soles")
_SITE_SHARE = (0.26, 0.18, 0.18, 0.21, 0.15, 0.02)
_SUN_SITE_SHARE = (0.10, 0.18, 0.10, 0.10, 0.51, 0.01)


@dataclass(frozen=True)
class PlannedImage:
    """One image of a rendered set before it is rendered.

    Attributes
    ----------
    image
        Its id in the table and its file's stem.
    code
        The class.
    lesion, photo
        Which lesion of the set and which photograph of it: with the seed, all that the pixels depend on.
    lesion_id
        What the table says: empty where the set "does not know".
    age, sex, site
        As in the table, empty where unknown.
    copy_of
        Of a near-duplicate, the id of the image it was made from; else empty.
    """

    image: str
    code: str
    lesion: int
    photo: int
    lesion_id: str
    age: str
    sex: str
    site: str
    copy_of: str = ""


def generator_of(seed: int, *key: int) -> np.random.Generator:
    """The generator of one part of a set: the same whatever was drawn before it, in whatever process."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def plan_set(images: int, seed: int) -> list[PlannedImage]:
    """Plan a set of ``images`` images, in the order of their ids.

    Raises
    ------
    UsageError
        For fewer than two images a class, or a negative seed.
    """
    if images < FEWEST:
        raise UsageError(f"{images} rendered images: wanted {FEWEST} or more, two a class; raise the number")
    if seed < 0:
        raise UsageError(f"seed {seed}: wanted 0 or more")
    generator = generator_of(seed, 0)
    copies = round(images * NEAR_DUPLICATES)
    number = iter(generator.permutation(images) + 1)

    def next_id() -> str:
        return f"SYN_{next(number):07d}"

    originals: list[PlannedImage] = []
    for code, wanted in _quotas(images - copies).items():
        originals += _plan_class(code, wanted, originals[-1].lesion + 1 if originals else 0, next_id, generator)
    planned = originals + _plan_copies(originals, copies, next_id, generator)
    return sorted(planned, key=lambda image: image.image)


def _quotas(images: int) -> dict[str, int]:
    """Images a class, by share, at least one each, that add up to ``images`` (the largest class takes the rest)."""
    quotas = {code: max(1, round(images * SHARES[code])) for code in EIGHT.codes}
    largest = max(quotas, key=lambda code: quotas[code])
    quotas[largest] += images - sum(quotas.values())
    return quotas


def _plan_class(
    code: str, wanted: int, first_lesion: int, next_id: Callable[[], str], generator: np.random.Generator
) -> list[PlannedImage]:
    planned: list[PlannedImage] = []
    lesion = first_lesion
    while len(planned) < wanted:
        photos = min(1 + int(generator.choice(4, p=PHOTOS_OF_A_LESION)), wanted - len(planned))
        has_id = photos > 1 or generator.random() > 0.05
        lesion_id = f"SYN_L{lesion + 1:06d}" if has_id else ""
        about = _draw_patient(code, generator)
        planned += [PlannedImage(next_id(), code, lesion, photo, lesion_id, *about) for photo in range(photos)]
        lesion += 1
    return planned


def _draw_patient(code: str, generator: np.random.Generator) -> tuple[str, str, str]:
    """Age in steps of five, sex and site, some of them unknown."""
    age = 5 * round(float(np.clip(generator.normal(_AGE[code], 13), 5, 85)) / 5)
    sex = str(generator.choice(["male", "female"], p=[0.53, 0.47]))
    share = _SUN_SITE_SHARE if code in ("ACK", "BCC", "SCC") else _SITE_SHARE
    site = str(generator.choice(_SITES, p=share))
    unknown = generator.random(3) < (0.02, 0.02, 0.10)
    return "" if unknown[0] else f"{age}.0", "" if unknown[1] else sex, "" if unknown[2] else site


def _plan_copies(
    originals: list[PlannedImage], copies: int, next_id: Callable[[], str], generator: np.random.Generator
) -> list[PlannedImage]:
    """Near-duplicates: the same photograph under another id, with another lesion id or none."""
    planned = []
    for number, k in enumerate(generator.choice(len(originals), copies, replace=False)):
        source = originals[int(k)]
        lesion_id = "" if generator.random() < 0.5 else f"SYN_C{number + 1:06d}"
        planned.append(replace(source, image=next_id(), lesion_id=lesion_id, copy_of=source.image))
    return planned
