"""Is the photograph good enough for an answer? Blur, exposure, glare, size and colour, by numpy alone (§5, abstention).

A network answers whatever it is shown. These checks measure a reduced copy of the picture, about half as large as the
network sees it, and reject what nobody could assess. The limits were set on real photographs, so that few of them are
rejected.

Skin without a lesion is recognised by its colour: light and shade change red, green and blue by one factor, pigment and
blood do not. What is left of the optical density once that factor is taken off hardly varies over bare skin, and does
over a lesion. A scar, a tattoo or a freckle would pass for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from hierattn.image_spec import ImageSpec

WORK_SIDE = 128
"""Longest side in pixels at which everything but the size is measured; smaller pictures are not enlarged. At full size
a blurred photograph's noise would pass for sharpness."""

MIN_SIDE = 100  # pixels of the shorter side; the smallest of the real photographs has 150
MIN_SHARPNESS = 8.0  # variance of the Laplacian of the grey levels
MIN_SPREAD = 4.5  # standard deviation of the grey levels: below it there is nothing but one tone
MIN_PIGMENT = 3.0  # spread of the chromatic optical density, in percent: below it no spot differs from the skin around
PIGMENT_SIDE = 32  # pixels a side at which that is measured; hairs and pores average out
PIGMENT_BLACK = 8.0  # grey levels added to each channel before the logarithm, so that black is not infinitely dense
DARKEST = 40.0  # median grey level; low on purpose, because dark skin is not a fault of the photograph
BRIGHTEST = 240.0
MAX_GLARE = 0.05  # share of pixels that are white or next to it in all three channels
GLARE_LEVEL = 250
MIN_WARMTH = 1.0  # mean red less mean green: skin of every tone reflects more red; paper and grass do not
MAX_BLUENESS = 15.0  # mean blue less mean red: a cold white balance tints skin, the sky is farther away

PROBLEMS: tuple[str, ...] = ("small", "blurred", "flat", "dark", "bright", "glare", "colour")
"""Everything that :func:`judge_photo` can report, in the order in which it does."""

UNLIKE = "unlike"
"""What :func:`with_novelty` can report: the network has seen nothing of the kind."""


def hidden_problems(spec: ImageSpec) -> frozenset[str]:
    """Those of :data:`PROBLEMS` that a prepared image hides: its size is the network's, its colours may be balanced.

    >>> sorted(hidden_problems(ImageSpec(colour_constancy="grey_world")))
    ['colour', 'small']
    """
    return frozenset({"small"} if spec.colour_constancy == "none" else {"small", "colour"})


@dataclass(frozen=True)
class PhotoQuality:
    """What is wrong with a photograph, and what was measured.

    Attributes
    ----------
    ok
        Whether the photograph is good enough: it has no problem.
    problems
        Some of :data:`PROBLEMS`, and perhaps :data:`UNLIKE`.
    values
        What was measured: ``width`` and ``height`` in pixels, ``sharpness`` (variance of the Laplacian), ``spread``
        and ``median`` of the grey levels (0 to 255), ``glare`` (a share, 0 to 1), ``warmth`` and ``blueness`` (grey
        levels), ``pigment`` (percent of optical density, see :func:`pigment`), ``cropped`` (1 where a dark surround
        was cut away before) and, where the bundle knows it, ``novelty``.
    """

    ok: bool
    problems: tuple[str, ...] = ()
    values: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"ok": self.ok, "problems": list(self.problems), "values": dict(self.values)}


def judge_photo(image: np.ndarray, *, cropped: bool = False) -> PhotoQuality:
    """Assess a photograph.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3), after the adaptive crop: a black surround would count as darkness.
    cropped
        Whether such a surround was cut away; only noted.

    Examples
    --------
    >>> judge_photo(np.full((200, 200, 3), 128, np.uint8)).problems
    ('blurred', 'flat', 'colour')
    """
    values = measure_photo(image)
    values["cropped"] = float(cropped)
    colour = values["warmth"] < MIN_WARMTH or values["blueness"] > MAX_BLUENESS
    even = not colour and values["pigment"] < MIN_PIGMENT  # a grey photograph has no pigment to speak of
    present = {
        "small": min(values["width"], values["height"]) < MIN_SIDE,
        "blurred": values["sharpness"] < MIN_SHARPNESS,
        "flat": values["spread"] < MIN_SPREAD or even,
        "dark": values["median"] < DARKEST,
        "bright": values["median"] > BRIGHTEST,
        "glare": values["glare"] > MAX_GLARE,
        "colour": colour,
    }
    problems = tuple(name for name in PROBLEMS if present[name])
    return PhotoQuality(ok=not problems, problems=problems, values=values)


def with_novelty(quality: PhotoQuality, novelty: float, threshold: float) -> PhotoQuality:
    """The same with the network's novelty: from ``threshold`` on, the photo is unlike all that it was trained on.

    >>> with_novelty(PhotoQuality(ok=True), 3.0, 1.5).problems
    ('unlike',)
    """
    values = {**quality.values, "novelty": novelty}
    if novelty < threshold:
        return PhotoQuality(quality.ok, quality.problems, values)
    return PhotoQuality(ok=False, problems=(*quality.problems, UNLIKE), values=values)


def measure_photo(image: np.ndarray) -> dict[str, float]:
    """The values of :class:`PhotoQuality`, without an assessment; ``cropped`` is left out."""
    height, width = image.shape[:2]
    small = _reduced(image)
    grey = np.asarray(Image.fromarray(small).convert("L"), np.float32)
    mean = small.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return {
        "width": float(width),
        "height": float(height),
        "sharpness": sharpness(grey),
        "spread": float(grey.std()),
        "median": float(np.median(grey)),
        "glare": float((small.min(axis=2) >= GLARE_LEVEL).mean()),
        "warmth": float(mean[0] - mean[1]),
        "blueness": float(mean[2] - mean[0]),
        "pigment": pigment(small),
    }


def pigment(image: np.ndarray) -> float:
    """How much the colour of the skin itself varies, whatever the light does; of real lesions nine in ten have 4 to 25.

    The optical density ``-100 log((value + 8) / 263)`` of red, green and blue, less their mean in each pixel, which
    shade and light change and colour does not; then the root of its variance over the picture, summed over the three.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3).

    Examples
    --------
    >>> light = np.linspace(60, 240, 64)[:, None, None] * np.ones((1, 64, 1))
    >>> skin = np.clip(light * [1.0, 0.75, 0.65], 0, 255).astype(np.uint8)
    >>> pigment(skin) < MIN_PIGMENT
    True
    >>> skin[20:44, 20:44] = skin[20:44, 20:44] * [0.6, 0.45, 0.4]
    >>> pigment(skin) > 3 * MIN_PIGMENT
    True
    """
    size = (PIGMENT_SIDE, PIGMENT_SIDE)
    small = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR), np.float64)
    density = -100 * np.log((small + PIGMENT_BLACK) / (255 + PIGMENT_BLACK))
    chroma = (density - density.mean(axis=2, keepdims=True)).reshape(-1, 3)
    return float(np.sqrt(chroma.var(axis=0).sum()))


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian, from the four neighbours, of float grey levels; 0 for a map under 3 x 3."""
    if min(grey.shape) < 3:
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var())


def _reduced(image: np.ndarray) -> np.ndarray:
    """At most :data:`WORK_SIDE` pixels a side: noise averages out, and blur that vanishes in it does no harm."""
    height, width = image.shape[:2]
    scale = WORK_SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))
