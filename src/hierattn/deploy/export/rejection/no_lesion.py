"""Pictures of skin without *one* lesion, made of a run's own photographs: what a rejection learns to tell lesions from.

Collections of lesions hold no healthy skin and no rash, and a phone is shown both. Each picture is made of one training
photograph whose edges are plain skin. Pieces of its edges, turned, mirrored and blended, keep the camera's grain and
the skin's own marks over the whole picture, so that neither sharpness nor colour tells it from a photograph. On such
skin there may be flat red spots, blisters with a bright centre, a diffuse reddening, or several small lesions of other
photographs. They are drawings, not photographs of measles or pox: what they are worth is measured by kinds that were
left out of the fit (docs/lab-notes.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import expit

Made = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""From plain skin, float (S, S, 3) in 0 to 255, and photographs, uint8 (N, S, S, 3): a picture like the first."""

EDGE = 8
"""Share of a side, one over this, that counts as the edge of a photograph."""
DARKEST_EDGE = 40.0
"""Mean level under which an edge is no skin but a black surround."""


def make_pictures(images: np.ndarray, each: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Some pictures of each kind, made of photographs.

    Parameters
    ----------
    images
        uint8, (N, S, S, 3), N and S of 16 or more: lesions with skin around them.
    each
        Pictures of a kind.
    generator
        What is drawn is a function of it.

    Returns
    -------
    dict
        By the names of :data:`KINDS`, uint8, (each, S, S, 3). Empty where no photograph shows skin at its edges.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> photographs = np.full((2, 32, 32, 3), (220, 170, 150), np.uint8)
    >>> {name: made.shape for name, made in make_pictures(photographs, 3, generator).items()}["rash"]
    (3, 32, 32, 3)
    """
    plain = images[plainest(images)]
    if not len(plain):
        return {}
    return {
        name: np.stack(
            [
                np.clip(kind(skin_of(plain[generator.integers(len(plain))], generator), images, generator), 0, 255)
                .round()
                .astype(np.uint8)
                for _ in range(each)
            ]
        )
        for name, kind in KINDS.items()
    }


def plainest(images: np.ndarray) -> np.ndarray:
    """Row numbers of the half of the photographs whose edges vary least, those with a black surround left out."""
    wide = max(images.shape[1] // EDGE, 1)
    inside = np.zeros(images.shape[1:3], bool)
    inside[wide:-wide, wide:-wide] = True
    edges = images[:, ~inside].astype(np.float32)  # (N, pixels of the edge, 3)
    rows = np.flatnonzero(edges.mean((1, 2)) > DARKEST_EDGE)
    spread = edges[rows].std(1).mean(1)
    return rows[spread <= np.median(spread)] if len(rows) else rows


def skin_of(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A picture of the skin around a lesion alone: pieces of its edges, blended so that their grain stays.

    (S, S, 3) uint8 -> (S, S, 3) float64, 0 to 255 and a little beyond. Weights add up in squares, not in sums: the mean
    of several pieces would be smoother than skin.
    """
    side = len(image)
    piece = max(int(side * generator.uniform(0.16, 0.28)), 4)
    values, step = image.astype(np.float64), max(piece // 2, 2)
    middle = np.concatenate([values[: piece // 2], values[-(piece // 2) :]]).mean((0, 1))
    window = np.hanning(piece + 2)[1:-1]
    weight = np.outer(window, window)[..., None]
    shape = (side + 2 * piece, side + 2 * piece)
    total, squares = np.zeros((*shape, 3)), np.zeros((*shape, 1))
    for top in range(0, side + piece, step):
        for left in range(0, side + piece, step):
            along, depth = generator.integers(0, side - piece + 1), generator.integers(0, max(side // 25, 1))
            y, x = ((depth, along), (side - piece - depth, along), (along, depth), (along, side - piece - depth))[
                generator.integers(4)
            ]
            cut = np.rot90(values[y : y + piece, x : x + piece], int(generator.integers(4)))
            cut = cut[:, ::-1] if generator.random() < 0.5 else cut
            cut = cut - 0.85 * cut.mean((0, 1)) - 0.15 * middle  # most of a piece's own brightness: no patchwork
            total[top : top + piece, left : left + piece] += cut * weight
            squares[top : top + piece, left : left + piece] += weight**2
    inside = slice(piece, piece + side)
    skin = total[inside, inside] / np.sqrt(squares[inside, inside] + 1e-9) + middle
    light = 1 + 0.06 * generator.uniform(0, 1.5) * _clouds(side, side / 5, generator)
    return np.asarray(skin * light[..., None] * generator.uniform(0.85, 1.12))


def _clouds(side: int, width: float, generator: np.random.Generator) -> np.ndarray:
    """Smooth noise of mean 0 and spread 1, (side, side); ``width`` in pixels."""
    field = gaussian_filter(generator.normal(size=(side, side)), width, mode="reflect")
    return np.asarray((field - field.mean()) / (field.std() + 1e-9))


def _bare(skin: np.ndarray, _: np.ndarray, __: np.random.Generator) -> np.ndarray:
    return skin


def _rash(skin: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """6 to 60 flat spots of a few hundredths of the picture."""
    return _spots(skin, generator, int(generator.integers(6, 60)), (0.01, 0.05), blistered=False)


def _blisters(skin: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """3 to 25 larger spots with a bright centre."""
    return _spots(skin, generator, int(generator.integers(3, 25)), (0.03, 0.09), blistered=True)


def _spots(
    skin: np.ndarray, generator: np.random.Generator, count: int, radius: tuple[float, float], *, blistered: bool
) -> np.ndarray:
    down, across = np.mgrid[: len(skin), : len(skin)] / len(skin)
    colour = generator.uniform((0.55, 0.35, 0.35), (0.95, 0.75, 0.8))  # what a spot leaves of red, green and blue
    for _ in range(count):
        y, x = generator.uniform(0, 1, 2)
        longer, angle = generator.uniform(0.7, 1.3), generator.uniform(0, np.pi)
        u = (np.cos(angle) * (across - x) + np.sin(angle) * (down - y)) * longer
        v = (np.cos(angle) * (down - y) - np.sin(angle) * (across - x)) / longer
        away = np.sqrt(u**2 + v**2) / generator.uniform(*radius)
        cover = expit((1 - away) * generator.uniform(4, 14))[..., None]
        skin = skin * (1 - cover * (1 - colour * generator.uniform(0.85, 1.15)))
        if blistered:
            centre = expit((0.5 - away) * 10)[..., None]
            bright = generator.uniform((190, 160, 120), (245, 230, 210)) * (0.7 + 0.3 * skin / 255)
            skin = skin * (1 - centre) + centre * bright
    return skin


def _reddening(skin: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Diffuse, with or without a border."""
    side = len(skin)
    field = _clouds(side, side / generator.uniform(6, 20), generator)
    cover = expit((field - generator.uniform(-0.5, 0.8)) * generator.uniform(1, 5))[..., None]
    return np.asarray(skin * (1 - cover * (1 - generator.uniform((0.8, 0.5, 0.5), (1.0, 0.85, 0.85)))))


def _several(skin: np.ndarray, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """4 to 15 lesions of other photographs, small."""
    side, skin = len(skin), skin.copy()
    for _ in range(generator.integers(4, 16)):
        small = max(int(side * generator.uniform(0.12, 0.3)), 4)
        photograph = Image.fromarray(images[generator.integers(len(images))])
        lesion = np.asarray(photograph.resize((small, small), Image.Resampling.LANCZOS), np.float64)
        down, across = np.mgrid[:small, :small] / small - 0.5
        cover = np.clip((0.5 - np.hypot(down, across)) * 6, 0, 1)[..., None]
        top, left = generator.integers(0, side - small + 1, 2)
        under = skin[top : top + small, left : left + small]
        matched = lesion + (under.mean((0, 1)) - lesion[:2].mean((0, 1))) / 2
        skin[top : top + small, left : left + small] = under * (1 - cover) + matched * cover
    return skin


KINDS: Mapping[str, Made] = {
    "bare": _bare, "rash": _rash, "blisters": _blisters, "reddening": _reddening, "several": _several,
}  # fmt: skip
"""What is made, by name."""
