"""A taxonomy from labels alone: the names of folders, or the values of a table's column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.built_in import EIGHT, MALIGNANT_OR_BENIGN, MELANOMA
from hierattn.taxonomy.records import (
    FEWEST,
    LONGEST_CODE,
    LONGEST_TEXT,
    MOST,
    LesionClass,
    Taxonomy,
    code_objection,
    is_letter,
    is_plain_text,
)
from hierattn.taxonomy.spelling import spelled

Own = Literal["own"]
OWN: Final[Own] = "own"
"""In the place of a taxonomy: a class a label, whatever the labels are called."""

_BENIGN = frozenset({"benign", "non malignant", "nonmalignant", "not malignant"})
_MALIGNANT = frozenset({"malignant", "cancer", "cancerous", "skin cancer"})
_MELANOMA = frozenset({"melanoma", "mel", "malignant melanoma"})
_NO_MELANOMA = frozenset({"non melanoma", "nonmelanoma", "not melanoma", "no melanoma", "other", "others"}) | _BENIGN
_NUMBERS = frozenset({"0", "1"})
_COLUMNS = {
    "malignant": MALIGNANT_OR_BENIGN,
    "malignancy": MALIGNANT_OR_BENIGN,
    "is malignant": MALIGNANT_OR_BENIGN,
    "benign malignant": MALIGNANT_OR_BENIGN,
    "target": MALIGNANT_OR_BENIGN,
    "cancer": MALIGNANT_OR_BENIGN,
    "melanoma": MELANOMA,
    "is melanoma": MELANOMA,
    "mel": MELANOMA,
}
"""What a column of 0 and 1 is about, by its name."""


def from_labels(labels: Iterable[str], name: str = "own", *, column: str = "") -> Taxonomy:
    """The taxonomy that labels are of; each of them is then found by its ``code_of``.

    Labels that are all names of the paper's eight give those; ``benign`` and ``malignant``, or 0 and 1 in a column
    whose name says what they mean, the built-in binary one. Where most are names of a built-in one, or the others
    differ from such names in a letter or two, they are refused: a slip of the pen would cost the referral. Anything
    else gives a class a label (:func:`own_classes`).

    Parameters
    ----------
    labels
        Any number of them, repeated or not.
    name
        Of a taxonomy that is made.
    column
        The column that they are from, where they are from a table.

    Raises
    ------
    TaxonomyError
        As :func:`own_classes`, and for labels that are almost a built-in taxonomy's; names the nearest class.

    >>> from_labels(["0", "1"], column="target").codes
    ('benign', 'malignant')
    """
    wanted = {label: spelled(label) for label in labels}
    if known := built_in_for(wanted, column):
        return known
    for taxonomy in (EIGHT, MALIGNANT_OR_BENIGN, MELANOMA):
        if objection := _almost(taxonomy, wanted):
            raise TaxonomyError(objection)
    return own_classes(wanted, name)


def _almost(taxonomy: Taxonomy, labels: dict[str, str]) -> str:
    """What to say where labels are names of a taxonomy's classes but for a few; else empty.

    They are where most are, or where each of the others is nearly the name of a class that no label has.
    """
    codes = {label: _code_in(taxonomy, label, name) for label, name in labels.items()}
    known = {code for code in codes.values() if code}
    unknown = sorted({name: label for label, name in labels.items() if not codes[label] and name}.values())
    if not known or not unknown:
        return ""
    slips = all((near := taxonomy.nearest(label, 0.8)) and near not in known for label in unknown)
    if not slips and (taxonomy is not EIGHT or len(known) <= len(unknown)):
        return ""
    likely = taxonomy.nearest(unknown[0])
    several = len(unknown) > 1
    it = repr(unknown[0]) if several else "it"
    asked = f"; is {it} {likely} ({taxonomy.by_code[likely].name})?" if likely else f": {', '.join(taxonomy.codes)};"
    more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
    named = f"label{'s' * several} {', '.join(map(repr, unknown[:4]))}{more}"
    return (
        f"{named} {'are no classes' if several else 'is no class'} of the taxonomy {taxonomy.name}, and {len(known)} "
        f"other{'s are' if len(known) > 1 else ' is'}{asked} rename {'them' if several else 'it'}, or, where these are "
        f"classes of your own, say --taxonomy {OWN} (a class a label) or --taxonomy FILE.toml"
    )


def _code_in(taxonomy: Taxonomy, label: str, name: str) -> str | None:
    """A label's class; of a binary taxonomy only where its own words are used, not those of the eight."""
    if taxonomy is EIGHT:
        return taxonomy.code_of(label)
    return taxonomy.code_of(label) if name in _BENIGN | _MALIGNANT | _MELANOMA | _NO_MELANOMA else None


