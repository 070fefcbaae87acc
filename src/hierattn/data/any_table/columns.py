"""Which column of a table says what of an image: as it was asked for, or by its name, or by its values."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hierattn.data.any_table.understanding import Understanding
from hierattn.data.column_names import NAMES, named, spelled
from hierattn.data.source_table import first_few, text_of
from hierattn.data.table_files.table_file import TableFile
from hierattn.errors import TableError, UsageError
from hierattn.taxonomy.built_in import EIGHT

ROLES = tuple(NAMES)
"""What a column can say: image, label, lesion, patient, fold, age, sex, site, skin-type, answers, source, domain."""
NONE = "none"
"""In the place of a column's name: the table has none, whatever their names."""
_NEVER_GUESSED = ("fold", "source", "domain")  # they change what is trained and tested: only where somebody asks
_SAMPLE, _FOUND_SHARE = 400, 0.5
_MOST_LABELS = 1000
_FLAGS = frozenset(("0", "1", "0.0", "1.0", "0,0", "1,0", "true", "false", ""))
_ONES = frozenset(("1", "1.0", "1,0", "true"))
_ONE_HOT_SHARE = 0.95


@dataclass(frozen=True)
class TableOptions:
    """What was asked for.

    Attributes
    ----------
    path
        The table.
    columns
        Role of :data:`ROLES` -> the column's name, or :data:`NONE`. Several names with commas between are one-hot
        columns of labels.
    sheet
        Of a workbook; empty for the only one that has rows.
    tell
        Called with what was understood, before it is used.
    """

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    tell: Callable[[Understanding], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Raise a :class:`UsageError` for an unknown role, or a missing name."""
        for role, name in self.columns.items():
            if role not in ROLES:
                raise UsageError(f"a column for {role!r}: wanted one of {', '.join(ROLES)}")
            if not name.strip():
                raise UsageError(f"a column for {role} without a name: wanted the column's name, or {NONE}")
        for role in ("image", "label"):
            if self.columns.get(role) == NONE:
                raise UsageError(f"no {role} column: wanted one; every row needs its {role}")


@dataclass(frozen=True)
class Column:
    """A column that is used.

    Attributes
    ----------
    name
        As the table has it; of one-hot columns all, with commas between.
    how
        It was found: ``as asked``, ``by its name``, ``by its values``.
    one_hot
        The names of one-hot columns; empty for a single column.
    """

    name: str
    how: str
    one_hot: tuple[str, ...] = ()

    def values(self, table: TableFile) -> list[str]:
        """Its values; of one-hot columns the names of those that have a 1, with bars between."""
        if not self.one_hot:
            return table.columns[self.name]
        flags = [table.columns[name] for name in self.one_hot]
        rows = zip(*flags, strict=True)
        return [
            "|".join(name for name, flag in zip(self.one_hot, row, strict=True) if flag.lower() in _ONES)
            for row in rows
        ]


def choose_columns(
    table: TableFile, asked: Mapping[str, str], find: Callable[[str], bool], example: str
) -> dict[str, Column]:
    """Role -> column, of those that are there.

    Parameters
    ----------
    table
        The table.
    asked
        As :attr:`TableOptions.columns`.
    find
        Whether a value is the name of an image.
    example
        The name of an image that is there, for errors.

    Raises
    ------
    UsageError
        Where a column that was asked for is not there.
    TableError
        Where no column names images or labels, or a used one is there twice.
    """
    chosen: dict[str, Column] = {}
    for role, name in asked.items():
        if name != NONE:
            chosen[role] = _asked(table, role, name)
    for role in ROLES:
        if role in asked or role in (*_NEVER_GUESSED, "image", "label"):
            continue
        taken = {column.name for other, column in chosen.items() if other not in _NEVER_GUESSED}
        if names := [name for name in named(role, table.columns) if name not in taken and _is_filled(table, name)]:
            chosen[role] = Column(names[0], "by its name")
    if not chosen:
        _refuse_without_header(table, find)
    if "image" not in chosen:
        chosen["image"] = _image_column(table, find, example)
    if "label" not in chosen:
        chosen["label"] = _label_column(table, {column.name for column in chosen.values()})
    if chosen["image"].name == chosen["label"].name:
        raise UsageError(f"the column {chosen['image'].name!r} for both image and label: wanted two columns")
    for column in chosen.values():
        if twice := set(column.one_hot or (column.name,)) & set(table.repeated):
            raise TableError(f"{table.path} has the column {min(twice)} more than once: remove or rename one")
    return {role: chosen[role] for role in ROLES if role in chosen}


def _asked(table: TableFile, role: str, name: str) -> Column:
    if found := _find(table, name):
        return Column(found, "as asked")
    parts = [part.strip() for part in name.split(",")]
    if role == "label" and len(parts) > 1:
        columns = [_find(table, part) for part in parts]
        if all(columns) and len(set(columns)) == len(columns):
            return Column(", ".join(columns), "as asked", tuple(columns))
        name = next((part for part, found in zip(parts, columns, strict=True) if not found), name)
    by_spelling = {spelled(column): column for column in table.columns}
    near = difflib.get_close_matches(spelled(name), by_spelling, n=3, cutoff=0.5)
    near_names = [by_spelling[key] for key in near] or list(table.columns)
    raise UsageError(
        f"{table.path} has no column {name!r}: wanted the name of the column for {role}; it has "
        f"{first_few([repr(column) for column in near_names], 12)}{_header_below(table, name)}"
    )


def _find(table: TableFile, name: str) -> str:
    """The column of that name; of others in letter case, blanks and underscores the only one. Empty for none."""
    if name in table.columns:
        return name
    alike = [column for column in table.columns if spelled(column) == spelled(name)]
    return alike[0] if len(alike) == 1 else ""


def _header_below(table: TableFile, name: str) -> str:
    """Where the names of the columns seem to stand below a title."""
    for row, line in enumerate(table.lines[:20]):
        if any(spelled(values[row]) == spelled(name) for values in table.columns.values() if row < len(values)):
            return f"; it stands in row {line}: remove the rows above it"
    return ""


def _is_filled(table: TableFile, name: str) -> bool:
    return any(text_of(value) for value in table.columns[name])


def sample_of(values: Sequence[str]) -> list[str]:
    """Some of the values that are no blanks, from all over a column."""
    filled = [value for value in values if value]
    return filled[:: len(filled) // _SAMPLE + 1]


def _refuse_without_header(table: TableFile, find: Callable[[str], bool]) -> None:
    """A first row that names an image, and of which no value is known for a column's name, holds no names."""
    if any(named(role, table.columns) for role in ROLES):
        return
    for name in table.columns:
        if find(name):
            raise TableError(
                f"{table.path} has no row with the names of the columns: its first one names the image {name!r}; "
                "wanted a first row such as image,label"
            )


def _image_column(table: TableFile, find: Callable[[str], bool], example: str) -> Column:
    by_name = named("image", table.columns)
    shares: dict[str, float] = {}
    for name in [*by_name, *(name for name in table.columns if name not in by_name)]:
        sample = sample_of(table.columns[name])
        shares[name] = sum(map(find, sample)) / len(sample) if sample else 0.0
    best = max(shares, key=lambda name: shares[name])
    if shares[best] and (best in by_name or shares[best] >= _FOUND_SHARE):
        return Column(best, "by its name" if best in by_name else "by its values")
    if by_name:  # its rows will tell what they lack
        return Column(by_name[0], "by its name")
    raise TableError(
        f"{table.path} has no column that names images: it has {first_few(list(table.columns), 12)}, and the "
        f"photographs are called, for example, {example!r}; name the column with --image-column"
    )


def _label_column(table: TableFile, taken: set[str]) -> Column:
    for name in named("label", table.columns):
        if name not in taken and _is_filled(table, name) and not _is_id(table.columns[name]):
            return Column(name, "by its name")
    if flags := one_hot_columns(table, taken):
        return Column(", ".join(flags), "by its values", tuple(flags))
    for name, values in table.columns.items():
        known = [value for value in sample_of(values) if text_of(value)]
        if name not in taken and known and all(EIGHT.code_of(value) for value in known) and len(set(known)) > 1:
            return Column(name, "by its values")
    values_of = {name: len(set(filter(text_of, values))) for name, values in table.columns.items() if name not in taken}
    perhaps = [name for name, count in values_of.items() if 2 <= count <= 100 and not _is_id(table.columns[name])]
    shown = [f"{name} ({values_of[name]} different values)" for name in perhaps or values_of]
    raise TableError(
        f"{table.path} has no column that is known to hold the labels: name it with --label-column; it has "
        f"{first_few(shown, 12) or 'no other column'}, in {len(table.lines)} rows"
    )


def _is_id(values: Sequence[str]) -> bool:
    """Whether a column has nearly as many values as rows: an id or a note, and no class."""
    return looks_like_ids(Counter(value for value in values if text_of(value)))


def looks_like_ids(labels: Counter[str]) -> bool:
    """As :func:`_is_id`, of counted values."""
    rows = labels.total()
    return len(labels) > _MOST_LABELS or (rows >= 20 and len(labels) > rows / 2)


def one_hot_columns(table: TableFile, taken: set[str]) -> list[str]:
    """Columns of 0 and 1, side by side, of which nearly every row has a 1 in exactly one; none where there are none.

    Columns that are known to be classes (``MEL``, ``NV``, ``UNK``) are tried alone, for others beside them
    (``biopsied``) may be of 0 and 1 as well.
    """
    flags = [
        name
        for name, values in table.columns.items()
        if name not in taken and {value.lower() for value in set(values)} <= _FLAGS
    ]
    classes = [name for name in flags if EIGHT.code_of(name) or re.fullmatch(r"unk(?:nown)?", name, re.IGNORECASE)]
    runs: list[list[str]] = [classes, []]
    order = {name: number for number, name in enumerate(table.columns)}
    for name in flags:
        if runs[-1] and order[name] != order[runs[-1][-1]] + 1:
            runs.append([])
        runs[-1].append(name)
    for run in runs:
        if len(run) < (2 if run is classes else 3):
            continue
        ones = [
            sum(flag.lower() in _ONES for flag in row)
            for row in zip(*(table.columns[name] for name in run), strict=True)
        ]
        if ones.count(1) >= _ONE_HOT_SHARE * len(ones):
            return run
    return []
