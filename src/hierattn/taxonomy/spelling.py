"""One spelling for the many that people give a class: letter case, blanks, British and American, plural, numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_SPELLINGS = (
    (r"\bnae(v\w+)", r"ne\1"),  # British to American
    (r"\bhaem", "hem"),
    (r"\bseborrh(?:oe|o)ic", "seborrheic"),
    (r"\btumour", "tumor"),
    (r"\bnev(?:i|uses)\b", "nevus"),  # plural to singular
    (r"ses\b", "sis"),
    (r"oma(?:s|ta)\b", "oma"),
    (r"\blentig(?:ines|os|oes)\b", "lentigo"),
    (r"\b(lesion|mole|wart|cancer)s\b", r"\1"),
)


def spelled(name: str) -> str:
    """One spelling for ``Basal_cell-Carcinomas`` and ``basal cell carcinoma``, in any script.

    A name of signs alone (``+``) stays as it is.

    >>> spelled("Basal_cell-Carcinomas"), spelled("Cáncer de piel"), spelled("+")
    ('basal cell carcinoma', 'cáncer de piel', '+')
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.sub(r"['\u2019`]", "", folded)
    words = "".join(one if one.isalnum() or unicodedata.category(one) in ("Mn", "Mc") else " " for one in words)
    words = " ".join(words.split())
    for pattern, plain in _SPELLINGS:
        words = re.sub(pattern, plain, words)
    return words or folded.strip()


def readings(name: str) -> Iterator[str]:
    """What a name may mean: itself, and without the number before it (``02 SEK``).

    >>> list(readings("02 SEK"))
    ['02 sek', 'sek']
    """
    whole = spelled(name)
    yield whole
    if unnumbered := re.fullmatch(r"\d+ (.+)", whole):
        yield unnumbered[1]
