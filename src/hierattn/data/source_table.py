"""Tables as others publish them: a data set's own, and split files. CSV or tab-separated, every value a text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hierattn.errors import TableError

Row = Mapping[str, str]
"""Column -> value, both stripped of blanks."""


def read_rows(path: Path, required: Sequence[str]) -> list[Row]:
    """The rows of a table, comma- or tab-separated, with or without a byte-order mark, any line ends.

    Column names and values are stripped of blanks.

    Raises
    ------
    TableError
        Where the file cannot be read as a table, has no row, or lacks a required column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = "\t" if "\t" in header and "," not in header else ","
            reader = csv.DictReader(file, delimiter=delimiter, restval="")
            columns = [(column or "").strip() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows: list[Mapping[str, str]] = [
                {key: value.strip() for key, value in row.items() if key is not None} for row in reader
            ]
    except FileNotFoundError:
        raise TableError(f"no table {path}: wanted a file with the columns {', '.join(required)}") from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise TableError(f"{path} cannot be read as a table ({error}): wanted CSV in UTF-8; save it as that") from None
    missing = [column for column in required if column not in columns]
    if missing:
        columns_there = ", ".join(columns)[:120] or "nothing"
        raise TableError(
            f"{path} lacks the column {', '.join(missing)} (found {columns_there}): wanted a comma-separated table"
        )
    if not rows:
        raise TableError(f"{path} has no rows: wanted one an image; download it again")
    return rows


def refuse_repeated(path: Path, ids: Iterable[str]) -> None:
    """Raise ``TableError`` naming the ids that stand in more than one row: nothing says which row is right."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise TableError(
            f"{path} names {first_few(repeated)} more than once: wanted one row an image; remove the wrong rows"
        )


def by_id(path: Path, rows: Sequence[Row], column: str) -> dict[str, Row]:
    """The rows by their image id.

    Raises
    ------
    TableError
        Where an id stands in several rows.
    """
    refuse_repeated(path, (row[column] for row in rows))
    return {row[column]: row for row in rows}


def text_of(value: str) -> str:
    """The value, or an empty text where the table says in one of the usual ways that it is not known."""
    return "" if value.lower() in {"", "na", "n/a", "nan", "none", "null", "unknown", "unk"} else value


def number_of(value: str) -> str:
    """A number that a spreadsheet wrote as ``45.0``, as ``45``; anything else as it is."""
    value = text_of(value)
    return value[:-2] if value.endswith(".0") else value


def sex_of(value: str) -> str:
    """``male``, ``female`` or nothing."""
    value = value.lower()
    return value if value in {"male", "female"} else ""


def first_few(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and how many more."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
