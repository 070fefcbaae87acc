"""Which class each row's label means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hierattn.data.any_table.columns import looks_like_ids
from hierattn.data.source_table import first_few, text_of
from hierattn.errors import TaxonomyError
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.from_labels import OWN, Own, built_in_for, from_labels, own_classes
from hierattn.taxonomy.records import Taxonomy
from hierattn.taxonomy.spelling import spelled

_SEPARATORS = re.compile(r"\s*[|;,+&/\n]\s*|\s+and\s+")
_LIST = re.compile(r"\[.*\]", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


@dataclass
class Labels:
    """The labels of a table.

    Attributes
    ----------
    taxonomy
        The classes; None where there is a problem.
    codes
        Each row's class; empty where it has none.
    spellings
        Class -> the labels that mean it, as the table writes them, with their rows.
    without
        What stands in rows without a label (empty, ``unknown``) -> how many.
    problems
        One line each: labels that no class can be made of.
    """

    taxonomy: Taxonomy | None
    codes: list[str]
    spellings: dict[str, Counter[str]] = field(default_factory=dict)
    without: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def read_labels(where: str, values: Sequence[str], classes: Taxonomy | Own | None, column: str, name: str) -> Labels:
    """Give each label its class.

    Parameters
    ----------
    where
        The table and the column, for the lines.
    values
        A row's label each, as the table writes it.
    classes
        The user's. None: the paper's eight or a binary one where the labels are theirs, else a class a label;
        :data:`OWN`: a class a label, whatever they are.
    column
        The column's name, which may say what 0 and 1 mean.
    name
        Of a taxonomy that is made.
    """
    taxonomy = None if classes == OWN else classes
    plain = {value: _plain(value) for value in set(values)}
    counts: Counter[str] = Counter(values)
    known = {value for value in plain if taxonomy is not None and taxonomy.code_of(plain[value] or value)}
    without = {value for value in plain if value not in known and not text_of(value)}
    labels = Labels(taxonomy, [""] * len(values), without=Counter({value: counts[value] for value in without}))
    used = Counter({value: counts[value] for value in counts if value not in without})
    if not used:
        hint = "" if any(values) else " (of formulas that no program has computed nothing is read)"
        labels.problems.append(
            f"{where} has no label in any of {len(values)} rows: wanted one in every row; fill it in, or choose "
            f"another column{hint}"
        )
        return labels
    if several := _several(used, plain, taxonomy):
        labels.problems.append(
            f"{where} has several labels in one cell in {sum(used[value] for value in several)} rows (for example "
            f"{several[0]!r}): several labels an image are not supported; leave one, or empty the cell to leave the "
            "image out"
        )
        return labels
    if taxonomy is None:
        labels.taxonomy = _made(where, used, plain, column, name, labels.problems, own=classes == OWN)
    if labels.taxonomy is None:
        return labels
    codes = {value: labels.taxonomy.code_of(plain[value] or value) or "" for value in used}
    if unknown := sorted((value for value in used if not codes[value]), key=lambda value: -used[value]):
        labels.problems.append(_unknown(where, unknown, used, labels.taxonomy))
    labels.codes = [codes.get(value, "") for value in values]
    for code in labels.taxonomy.codes:
        own = Counter({value: used[value] for value in used if codes[value] == code})
        if own:
            labels.spellings[code] = own
    if len(labels.spellings) < 2 and not labels.problems:
        labels.problems.append(
            f"{where} has images of one class alone ({', '.join(labels.spellings)}): wanted two or more"
        )
    return labels


def _plain(value: str) -> str:
    """The label without what spreadsheets add: ``1.0`` is ``1``; blanks in between are single ones."""
    text = " ".join(value.split())
    whole = re.fullmatch(r"([+-]?\d+)[.,]0+", text)
    return whole[1] if whole else text


def _made(
    where: str,
    used: Counter[str],
    plain: dict[str, str],
    column: str,
    name: str,
    problems: list[str],
    *,
    own: bool,
) -> Taxonomy | None:
    counts: Counter[str] = Counter()
    for value, rows in used.items():
        counts[plain[value]] += rows
    labels = set(counts)
    if not own and (known := built_in_for(labels, column)):
        return known
    if looks_like_ids(counts):
        problems.append(
            f"{where} has {len(labels)} different values in {used.total()} rows (for example "
            f"{first_few([repr(label[:40]) for label in sorted(labels)])}): wanted classes, which come again and "
            "again; choose another column"
        )
        return None
    if not own and all(_NUMBER.fullmatch(label) for label in labels):
        problems.append(
            f"{where} has numbers for labels ({first_few(sorted(labels, key=_value), 5)}) and nothing says what they "
            "mean: wanted names; choose a column of names, give the classes with these numbers as aliases by "
            f"--taxonomy FILE.toml, or say --taxonomy {OWN}"
        )
        return None
    try:
        return own_classes(labels, name) if own else from_labels(labels, name, column=column)
    except TaxonomyError as error:
        problems.append(f"{where}: {error}")
        return None


def _value(label: str) -> float:
    return float(label.replace(",", "."))


def _several(used: Counter[str], plain: dict[str, str], taxonomy: Taxonomy | None) -> list[str]:
    """Labels that are lists, or are made of other labels of the table or of two classes that are known."""
    single = {spelled(plain[value]) for value in used}
    result = []
    for value in used:
        text = plain[value]
        if _known(text, taxonomy):
            continue
        inner = text[1:-1] if _LIST.fullmatch(text) else text
        parts = {spelled(part.strip("'\" ")) for part in _SEPARATORS.split(inner)} - {""}
        codes = [EIGHT.code_of(part) if taxonomy is None else taxonomy.code_of(part) for part in parts]
        if len(parts) > 1 and (inner is not text or parts <= single or (all(codes) and len(set(codes)) > 1)):
            result.append(value)
    return result


def _known(text: str, taxonomy: Taxonomy | None) -> bool:
    return (taxonomy or EIGHT).code_of(text) is not None


def _unknown(where: str, unknown: Sequence[str], used: Counter[str], taxonomy: Taxonomy) -> str:
    near = taxonomy.nearest(unknown[0])
    hint = f" (is {unknown[0]!r} {near}?)" if near else ""
    labels = first_few([f"{value!r} in {used[value]} rows" for value in unknown], 5)
    return (
        f"{where} has labels that are no class of the taxonomy {taxonomy.name}: {labels}{hint}; wanted "
        f"{first_few(list(taxonomy.codes), 12)}; add them to a class's aliases, or empty the cells to leave "
        "the images out"
    )
