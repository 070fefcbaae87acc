"""A finer taxonomy judged in a coarser one: each class has one place there, and probabilities are added up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.records import LesionClass, Taxonomy


def mapping(fine: Taxonomy, coarse: Taxonomy, codes: Iterable[str] | None = None) -> dict[str, str]:
    """Each class of ``fine``, or those of ``codes`` -> the class of ``coarse`` that it is counted to.

    By its code, name or aliases; else by its malignancy, to the one class that gathers it. Names that are numbers or
    answers (``1``, ``yes``) decide nothing: they mean something else in every table. Where the two differ in more than
    how finely they name, a place is the choice of who wrote the aliases: SCC in isic2018's AKIEC (built_in.py).

    Raises
    ------
    TaxonomyError
        Where a class has no place, or several; names it.

    >>> from hierattn.taxonomy.built_in import EIGHT, MELANOMA
    >>> mapping(EIGHT, MELANOMA)["NV"]
    'other'
    """
    places: dict[str, set[str]] = {
        code: _places(fine.by_code[code], coarse) for code in (fine.codes if codes is None else codes)
    }
    lost = [code for code, codes in places.items() if not codes]
    if lost:
        few = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        raise TaxonomyError(
            f"{few} of the taxonomy {fine.name} {'have' if len(lost) > 1 else 'has'} no place in {coarse.name} "
            f"({', '.join(coarse.codes[:10])}{', ...' if len(coarse.codes) > 10 else ''}): wanted a class there for "
            "each; add it to that class's aliases, or choose another taxonomy"
        )
    for code, codes in places.items():
        if len(codes) > 1:
            raise TaxonomyError(
                f"{code} of the taxonomy {fine.name} may be {' or '.join(sorted(codes))} in {coarse.name}: wanted one; "
                "correct the aliases"
            )
    return {code: next(iter(codes)) for code, codes in places.items()}


def _places(each: LesionClass, coarse: Taxonomy) -> set[str]:
    if each.code in coarse.by_code:
        return {each.code}
    for names in ((each.name,), (each.code,), each.aliases):
        named = {code for name in names if name.casefold() not in FLAGS and (code := coarse.code_of(name))}
        if named:
            return named
    return {one.code for one in coarse.classes if each.malignancy in one.gathers}


FLAGS = frozenset(
    ("0", "1", "0.0", "1.0", "true", "false", "yes", "no", "y", "n", "t", "f", "+", "-", "positive", "negative")
)
"""What a table of yes and no writes; no class is known by them outside it."""


def summed(probabilities: np.ndarray, fine: Taxonomy, coarse: Taxonomy) -> np.ndarray:
    """Probabilities of the classes of ``fine``, (..., fine), added up to those of ``coarse``, (..., coarse).

    A class of ``coarse`` to which none is counted has probability 0.

    Raises
    ------
    TaxonomyError
        Where a class has no place (:func:`mapping`).
    """
    places = mapping(fine, coarse)
    return probabilities @ np.array([[float(places[code] == other) for other in coarse.codes] for code in fine.codes])
