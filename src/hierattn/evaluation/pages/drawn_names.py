"""Names as figures write them: short, no two alike, and in a script that matplotlib's fonts have.

A browser finds a font for any script; matplotlib looks only in the fonts of ``rcParams["font.sans-serif"]``, and draws
an empty box for each letter that none of them has. Such a name gives way to a number.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from matplotlib import rcParams
from matplotlib.font_manager import findfont, get_font

LONGEST = 13


def short(name: str, length: int = LONGEST) -> str:
    """A name in at most ``length`` characters: its beginning and its end, which tell a numbered kind.

    >>> short("Lichen_planus_like_keratosis")
    'Lichen_p…osis'
    """
    end = length // 2 - 2
    return name if len(name) <= length else f"{name[: length - 1 - end]}…{name[-end:]}"


def drawable(text: str) -> bool:
    """Whether matplotlib has a glyph for every character.

    >>> drawable("naevus"), drawable("皮炎")  # doctest: +SKIP
    (True, False)
    """
    lacking = {letter for letter in text if unicodedata.category(letter) not in ("Cf", "Zs")}
    for family in rcParams["font.sans-serif"]:
        if not lacking:
            break
        try:
            font = get_font(findfont(family, fallback_to_default=False))
        except ValueError:  # not on this computer
            continue
        lacking = {letter for letter in lacking if not font.get_char_index(ord(letter))}
    return not lacking


def drawn_names(names: Sequence[str], kind: str = "class", length: int = LONGEST) -> list[str]:
    """The label of each name in a figure.

    Parameters
    ----------
    names
        All that the figure may show, in the order of the tables beside it.
    kind
        What a name that cannot be drawn is called instead, with its number from 1.
    length
        Of a longer name the beginning and the end are shown, unless two would then look alike.

    >>> drawn_names(["MEL", "granuloma_annulare_a", "granuloma_annulare_b"])
    ['MEL', 'granulom…re_a', 'granulom…re_b']
    """
    whole = [name if drawable(name) else f"{kind} {number}" for number, name in enumerate(names, 1)]
    cut = [short(name, length) for name in whole]
    count = Counter(cut)
    return [name if count[label] > 1 else label for name, label in zip(whole, cut, strict=True)]
