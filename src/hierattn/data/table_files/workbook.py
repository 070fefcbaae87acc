"""Excel workbooks (.xlsx, .xlsm): the values of one sheet, as text.

Values only: of a formula what Excel has stored as its result, of a link to another file what was stored of it; macros,
pictures and links are not opened. Rows are read one by one, and a file that unpacks to more than it may is refused
before. Merged cells count as if each had the value.
"""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hierattn.data.table_files.text_table import SAVE
from hierattn.data.table_files.values import text_of_value
from hierattn.errors import TableError, UsageError, require

_BOOK = "xl/workbook.xml"
_MOST_FILES, _MOST_ROWS, _MOST_COLUMNS, _MOST_CELLS = 10_000, 1 << 20, 1 << 14, 50_000_000
_MOST_BYTES, _MOST_BYTES_OF_TEXTS = 1 << 29, 1 << 28
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=[\"']([A-Z]+)(\d+):([A-Z]+)(\d+)[\"']")


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Attributes
    ----------
    name
        The sheet's.
    rows
        Each row that is not blank, with its number, and its values as text.
    dates
        Column (from 0) -> the text of the first date in it. Excel makes dates of ids such as ``3-1``.
    """

    name: str
    rows: list[tuple[int, list[str]]]
    dates: dict[int, str]


def is_zip(content: bytes) -> bool:
    """Whether a file with these first bytes is a ZIP archive, as a workbook is."""
    return content.startswith(b"PK\3\4")


def read_sheet(path: Path, sheet: str = "") -> Sheet:
    """Read a sheet of a workbook.

    Parameters
    ----------
    path
        The workbook.
    sheet
        Its name; empty for the only one that has rows.

    Raises
    ------
    MissingPackageError
        Where openpyxl is not installed.
    TableError
        Where the file is no such workbook, is damaged or unpacks to too much.
    UsageError
        Where the sheet is not there, or several have rows and none was named.
    """
    _check_archive(path)
    openpyxl, defused = require("openpyxl", "tables"), require("defusedxml", "tables")
    try:
        with (
            path.open("rb") as file,  # by its name openpyxl would refuse some
            closing(openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)) as book,
        ):
            return _read(path, book, sheet)
    except (TableError, UsageError):
        raise
    except defused.DefusedXmlException:
        raise TableError(f"{path} has entities in its XML, as no spreadsheet writes them: not read; {SAVE}") from None
    except Exception as error:  # openpyxl lets through whatever its parsers raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise TableError(f"{path} cannot be read as an Excel workbook ({reason}): save it again, or {SAVE}") from None


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise TableError(f"{path} cannot be read as an Excel workbook ({error}): save it again, or {SAVE}") from None
    names = {member.filename for member in members}
    if _BOOK not in names:
        known = {"xl/workbook.bin": "a binary Excel workbook (.xlsb)", "content.xml": "an OpenDocument file (.ods)"}
        known |= {"word/document.xml": "a Word document", "Index/Document.iwa": "a Numbers document"}
        what = next((text for name, text in known.items() if name in names), "a ZIP archive")
        raise TableError(f"{path} is {what}: wanted a table; save it as .xlsx, or {SAVE}")
    texts = sum(member.file_size for member in members if member.filename.lower().endswith("sharedstrings.xml"))
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MOST_FILES or unpacked > _MOST_BYTES or texts > _MOST_BYTES_OF_TEXTS:
        raise TableError(
            f"{path} unpacks to {len(members)} files of {unpacked >> 20} MiB (at most {_MOST_BYTES >> 20} are read): "
            f"wanted one row an image; {SAVE}"
        )


def _read(path: Path, book: Any, wanted: str) -> Sheet:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if wanted:
        if wanted not in sheets:
            raise UsageError(f"{path} has no sheet {wanted!r}: wanted one of {', '.join(map(repr, sheets))}")
        return _rows(sheets[wanted])
    filled = [name for name, sheet in sheets.items() if _has_rows(sheet)]
    if len(filled) > 1:
        raise UsageError(
            f"{path} has {len(filled)} sheets with rows ({', '.join(map(repr, filled[:5]))}): wanted to know which; "
            f"add --sheet {filled[0]!r}"
        )
    if not filled:
        raise TableError(f"{path} has no sheet with rows: wanted one row an image; check the file")
    return _rows(sheets[filled[0]])


def _has_rows(sheet: Any) -> bool:
    """Whether a sheet has two rows with two values each."""
    filled = 0
    for _, row in _numbered(sheet):
        filled += sum(value is not None for value in row) >= 2
        if filled == 2:
            return True
    return False


def _numbered(sheet: Any) -> Iterator[tuple[int, Sequence[object]]]:
    sheet.reset_dimensions()  # what a sheet says of its size is wrong in files of some programs
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > _MOST_ROWS:
            raise ValueError(f"more than {_MOST_ROWS} rows")
        yield number, row


def _rows(sheet: Any) -> Sheet:
    rows: list[tuple[int, list[str]]] = []
    dates: dict[int, str] = {}
    cells = 0
    for number, row in _numbered(sheet):
        values = [_text(value, column, dates) for column, value in enumerate(row)]
        while values and not values[-1]:
            values.pop()
        cells += len(values)
        if cells > _MOST_CELLS:
            raise ValueError(f"more than {_MOST_CELLS} cells")
        if values:
            rows.append((number, values))
    _fill_merged(sheet, rows)
    return Sheet(sheet.title, rows, dates)


def _text(value: object, column: int, dates: dict[int, str]) -> str:
    text = text_of_value(value)
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)) and column not in dates:
        dates[column] = text
    return text


def _fill_merged(sheet: Any, rows: Sequence[tuple[int, list[str]]]) -> None:
    """Give every cell of a merged one its value: Excel keeps it in the first alone."""
    by_number = dict(rows)
    filled = 0
    for left, top, right, bottom in _merged(sheet):
        source = by_number.get(top, [])
        value = source[left] if left < len(source) else ""
        for number in range(top, bottom + 1):
            if number not in by_number or not value:
                continue
            values = by_number[number]
            values += [""] * (right + 1 - len(values))
            values[left : right + 1] = [value] * (right + 1 - left)
            filled += right + 1 - left
            if filled > _MOST_CELLS:
                return


def _merged(sheet: Any) -> Iterator[tuple[int, int, int, int]]:
    """The merged cells of a sheet as (left, top, right, bottom), columns from 0 and rows from 1.

    openpyxl does not say them of a sheet that it reads row by row; they stand at the sheet's end.
    """
    with sheet._get_source() as source:
        tail = b""
        while part := source.read(1 << 20):
            text = tail + part
            end = 0
            for match in _MERGED.finditer(text):
                end = match.end()
                left, top, right, bottom = match.groups()
                yield _column(left), int(top), min(_column(right), _MOST_COLUMNS - 1), int(bottom)
            tail = text[max(end, len(text) - 1000) :]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:4]:
        number = 26 * number + letter - 64
    return number - 1
