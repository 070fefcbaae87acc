"""A colour for each class in every figure, on a light and on a dark page.

Up to eight classes take a palette that is distinguishable with colour-blindness (after Okabe and Ito 2008). More take
evenly spaced hues in three steps of lightness, which colour-blind eyes tell apart where hues look alike; with dozens of
classes no colours are all distinct, and figures name the classes as well.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

PALETTE: tuple[tuple[str, str], ...] = (
    ("#e69f00", "#f0b429"),
    ("#0072b2", "#4a9fe0"),
    ("#56b4e9", "#8fd0f5"),
    ("#8f8f1d", "#c9c552"),
    ("#d55e00", "#ff7f3f"),
    ("#6e7378", "#a7adb4"),
    ("#cc79a7", "#e59ac3"),
    ("#009e73", "#2ec79a"),
)
"""(on a light page, on a dark page)."""

_LIGHT, _DARK = (0.07, 0.15, 0.27), (0.62, 0.24, 0.40)
"""Relative luminances: a contrast of 3 or more with white, and with a dark page."""


def colours_for(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Both colours of each class: those that are given, and for an empty text one that differs from them.

    >>> colours_for([("#d55e00", ""), ("", "")])
    [('#d55e00', '#ff7f3f'), ('#e69f00', '#f0b429')]
    """
    taken = {light.lower() for light, _ in given if light}
    partner = dict(PALETTE)
    lacking = sum(not light for light, _ in given)
    free = [pair for pair in PALETTE if pair[0] not in taken]
    if lacking > len(free):
        free = [pair for pair in (_spaced(number, lacking) for number in range(lacking)) if pair[0] not in taken]
        free += [pair for pair in (_spaced(number + 0.5, lacking) for number in range(lacking)) if pair[0] not in taken]
    rest = iter(free)
    result = []
    for light, dark in given:
        own = (light, partner.get(light.lower(), light)) if light else next(rest)
        result.append((own[0], dark or own[1]))
    return result


def _spaced(number: float, count: int) -> tuple[str, str]:
    hue = number / count
    level = int(number) % len(_LIGHT)
    return _with_luminance(hue, _LIGHT[level]), _with_luminance(hue, _DARK[level])


def _with_luminance(hue: float, wanted: float) -> str:
    """The colour of a hue, saturation 0.75, whose relative luminance (WCAG 2) is nearest to the one wanted."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if luminance(_hex(hue, middle)) < wanted else (low, middle)
    return _hex(hue, low)


def _hex(hue: float, lightness: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, lightness, 0.75))


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2, 0 (black) to 1 (white).

    >>> round(luminance("#ffffff"), 3)
    1.0
    """
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
