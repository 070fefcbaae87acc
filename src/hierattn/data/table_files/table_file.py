"""Any table -> columns of texts: text, Excel or Parquet, told by the file's content and not by its name."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hierattn.data.table_files.parquet_table import is_parquet, read_parquet
from hierattn.data.table_files.text_table import SAVE, check_file, encoding_of, rows_of
from hierattn.data.table_files.workbook import is_zip, read_sheet
from hierattn.errors import TableError, UsageError

_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_MOST_TITLES = 10
_GUESSED = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}


@dataclass(frozen=True)
class TableFile:
    """A table, read.

    Attributes
    ----------
    path
        The file.
    form
        What it is, in a few words: ``text, Windows-1252``, ``Excel, sheet 'cases'``, ``Parquet``.
    columns
        Name -> values, as the table writes them without the blanks around; all of one length. A column without a name
        has none here.
    lines
        Each row's line in the file, or row in the sheet.
    repeated
        Names that several columns have: ``columns`` holds the first of them.
    dates
        Columns with dates among their values -> the first of these.
    notes
        What is not read, a line each.
    """

    path: Path
    form: str
    columns: dict[str, list[str]]
    lines: Sequence[int]
    repeated: Collection[str] = ()
    dates: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_table(path: Path, wanted: Collection[str] = (), sheet: str = "") -> TableFile:
    """Read a table.

    Parameters
    ----------
    path
        The file.
    wanted
        Columns that were asked for; they help to tell the delimiter.
    sheet
        Of a workbook; empty for the only one that has rows.

    Raises
    ------
    TableError
        Where the file is no table that can be read, or has no row.
    UsageError
        Where the sheet is not there, or was asked of what is no workbook.
    MissingPackageError
        Where Excel or Parquet is to be read without the extra ``tables``.
    """
    check_file(path, ", ".join(wanted) or "image, label")
    start = _first_bytes(path)
    if start.startswith(_OLD_EXCEL):
        raise TableError(
            f"{path} is an old Excel workbook (.xls), or one with a password: save it as .xlsx without a password, "
            f"or {SAVE}"
        )
    if is_zip(start):
        found = read_sheet(path, sheet)
        return _of_rows(path, f"Excel, sheet {found.name!r}", found.rows, found.dates, wide=True)
    if sheet:
        raise UsageError(f"--sheet {sheet!r} with {path}, which is no workbook: leave it out")
    if is_parquet(start):
        parquet = read_parquet(path)
        rows = max(map(len, parquet.columns.values()), default=0)
        notes = [f"the column {name} holds lists, records or bytes: not read" for name in parquet.nested]
        return _checked(TableFile(path, "Parquet", parquet.columns, range(1, rows + 1), (), parquet.dates, notes))
    encoding = encoding_of(path, ", ".join(wanted) or "image, label", guess=True)
    guessed = _GUESSED.get(encoding, "")
    table = _of_rows(path, f"text, {guessed}" if guessed else "text", rows_of(path, encoding, wanted), {})
    if guessed:
        table.notes.append(f"it is not UTF-8 and was read as {guessed}: where letters look wrong, {SAVE}")
    return table


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None


def _of_rows(
    path: Path, form: str, rows: Iterable[tuple[int, list[str]]], dates: dict[int, str], *, wide: bool = False
) -> TableFile:
    """Columns of rows; ``wide``: values beyond the columns are somebody's notes, as sheets have them."""
    titles, header, reading = _header(iter(rows))
    columns: list[list[str]] = [[] for _ in header]
    lines: list[int] = []
    same: dict[str, str] = {}  # each text once in memory: ids and labels come again and again
    beyond = 0
    for line, cells in reading:
        if any(cells[len(columns) :]):
            if not wide:
                raise TableError(
                    f"{path}:{line} has {len(cells)} values for {len(columns)} columns: a value with the delimiter in "
                    "it needs quotes; correct the row"
                )
            beyond += 1
        lines.append(line)
        for number, column in enumerate(columns):
            value = cells[number] if number < len(cells) else ""
            column.append(same.setdefault(value, value))
    named: dict[str, list[str]] = {}
    for name, column in zip(header, columns, strict=True):
        if name:
            named.setdefault(name, column)
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    notes = [f"a title above the columns is not read: {title[:60]!r}" for title in titles]
    notes += [f"{beyond} rows have values to the right of the columns: not read"] * (beyond > 0)
    first_dates = {header[number]: text for number, text in dates.items() if number < len(header)}
    return _checked(TableFile(path, form, named, lines, repeated, first_dates, notes))


def _header(rows: Iterator[tuple[int, list[str]]]) -> tuple[list[str], list[str], Iterator[tuple[int, list[str]]]]:
    """The titles above the names of the columns, these names, and the rows below.

    A title stands alone in the first column, and a row with several values follows it.
    """
    first = list(itertools.islice(rows, _MOST_TITLES + 1))
    width = [sum(map(bool, cells)) if any(cells[1:]) else 1 for _, cells in first]
    above = next((row for row, cells in enumerate(width) if cells > 1), 0)
    titles = [cells[0] for _, cells in first[:above]]
    header = first[above][1] if first else []
    return titles, header, itertools.chain(first[above + 1 :], rows)


def _checked(table: TableFile) -> TableFile:
    if not table.columns:
        raise TableError(f"{table.path} has no columns: wanted a first row with their names; check the file")
    if not table.lines:
        raise TableError(f"{table.path} has no rows: wanted one an image; complete it")
    return table
