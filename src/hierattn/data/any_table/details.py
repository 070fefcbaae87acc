"""What tables say of a patient and a photograph, in the words of the manifest: age, sex, site, answers, domain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hierattn.data.source_table import number_of, skin_type_of, text_of
from hierattn.taxonomy.questions import DIAMETER_MM

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


_YES = frozenset(("yes", "y", "true", "t", "1", "x", "ja", "j", "sim", "s", "sí", "si", "oui", "o", "是"))
_NO = frozenset(("no", "n", "false", "f", "0", "nein", "não", "nao", "non", "否"))


def yes_or_no(values: Sequence[str]) -> list[str]:
    """``yes``, ``no`` or nothing, by the words and letters of several languages.

    >>> yes_or_no(["TRUE", "não", "1.0", "UNK", "a bit"])
    ['yes', 'no', 'yes', '', '']
    """
    plain = [number_of(value).casefold() for value in values]
    return ["yes" if value in _YES else "no" if value in _NO else "" for value in plain]


def diameters(values: Sequence[str]) -> list[str]:
    """Millimetres in the range of the question, or nothing; centimetres where the value says so.

    >>> diameters(["6.0", "4,5 mm", "1.2 cm", "400", "NA"])
    ['6', '4.5', '12', '', '']
    """
    result = []
    for value in values:
        match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*(mm|cm)?", text_of(value).casefold())
        length = float(match[1].replace(",", ".")) * (10 if match[2] == "cm" else 1) if match else -1.0
        result.append(DIAMETER_MM.value_of(f"{length:.6g}") or "")
    return result


READERS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "age": ages,
    "sex": sexes,
    "site": sites,
    "skin-type": skin_types,
    "itch": yes_or_no,
    "grew": yes_or_no,
    "hurt": yes_or_no,
    "changed": yes_or_no,
    "bleed": yes_or_no,
    "elevation": yes_or_no,
    "diameter-mm": diameters,
    "biopsied": yes_or_no,
    "domain": domains,
}
"""Role -> how its column is read; what comes out empty is not known."""
