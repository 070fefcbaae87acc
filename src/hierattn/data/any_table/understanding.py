"""What was understood of a table, before anything is done with it: for the screen, and for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ColumnUsed:
    """A column and what it says; ``how`` it was found, and some of its values."""

    role: str
    name: str
    how: str
    examples: list[str]


@dataclass(frozen=True)
class ClassFound:
    """A class: its counts among the photographs that were found, and the labels that mean it with their rows."""

    code: str
    name: str
    images: int
    lesions: int
    patients: int
    labels: dict[str, int]


@dataclass
class Understanding:
    """A table beside a folder of photographs.

    Attributes
    ----------
    table, form
        The file, and what it is: text, Excel or Parquet.
    rows
        How many it has.
    columns, not_used
        Those that are used, and the names of the others.
    photographs
        Files in the folder.
    found
        Rows whose photograph was found: by path, name or id; by the file's name alone; by its number.
    no_photograph, no_row, no_label
        Rows without a photograph and photographs without a row, by name; what stands in rows without a label.
    taxonomy
        The name of the classes; ``own`` where they were made of the labels.
    referral
        Whether it says which classes a doctor must see.
    classes
        In the order of the taxonomy.
    lesions, patients, folds
        How many there are; images a fold where a column gives it.
    notes
        Worth knowing, a line each.
    problems
        Why nothing can be prepared of it, a line each.
    """

    table: str
    form: str
    rows: int
    columns: list[ColumnUsed] = field(default_factory=list)
    not_used: list[str] = field(default_factory=list)
    photographs: int = 0
    found: dict[str, int] = field(default_factory=dict)
    no_photograph: list[str] = field(default_factory=list)
    no_row: list[str] = field(default_factory=list)
    no_label: dict[str, int] = field(default_factory=dict)
    taxonomy: str = ""
    referral: bool = False
    classes: list[ClassFound] = field(default_factory=list)
    lesions: int = 0
    patients: int = 0
    folds: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def guessed(self) -> Sequence[ColumnUsed]:
        """The columns that nobody asked for."""
        return [column for column in self.columns if column.how != "as asked"]

    def in_short(self) -> str:
        """One line: which columns are used.

        >>> Understanding("t.csv", "text", 2, [ColumnUsed("image", "file", "by its name", [])]).in_short()
        't.csv (text, 2 rows): image = file (by its name)'
        """
        columns = ", ".join(f"{column.role} = {column.name} ({column.how})" for column in self.columns)
        return f"{self.table} ({self.form}, {self.rows} rows): {columns}"
