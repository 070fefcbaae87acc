"""Tables as others save them: a data set's own, and split files. Every value a text.

Read are commas, semicolons (a European Excel) and tabs, UTF-8 with or without a byte-order mark, UTF-16 (Excel's
"Unicode text"), any line ends, blank rows, and column names in any letter case. What is ambiguous is refused: another
encoding, a column twice, a row with more values than there are columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hierattn.data.image_ids import image_id
from hierattn.errors import TableError

Row = Mapping[str, str]
"""Column -> value, both stripped of blanks."""

_SAVE = "save it as 'CSV UTF-8'"


def find_table(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that a folder has; letter case counts only where it decides."""
    if not folder.is_dir():
        return None
    for name in names:
        if (folder / name).is_file():
            return folder / name
    wanted = {name.lower() for name in names}
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() in wanted and path.is_file()), None)


def read_rows(path: Path, required: Sequence[str], known: Sequence[str] = ()) -> list[Row]:
    """The rows of a table; blank ones are left out.

    Parameters
    ----------
    path
        The table.
    required, known
        Columns that must be there, and columns that may be; found whatever their letter case, with blanks or
        underscores (``Image ID`` or ``ImageID`` for ``image_id``).

    Raises
    ------
    TableError
        Where the file cannot be read as a table, has no row, lacks a required column, has one twice, or a row has
        more values than there are columns.
    """
    wanted = ", ".join(required) or "image"
    try:
        header, *rows = _cells(_text(path, wanted)) or [(1, [])]
    except csv.Error as error:
        raise TableError(f"{path} cannot be read as a table ({error}): {_SAVE}") from None
    columns = _columns(path, header[1], (*required, *known))
    missing = [column for column in required if column not in columns]
    if missing:
        there = ", ".join(column for column in columns if column)[:120] or "nothing"
        raise TableError(
            f"{path} lacks the column {', '.join(missing)} (found {there}): wanted a comma-separated table"
        )
    result: list[Row] = []
    for line, cells in rows:
        if any(cells[len(columns) :]):
            raise TableError(
                f"{path}:{line} has {len(cells)} values for {len(columns)} columns: a value with a comma in it needs "
                "quotes; correct the row"
            )
        cells += [""] * (len(columns) - len(cells))
        result.append({column: value for column, value in zip(columns, cells, strict=False) if column})
    if not result:
        raise TableError(f"{path} has no rows: wanted one an image; complete it, or download it again")
    return result


def columns_in(path: Path, wanted: Sequence[str]) -> set[str]:
    """Which of these columns a table has, with rows or without; none where the file is no table."""
    try:
        header = next(iter(_cells(_text(path, ""))), (1, []))[1]
    except (TableError, csv.Error):
        return set()
    there = {_spelled(name) for name in header}
    return {name for name in wanted if _spelled(name) in there}


def _text(path: Path, wanted: str) -> str:
    if path.exists() and not path.is_file():
        raise TableError(f"{path} is no file: wanted a table with the columns {wanted}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"no table {path}: wanted a file with the columns {wanted}") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None
    try:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16").lstrip("\ufeff")
        return content.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise TableError(f"{path} cannot be read as a table (not UTF-8, byte {error.start}): {_SAVE}") from None


def _cells(text: str) -> list[tuple[int, list[str]]]:
    """Each row with its line, its values stripped; without blank rows, and without Excel's ``sep=;``."""
    first, _, rest = text.partition("\n")
    if stated := re.fullmatch(r"sep=(.)\s*", first, re.IGNORECASE):
        delimiter, text = stated[1], rest
    else:
        delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
    return [(line, row) for line, row in rows if any(row)]


def _columns(path: Path, header: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns by their known names; a column without a name, as pandas writes one, stays without."""
    spelled = {_spelled(name): name for name in known}
    columns = [spelled.get(_spelled(name), name) for name in header]
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise TableError(f"{path} has the column {first_few(twice)} more than once: remove one")
    return columns


def _spelled(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).casefold()


def refuse_repeated(path: Path, ids: Iterable[str]) -> None:
    """Raise ``TableError`` naming the ids that stand in more than one row: nothing says which row is right."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise TableError(
            f"{path} names {first_few(repeated)} more than once: wanted one row an image; remove the wrong rows"
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


def first_few(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and how many more."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
