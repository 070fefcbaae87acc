r"""A CSV table whose rows are one dataclass of texts and whole numbers: the manifest, and what is like it.

UTF-8, ``\n`` line ends, the fields' names as the first row, in their order. Read are also tables that a spreadsheet
has saved, with a byte-order mark and other line ends.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from hierattn.errors import TableError
from hierattn.files import write_table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Row = TypeVar("Row", bound=DataclassInstance)

MAX_BYTES = 1 << 30
"""Of a table: four million images with all that is known of them. A larger one is refused before it is read."""


def columns_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The names of a dataclass's fields."""
    return tuple(field.name for field in fields(kind))


def write_records(path: Path, kind: type[Row], rows: Sequence[Row], *, later: Sequence[str] = ()) -> None:
    """Write ``rows`` to ``path``, whole or not at all; columns of ``later`` only where some row has a value there."""
    empty = {name for name in later if not any(getattr(row, name) for row in rows)}
    columns = [name for name in columns_of(kind) if name not in empty]
    write_table(path, columns, ([getattr(row, column) for column in columns] for row in rows))


def read_records(
    path: Path, kind: type[Row], *, again: str, exact: bool = False, later: Sequence[str] = ()
) -> Iterator[tuple[str, Row]]:
    """The rows of a table, each with its place, ``path:line``.

    Parameters
    ----------
    path
        The table; it must be there.
    kind
        A dataclass; fields of type ``int`` must hold whole numbers.
    again
        What to do about a damaged table, e.g. ``"evaluate again"``.
    exact
        Whether columns beyond the fields are refused; else they are not read.
    later
        Fields without a column in older tables: they keep their default there.

    Raises
    ------
    TableError
        Where the table is too large, no CSV in UTF-8, lacks a column or has another, or a row has too few or too many
        values or a number that is none. Names the line.
    """
    fields_of = columns_of(kind)
    whole = {field.name for field in fields(kind) if field.type in (int, "int")}
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted a row an image; {again}")
    with opened_csv(path, again) as file:
        reader = csv.DictReader(file)
        header = tuple(reader.fieldnames or ())
        columns = tuple(name for name in fields_of if name in header or name not in later)
        _check_columns(path, header, columns, again, exact)
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise TableError(f"{where}: wanted {len(header)} values; {again}")
            yield where, kind(**{name: _value(row[name], name, name in whole, where) for name in columns})


@contextmanager
def opened_csv(path: Path, again: str = "") -> Iterator[TextIO]:
    """A table's file, open for a reader of :mod:`csv`, with or without a byte order mark.

    Raises
    ------
    TableError
        Where what is read in the block is no CSV in UTF-8; it ends with ``again``, what to do about it.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is not a CSV table in UTF-8 ({error}){again and '; ' + again}") from None


def _check_columns(path: Path, found: tuple[str, ...], wanted: tuple[str, ...], again: str, exact: bool) -> None:
    missing = [name for name in wanted if name not in found]
    if exact and found != wanted:
        raise TableError(f"{path} has other columns than {', '.join(wanted)}; {again}")
    if missing:
        raise TableError(f"{path} lacks the column {', '.join(missing)}; {again}")


def _value(text: str, name: str, whole: bool, where: str) -> Any:
    if not whole:
        return text
    try:
        return int(text)
    except ValueError:
        raise TableError(f"{where}: {name} is {text!r}, wanted a whole number") from None
