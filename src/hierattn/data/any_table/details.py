"""What tables say of a patient and a photograph, in the words of the manifest: age, sex, skin type, domain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hierattn.data.source_table import number_of, skin_type_of, text_of

_MALE = frozenset(
    ("male", "m", "man", "männlich", "mann", "masculino", "masculin", "homme", "hombre", "homem", "maschio")
)
_FEMALE = frozenset(
    (
        "female",
        "f",
        "woman",
        "w",
        "weiblich",
        "frau",
        "femenino",
        "feminino",
        "féminin",
        "femme",
        "mujer",
        "mulher",
        "femmina",
    )
)


def sexes(values: Sequence[str]) -> list[str]:
    """``male``, ``female`` or nothing, by the words and letters of several languages.

    ``M`` beside ``H`` is Spanish (mujer, hombre) and a woman; otherwise it is a man.

    >>> sexes(["M", "f", "?"]), sexes(["H", "M"])
    (['male', 'female', ''], ['male', 'female'])
    """
    plain = [text_of(value).casefold() for value in values]
    letters = set(plain)
    spanish = "h" in letters and not letters & {"f", "w"}
    male, female = (_MALE - {"m"} | {"h"}, _FEMALE | {"m"}) if spanish else (_MALE, _FEMALE)
    return ["male" if value in male else "female" if value in female else "" for value in plain]


def ages(values: Sequence[str]) -> list[str]:
    """Whole or decimal years from 0 to 120, or nothing.

    >>> ages(["45.0", "61 years", "85+", "unknown", "-1"])
    ['45', '61', '85', '', '']
    """
    result = []
    for value in values:
        match = re.fullmatch(
            r"(\d{1,3}(?:[.,]\d+)?)\s*(?:\+|y(?:ears?|rs?|o)?\.?|jahre|años|anos|ans)?", text_of(value).casefold()
        )
        age = number_of(match[1].replace(",", ".")) if match else ""
        result.append(age if age and float(age) <= 120 else "")
    return result


def skin_types(values: Sequence[str]) -> list[str]:
    """Fitzpatrick's type, ``1`` to ``6``, or nothing.

    >>> skin_types(["III", "FST4", "Type 2", "5.0", "-1", "dark"])
    ['3', '4', '2', '5', '', '']
    """
    return [skin_type_of(value) for value in values]


def domains(values: Sequence[str]) -> list[str]:
    """``dermoscopic``, ``clinical``, or nothing where the words do not tell.

    >>> domains(["Dermoscopic", "clinical: close-up", "non-dermoscopic", "TBP tile: close-up"])
    ['dermoscopic', 'clinical', 'clinical', '']
    """
    result = []
    for value in values:
        text = text_of(value).casefold()
        if re.search(r"clinic|macro|smartphone|overview|\b(?:non|not)[\s_-]*dermo?s", text):
            result.append("clinical")
        else:
            result.append("dermoscopic" if re.search(r"dermo?[sz]|dermato|polari[sz]ed", text) else "")
    return result


def sites(values: Sequence[str]) -> list[str]:
    """Where on the body, in lower case."""
    return [text_of(value).lower() for value in values]


READERS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "age": ages,
    "sex": sexes,
    "site": sites,
    "skin-type": skin_types,
    "domain": domains,
}
"""Role -> how its column is read; what comes out empty is not known."""
