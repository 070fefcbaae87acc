"""Parquet files: the columns that hold plain values, as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hierattn.data.table_files.text_table import MAX_BYTES
from hierattn.data.table_files.values import text_of_value
from hierattn.errors import TableError, require

_MOST_ROWS, _MOST_CELLS = 4_000_000, 200_000_000


@dataclass(frozen=True)
class ParquetTable:
    """The columns of a Parquet file.

    Attributes
    ----------
    columns
        Name -> values, of the columns with plain values.
    nested
        Names of the others: lists, and pictures kept in the table.
    dates
        Name -> the text of the first value, of columns of dates.
    """

    columns: dict[str, list[str]]
    nested: list[str]
    dates: dict[str, str]


def is_parquet(content: bytes) -> bool:
    """Whether a file with these first bytes is Parquet."""
    return content.startswith(b"PAR1")


def read_parquet(path: Path) -> ParquetTable:
    """Read a Parquet file.

    Raises
    ------
    MissingPackageError
        Where pyarrow is not installed.
    TableError
        Where the file is damaged, too large once unpacked, or has a column twice.
    """
    require("pyarrow", "tables")
    parquet = require("pyarrow.parquet", "tables")
    types = require("pyarrow.types", "tables")
    try:
        with parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            plain = [field.name for field in schema if _is_plain(types, field.type)]
            if repeated := next((name for name in plain if plain.count(name) > 1), ""):
                raise TableError(f"{path} has the column {repeated} more than once: remove one")
            if rows > _MOST_ROWS or rows * len(plain) > _MOST_CELLS or _unpacked(file.metadata, plain) > MAX_BYTES:
                raise TableError(
                    f"{path} unpacks to {rows} rows of {len(plain)} columns, which is more than can be read: wanted "
                    "one row an image; remove the rest"
                )
            table = file.read(columns=plain, use_threads=False)
    except TableError:
        raise
    except Exception as error:  # pyarrow lets through whatever its parsers raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise TableError(f"{path} cannot be read as Parquet ({reason}): save it again, or as 'CSV UTF-8'") from None
    columns = {name: [text_of_value(value) for value in table.column(name).to_pylist()] for name in plain}
    dates = {
        field.name: next(filter(None, columns[field.name]), "")
        for field in schema
        if field.name in columns and types.is_temporal(field.type)
    }
    nested = [field.name for field in schema if field.name not in columns]
    return ParquetTable(columns, nested, dates)


def _is_plain(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    return not (types.is_nested(kind) or binary)


def _unpacked(metadata: Any, plain: list[str]) -> int:
    """Bytes of the columns with plain values, unpacked, as the file says."""
    chunks = (
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in plain)