def own_classes(labels: Iterable[str], name: str = "own") -> Taxonomy:
    """A class a label, in the order of the alphabet and of numbers; neither malignancy nor referral is known.

    Labels that differ in letter case, blanks or plural alone are one class.

    Raises
    ------
    TaxonomyError
        For fewer than 2 or more than 1000 classes, a label that is empty or no text in one line, and labels such as
        ``"MEL|NV"`` beside ``MEL`` and ``NV``: several labels an image are not supported.

    >>> own_classes(["psoriasis", "Lichen planus", "psoriasis"]).codes
    ('Lichen_planus', 'psoriasis')
    """
    kept: dict[str, str] = {}
    for label in sorted(set(labels), key=lambda label: (label.islower(), label)):
        if not label.strip():
            raise TaxonomyError("an empty label: wanted a class for every image; leave out what has none")
        kept.setdefault(spelled(label), " ".join(label.split()))
    own = list(kept.values())
    if not FEWEST <= len(own) <= MOST:
        example = ", ".join(repr(label[:40]) for label in own[:3])
        raise TaxonomyError(
            f"{len(own)} different labels (for example {example}): wanted {FEWEST} to {MOST} classes, one an image; "
            "check which folders or column the labels are from"
        )
    if several := [label for label in own if _parts(label) and _parts(label) <= set(kept)]:
        raise TaxonomyError(
            f"label {several[0]!r} names several classes: wanted one an image, several labels an image are not "
            "supported; choose one of them, or name the class otherwise"
        )
    taken: set[str] = set()
    fit = len(name) <= LONGEST_TEXT and is_plain_text(name)
    return Taxonomy(name if fit else "own", tuple(_class(label, taken) for label in sorted(own, key=_in_order)))


def built_in_for(labels: Iterable[str], column: str = "") -> Taxonomy | None:
    """The built-in taxonomy that the labels clearly are of; None where they are of none.

    >>> built_in_for(["Benign", "MALIGNANT"]).name, built_in_for(["0", "1"])
    ('malignant', None)
    """
    wanted = set(labels)
    names = {spelled(re.sub(r"^([01])\.0+$", r"\1", label.strip())) for label in wanted}
    if names and all(EIGHT.code_of(label) for label in wanted):
        return EIGHT
    if names <= _BENIGN | _MALIGNANT and names & _BENIGN and names & _MALIGNANT:
        return MALIGNANT_OR_BENIGN
    if names <= _MELANOMA | _NO_MELANOMA and names & _MELANOMA and names & _NO_MELANOMA:
        return MELANOMA
    return _COLUMNS.get(spelled(column)) if names and names <= _NUMBERS else None


def _parts(label: str) -> set[str]:
    """The names in a label that lists several: ``MEL|NV``, ``eczema; psoriasis``."""
    parts = [spelled(part) for part in re.split(r"\s*[|;+,&]\s*", label) if part.strip()]
    return set(parts) if len(parts) > 1 else set()


def _class(label: str, taken: set[str]) -> LesionClass:
    text = unicodedata.normalize("NFC", label)
    if len(text) > LONGEST_TEXT:
        raise TaxonomyError(
            f"label {text[:40]!r}... has {len(text)} characters: wanted at most {LONGEST_TEXT}; is this the class?"
        )
    plain = "".join(one if is_letter(one) or one == "-" else "_" for one in text)
    stem = re.sub(r"_+", "_", plain).strip("_-")[:LONGEST_CODE].rstrip("_-")
    while stem and not stem[0].isalnum():
        stem = stem[1:]
    stem = stem or "class"
    number, code = 1, stem
    while code_objection(code) or code.casefold() in taken:
        number += 1
        ending = f"_{number}"
        code = stem[: LONGEST_CODE - len(ending)] + ending
    taken.add(code.casefold())
    return LesionClass(code, text)


def _in_order(label: str) -> list[tuple[int, int, str]]:
    """By the alphabet, numbers by their size: ``grade 2`` before ``grade 10``."""
    parts = re.findall(r"\d{1,18}|\D+|\d+", label.casefold())
    return [(0, int(part), "") if part.isdecimal() and len(part) <= 18 else (1, 0, part) for part in parts]
