"""Tables as others save them: a data set's own, and split files. Every value a text.

Read is text as in text_table.py, with column names in any letter case. What is ambiguous is refused: an encoding that
is no UTF, a column twice, a row with more values than there are columns. Tables of any columns, Excel and Parquet are
the business of any_table.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hierattn.data.column_names import spelled
from hierattn.data.image_ids import image_id
from hierattn.data.table_files.text_table import encoding_of, rows_of
from hierattn.errors import TableError
from hierattn.taxonomy.questions import SKIN_TYPE

Row = Mapping[str, str]
"""Column -> value, both stripped of blanks."""


def find_table(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that a folder has; letter case counts only where it decides."""
    if not folder.is_dir():
        return None
    for name in names:
        if (folder / name).is_file():
            return folder / name
    wanted = {name.lower() for name in names}
    found = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower() in wanted)  # among 400,000, too
    return next((folder / name for name in found if (folder / name).is_file()), None)


def table_path(folder: Path, names: Sequence[str]) -> Path:
    """As :func:`find_table`; where there is none, the place of the first, of which reading says that it is missing."""
    return find_table(folder, names) or folder / names[0]


def read_rows(path: Path, required: Sequence[str], known: Sequence[str] = ()) -> list[Row]:
    """The rows of a table, all columns; blank ones are left out. As :func:`stream_rows`."""
    return list(stream_rows(path, required, known, only=False))


def stream_rows(path: Path, required: Sequence[str], known: Sequence[str] = (), *, only: bool = True) -> Iterator[Row]:
    """The rows of a table one by one, of any length; blank ones are left out.

    Parameters
    ----------
    path
        The table.
    required, known
        Columns that must be there, and columns that may be; found whatever their letter case, with blanks or
        underscores (``Image ID`` or ``ImageID`` for ``image_id``).
    only
        Leave out all other columns.

    Raises
    ------
    TableError
        Where the file cannot be read as a table, has no row, lacks a required column, has one twice, or a row has
        more values than there are columns.
    """
    wanted = ", ".join(required) or "image"
    rows = _cells(path, wanted)
    _, header = next(rows, (1, []))
    columns = _columns(path, header, (*required, *known))
    missing = [column for column in required if column not in columns]
    if missing:
        there = ", ".join(column for column in columns if column)[:120] or "nothing"
        raise TableError(
            f"{path} lacks the column {', '.join(missing)} (found {there}): wanted a comma-separated table"
        )
    taken = [k for k, column in enumerate(columns) if column and not (only and column not in (*required, *known))]
    count = 0
    for line, cells in rows:
        if any(cells[len(columns) :]):
            raise TableError(
                f"{path}:{line} has {len(cells)} values for {len(columns)} columns: a value with a comma in it needs "
                "quotes; correct the row"
            )
        cells += [""] * (len(columns) - len(cells))
        yield {columns[k]: cells[k] for k in taken}
        count += 1
    if not count:
        raise TableError(f"{path} has no rows: wanted one an image; complete it, or download it again")


def columns_in(path: Path, wanted: Sequence[str]) -> set[str]:
    """Which of these columns a table has, with rows or without; none where the file is no table."""
    there = {spelled(name) for name in header_of(path)}
    return {name for name in wanted if spelled(name) in there}


def header_of(path: Path) -> list[str]:
    """The names of a table's columns, as it writes them; none where the file is no table."""
    try:
        return next(_cells(path, ""), (1, []))[1]
    except TableError:
        return []


def _cells(path: Path, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with its line."""
    return rows_of(path, encoding_of(path, wanted))


def _columns(path: Path, header: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns by their known names; a column without a name, as pandas writes one, stays without."""
    names = {spelled(name): name for name in known}
    columns = [names.get(spelled(name), name) for name in header]
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise TableError(f"{path} has the column {first_few(twice)} more than once: remove one")
    return columns


def refuse_repeated(path: Path, ids: Iterable[str]) -> None:
    """Raise ``TableError`` naming the ids that stand in more than one row: nothing says which row is right."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise TableError(
            f"{path} names {first_few(repeated)} more than once: wanted one row an image; remove the wrong rows"
        )


def refuse_rounded(path: Path, column: str, ids: Iterable[str]) -> None:
    """Raise ``TableError`` for ids such as ``4.36E+31``: a spreadsheet has rounded them, and two may be one now."""
    for value in ids:
        if re.fullmatch(r"-?\d([.,]\d+)?E\+\d+", value, re.IGNORECASE):
            raise TableError(
                f"{path}: {column} {value} was rounded by a spreadsheet: wanted the id as it was published; download "
                "the table again, and read it as it is"
            )


def by_id(path: Path, rows: Sequence[Row], column: str) -> dict[str, Row]:
    """The rows by their image id, as the table writes it.

    Raises
    ------
    TableError
        Where an id stands in several rows, with or without an ending, or a row has none.
    """
    if blank := sum(not row[column] for row in rows):
        raise TableError(f"{path} has {blank} rows without {column}: wanted one in every row; correct the table")
    refuse_repeated(path, (image_id(row[column]).stem for row in rows))
    return {row[column]: row for row in rows}


def once(path: Path, rows: Iterable[Row], column: str) -> Iterator[Row]:
    """The rows one by one, as :func:`by_id` gives them at once; an id is compared as it is written.

    Raises
    ------
    TableError
        Where an id stands in several rows, or a row has none.
    """
    seen: set[str] = set()
    for row in rows:
        if not row[column]:
            raise TableError(f"{path} has a row without {column}: wanted one in every row; correct the table")
        if row[column] in seen:
            raise TableError(
                f"{path} names {row[column]} more than once: wanted one row an image; remove the wrong rows"
            )
        seen.add(row[column])
        yield row


_SIGNS = ("", "-", "--", "---", "_", "?", "??", "???", ".", "..", "...", "/", "*", "\u2013", "\u2014")
_SHORT = ("na", "n/a", "n.a.", "nan", "nat", "<na>", "#n/a", "#na", "#ref!", "#value!", "#name?", "nil", "null", "unk")
_WORDS = ("none", "unknown", "missing", "undefined", "unspecified", "no data")
_NOT = ("not available", "not applicable", "not known", "not recorded", "not given", "not specified")
_ABROAD = ("unbekannt", "inconnu", "desconocido", "desconhecido", "sconosciuto", "onbekend")
UNKNOWN = frozenset(_SIGNS + _SHORT + _WORDS + _NOT + _ABROAD)
"""Values, in lower case, by which tables say that something is not known."""


def text_of(value: str) -> str:
    """The value, or an empty text where the table says in one of the usual ways that it is not known."""
    return "" if value.strip().lower() in UNKNOWN else value.strip()


def number_of(value: str) -> str:
    """A number that a spreadsheet wrote as ``45.0`` or ``45,0``, as ``45``; anything else as it is."""
    value = text_of(value)
    whole = re.fullmatch(r"(\d+)[.,]0+", value)
    return whole[1] if whole else value


def sex_of(value: str) -> str:
    """``male``, ``female`` or nothing."""
    value = value.lower()
    return value if value in {"male", "female"} else ""


def skin_type_of(value: str) -> str:
    """Fitzpatrick's type, ``1`` to ``6``; empty for anything else.

    >>> [skin_type_of(value) for value in ("III", "FST4", "Type 2", "5.0", "-1", "dark")]
    ['3', '4', '2', '5', '', '']
    """
    return SKIN_TYPE.value_of(text_of(value)) or ""


def first_few(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and how many more."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
