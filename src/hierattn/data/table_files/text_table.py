"""Tables saved as text: CSV with any usual delimiter, TSV, and what spreadsheets export.

Read are commas, semicolons (a European Excel), tabs, bars and, where every row agrees, ``^``, ``~``, ``:`` or blanks;
UTF-8 with or without a byte-order mark, UTF-16 (Excel's "Unicode text"), any line ends, blank rows, Excel's ``sep=;``.
A quote that is opened and never closed is refused: the rows behind it would be part of one value.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from hierattn.errors import TableError

MAX_BYTES = 1 << 30
"""Of a table: four million rows with all that is known of them. A larger one is refused before it is read."""
SAVE = "save it as 'CSV UTF-8'"
_USUAL, _RARE = "\t|;,", "^~: "
_SAMPLE, _SAMPLE_ROWS = 1 << 18, 200
_FOREIGN = (
    (b"\x1f\x8b", "it is compressed (gzip): unpack it"),
    (b"BZh", "it is compressed (bzip2): unpack it"),
    (b"\xfd7zXZ\0", "it is compressed (xz): unpack it"),
    (b"7z\xbc\xaf", "it is compressed (7z): unpack it"),
    (b"ARROW1", f"it is an Arrow or Feather file: {SAVE} or as Parquet"),
    (b"\x89HDF\r\n", f"it is an HDF5 file: {SAVE} or as Parquet"),
    (b"SQLite format 3\0", f"it is a database: {SAVE}"),
    (b"%PDF", f"it is a PDF: {SAVE}"),
    (b"{\\rtf", f"it is a text document: {SAVE}"),
)
_MARKUP = re.compile(r"\s*(?:<(?:!doctype|html|table|\?xml|script)|\{\s*[\"}]|\[\s*[\[{\"])", re.IGNORECASE)


def check_file(path: Path, wanted: str) -> None:
    """Raise a ``TableError`` where there is no file to read as a table, or one that is too large.

    Parameters
    ----------
    path
        The table.
    wanted
        The columns that it should have, for the errors.
    """
    if path.exists() and not path.is_file():
        raise TableError(f"{path} is no file: wanted a table with the columns {wanted}")
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise TableError(f"no table {path}: wanted a file with the columns {wanted}; check the path") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None
    if size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted one row an image; remove the rest")


def encoding_of(path: Path, wanted: str, *, guess: bool = False) -> str:
    """How a table's text is encoded.

    Parameters
    ----------
    path
        The table.
    wanted
        As for :func:`check_file`.
    guess
        Take what is no UTF for Windows-1252, the usual encoding of spreadsheets in Western Europe and America, a
        superset of Latin-1's letters. Otherwise it is refused.

    Raises
    ------
    TableError
        Where the file cannot be read as text.
    """
    check_file(path, wanted)
    try:
        with path.open("rb") as file:
            start = file.read(_SAMPLE)
            file.seek(0)
            return _encoding(path, file, start, guess)
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None


def _encoding(path: Path, file: BinaryIO, start: bytes, guess: bool) -> str:
    for signature, what in _FOREIGN:
        if start.startswith(signature):
            raise TableError(f"{path} cannot be read as a table: {what}")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        candidates = ["utf-16"]
    elif start[:1000].count(0) * 3 > len(start[:1000]):
        candidates = ["utf-16-le" if start[1:1000:2].count(0) > start[:1000:2].count(0) else "utf-16-be"]
    else:
        candidates = ["utf-8", "cp1252", "latin-1"] if guess else ["utf-8"]
    if b"\0" in start and "utf-16" not in candidates[0]:
        raise TableError(f"{path} cannot be read as a table (it is no text): {SAVE}")
    wrong = [_first_foreign(file, candidate) for candidate in candidates]
    if None not in wrong:
        raise TableError(f"{path} cannot be read as a table (not UTF-8, byte {wrong[0]}): {SAVE}")
    encoding = candidates[wrong.index(None)]
    if _MARKUP.match(start.decode(encoding, "ignore").lstrip("\ufeff")):
        raise TableError(f"{path} cannot be read as a table (it is HTML, XML or JSON): {SAVE}")
    return encoding


def _first_foreign(file: BinaryIO, encoding: str) -> int | None:
    """The first byte that does not fit an encoding."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    while True:
        part = file.read(1 << 20)
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            return read - held + error.start
        if not part:
            return None
        read += len(part)


def rows_of(path: Path, encoding: str, wanted: Collection[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """Each row with its line, its values stripped of blanks; without blank rows. The file is read row by row.

    Parameters
    ----------
    path
        The table.
    encoding
        Of its text (:func:`encoding_of`).
    wanted
        Columns that the first row should have: of several possible delimiters the one that gives them is taken.

    Raises
    ------
    TableError
        Where quotes do not fit.
    """
    line = 0
    try:
        with path.open(encoding=encoding, newline="") as text:
            sample = text.read(_SAMPLE).lstrip("\ufeff")
            text.seek(0)
            stated = re.match(r"sep=(.)\s*?(?:\r\n?|\n|$)", sample, re.IGNORECASE)
            delimiter = stated[1] if stated else delimiter_of(sample, wanted)
            first = text.readline().lstrip("\ufeff")
            lines = text if stated else itertools.chain([first], text)
            line = skipped = int(stated is not None)
            reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
            for row in reader:
                line = reader.line_num + skipped
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield line, cells
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None
    except csv.Error as error:
        raise TableError(
            f"{path}:{line + 1} cannot be read as a table ({error}): wanted quotes in pairs around a value; correct "
            f"the row, or {SAVE}"
        ) from None


def delimiter_of(text: str, wanted: Collection[str] = ()) -> str:
    r"""The character between a table's values, by its first rows; a comma where there is none.

    >>> delimiter_of("image;size, mm\na;4,5\n")
    ';'
    """
    sample = text if len(text) < _SAMPLE else text[: text.rfind("\n") + 1] or text
    names = {name.casefold() for name in wanted}
    best, delimiter = (0, 0.0, False, 0), ","
    for candidate in _USUAL + _RARE:
        header, *rows = _sample_rows(sample, candidate) or [[]]
        while len(header) < 2 and rows and candidate in _USUAL:  # a title
            header, *rows = rows
        if len(header) < 2:
            continue
        agreement = sum(len(row) == len(header) for row in rows) / len(rows) if rows else 0.5
        if candidate in _RARE and (agreement < 1 or best[3]):
            continue
        found = len(names & {cell.strip().casefold() for cell in header})
        score = (found, agreement, not any(cell.startswith(" ") for cell in header), len(header))
        if score > best:
            best, delimiter = score, candidate
    return delimiter


def _sample_rows(sample: str, delimiter: str) -> list[list[str]]:
    """The first rows, as wide as their last value; blanks in front are kept in the first one."""
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=delimiter == " ")
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row if not rows else _trimmed(row, max(map(len, rows))))
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows


def _trimmed(row: Sequence[str], width: int) -> list[str]:
    cells = list(row)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    return cells
