"""Any table beside a folder of photographs -> records, with an account of what was understood.

``--dry-run`` shows the account and ends; ``prepare`` shows its first line and goes on, unless something stands under
:attr:`Understanding.problems`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from hierattn.data.any_table.columns import Column, TableOptions, choose_columns, one_hot_columns
from hierattn.data.any_table.details import READERS
from hierattn.data.any_table.labels import Labels, read_labels
from hierattn.data.any_table.matching import Matches, file_name, match_rows, what_happened_to
from hierattn.data.any_table.understanding import ClassFound, ColumnUsed, Understanding
from hierattn.data.column_names import named
from hierattn.data.prepared_set.folds import join_groups
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.splits import FrozenSplits, frozen_splits
from hierattn.data.sets.listing import Dropped, ImageFolder, Listing, check_ids
from hierattn.data.source_table import first_few, number_of, text_of
from hierattn.data.table_files.table_file import TableFile, read_table
from hierattn.errors import TableError, UsageError
from hierattn.files import file_sha256
from hierattn.preprocessing.photo_files import printable
from hierattn.taxonomy.from_labels import OWN, Own
from hierattn.taxonomy.questions import SITE
from hierattn.taxonomy.records import Taxonomy

LAYOUT = "table"
_EXAMPLES = 3


@dataclass(frozen=True)
class TableRead:
    """A table, read.

    Attributes
    ----------
    understanding
        The account.
    listing
        The records, and the folds of a column that was asked for; without meaning where the account has problems.
    taxonomy
        The classes; None where there is a problem with them.
    """

    understanding: Understanding
    listing: Listing
    taxonomy: Taxonomy | None

    def usable(self) -> Listing:
        """The listing.

        Raises
        ------
        TableError
            For the first problem of the account.
        """
        if problems := self.understanding.problems:
            more = f" ({len(problems) - 1} more: --dry-run lists them)" if len(problems) > 1 else ""
            raise TableError(problems[0] + more)
        assert self.taxonomy is not None, "without classes there is a problem"
        self.listing.taxonomy = self.taxonomy
        return self.listing


@dataclass
class _Reading:
    """A table on its way."""

    table: TableFile
    folder: ImageFolder
    columns: Mapping[str, Column]
    values: dict[str, list[str]]
    matches: Matches
    labels: Labels
    account: Understanding
    listing: Listing
    row_of: dict[int, int] = field(default_factory=dict)

    def where(self, row: int) -> str:
        return f"{self.table.path}:{self.table.lines[row]}"

    def name(self, row: int) -> str:
        return self.values["image"][row]


def read_any_table(
    source: Path, images: Path | None, options: TableOptions, taxonomy: Taxonomy | Own | None = None
) -> TableRead:
    """Read a table and find its photographs.

    Parameters
    ----------
    source
        The folder with the photographs; searched with all its subfolders.
    images
        The folder of the photographs where it is not ``source``.
    options
        The table and what its columns mean.
    taxonomy
        The user's classes; None: by the labels; ``own``: a class a label.

    Raises
    ------
    UsageError
        Where a folder, a column or a sheet that was asked for is not there.
    TableError
        Where the file is no table, or no column names images or labels.
    MissingPackageError
        Where Excel or Parquet is to be read without the extra ``tables``.
    """
    if not source.is_dir():
        raise UsageError(f"no folder {source}: wanted the folder with the photographs; check the path")
    table = read_table(options.path, list(options.columns.values()), options.sheet)
    folder = ImageFolder.of(source, images)
    names = folder.index.names
    if not names:
        raise TableError(f"no photograph below {folder.folder}: wanted those that {table.path} names; check the path")
    columns = choose_columns(
        table,
        options.columns,
        lambda value: bool(folder.index.find(file_name(value), anywhere=True)),
        names[0],
    )
    values = {role: column.values(table) for role, column in columns.items()}
    matches = match_rows(values["image"], folder)
    reading = _Reading(
        table,
        folder,
        columns,
        values,
        matches,
        _labels(table, columns["label"], values["label"], matches, taxonomy),
        Understanding(table.path.name, table.form, len(table.lines)),
        Listing(LAYOUT),
    )
    return _read(reading)


def _labels(
    table: TableFile, column: Column, values: Sequence[str], matches: Matches, taxonomy: Taxonomy | Own | None
) -> Labels:
    """The labels of the rows that have a photograph: classes of others would stay empty."""
    rows = [row for row, number in enumerate(matches.numbers) if number is not None]
    own = Labels(None if taxonomy == OWN else taxonomy, [])
    if rows:
        where = f"{table.path}, column {column.name}"
        own = read_labels(where, [values[row] for row in rows], taxonomy, column.name, LAYOUT)
    codes = dict(zip(rows, own.codes, strict=True))
    return replace(own, codes=[codes.get(row, "") for row in range(len(values))])


def _read(reading: _Reading) -> TableRead:
    account, listing = reading.account, reading.listing
    _tell_columns(reading)
    _choose_rows(reading)
    account.problems += reading.labels.problems
    _add_records(reading)
    check_ids(listing)
    reading.folder.finish(listing)
    account.notes += [*reading.table.notes, *_notes(reading), *listing.notes]
    listing.splits = _splits(reading)
    _count(reading)
    listing.notes = [account.in_short(), *account.notes]
    listing.advice = "; name a column of lesions or patients (--lesion-column, --patient-column) for honest folds"
    account.notes = [printable(note) for note in account.notes]
    account.problems = [printable(problem) for problem in account.problems]
    return TableRead(account, listing, reading.labels.taxonomy)


def _tell_columns(reading: _Reading) -> None:
    account = reading.account
    for role, column in reading.columns.items():
        common = Counter(value for value in reading.values[role] if value).most_common(_EXAMPLES)
        account.columns.append(ColumnUsed(role, column.name, column.how, [value[:60] for value, _ in common]))
    used = {name for column in reading.columns.values() for name in column.one_hot or (column.name,)}
    account.not_used = [name for name in reading.table.columns if name not in used]


def _choose_rows(reading: _Reading) -> None:
    """One row a photograph; what cannot be one is left out with its reason, or is a problem."""
    matches, dropped = reading.matches, reading.listing.dropped
    unnamed = no_file = 0
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(matches.numbers):
        if number is not None:
            rows_of[number].append(row)
        elif not reading.name(row):
            unnamed += 1
            dropped.append(Dropped(reading.where(row), "its row names no image"))
        elif row not in matches.ambiguous:
            no_file += 1
            dropped.append(Dropped(reading.name(row), "no image file"))
            reading.account.no_photograph.append(reading.name(row))
    if unnamed:
        reading.account.notes.append(f"{unnamed} rows name no image: left out")
    _tell_ambiguous(reading)
    if not rows_of and not matches.ambiguous:
        examples = first_few([repr(name) for name in dict.fromkeys(filter(None, reading.values["image"]))])
        reading.account.problems.append(
            f"{reading.table.path} names no photograph below {reading.folder.folder} in its column "
            f"{reading.columns['image'].name}: it has {examples}, the photographs are called "
            f"{first_few([repr(name) for name in reading.folder.index.names])}; check --image-column and the folder"
            + what_happened_to(list(filter(None, reading.values["image"]))),
        )
    for number, rows in rows_of.items():
        path = reading.folder.take(number)
        labelled = [row for row in rows if reading.labels.codes[row]] or rows[:1]
        reading.row_of[number] = labelled[0]
        if not reading.labels.codes[labelled[0]] and not reading.labels.problems:
            said = reading.values["label"][labelled[0]]
            dropped.append(Dropped(str(path), f"no label ({said})" if said else "no label"))
    _compare_repeated(reading, rows_of)


def _tell_ambiguous(reading: _Reading) -> None:
    if not reading.matches.ambiguous:
        return
    row, numbers = next(iter(reading.matches.ambiguous.items()))
    files = first_few([reading.folder.index.names[number] for number in numbers])
    more = f", and so in {len(reading.matches.ambiguous) - 1} more rows" if len(reading.matches.ambiguous) > 1 else ""
    reading.account.problems.append(
        f"{reading.where(row)} names {reading.name(row)}, which may be {files}{more}: wanted each name with its "
        "folder; write them so, or name the folder with the photographs alone by --images"
    )


def _compare_repeated(reading: _Reading, rows_of: Mapping[int, Sequence[int]]) -> None:
    """Rows of one photograph must agree in what matters."""
    again = 0
    details: Counter[str] = Counter()
    at_odds: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for rows in rows_of.values():
        first, *others = [row for row in rows if reading.labels.codes[row]] or rows[:1]
        again += len(others)
        for other in others:
            for role in ("label", "lesion", "patient", "fold"):
                if role in reading.values and _said(reading, role, first) != _said(reading, role, other):
                    at_odds[role].append((first, other))
                    break
            details.update(role for role in READERS if role in reading.values and _differ(reading, role, first, other))
    for role, pairs in at_odds.items():
        first, other = pairs[0]
        more = f", and {len(pairs) - 1} more such images" if len(pairs) > 1 else ""
        reading.account.problems.append(
            f"{reading.table.path} gives {reading.name(first)} the {role} {reading.values[role][first]!r} in row "
            f"{reading.table.lines[first]} and {reading.values[role][other]!r} in row {reading.table.lines[other]}"
            f"{more}: wanted one {role} an image; remove the wrong rows"
        )
    if again and not at_odds:
        same = "say the same"
        if details:
            said = ", ".join(f"{role} in {count}" for role, count in details.items())
            same = f"agree in what parts the folds, but not in {said}: the first row of an image counts"
        reading.account.notes.append(f"{again} rows name an image again and {same}: each image is taken once")


def _differ(reading: _Reading, role: str, first: int, other: int) -> bool:
    return text_of(reading.values[role][first]) != text_of(reading.values[role][other])


def _said(reading: _Reading, role: str, row: int) -> str:
    return reading.labels.codes[row] if role == "label" else number_of(reading.values[role][row])


def _add_records(reading: _Reading) -> None:
    listing = reading.listing
    details = {role: READERS[role](values) for role, values in reading.values.items() if role in READERS}
    for role, read in details.items():
        lost = Counter(raw for raw, value in zip(reading.values[role], read, strict=True) if text_of(raw) and not value)
        if lost:
            reading.account.notes.append(
                f"{lost.total()} values of {role} are not understood and taken as unknown: "
                f"{first_few([repr(value[:40]) for value, _ in lost.most_common()])}"
            )
    own = Counter(value for value in details.get("site", ()) if SITE.value_of(value) is None)
    if own:
        names = first_few([repr(name[:40]) for name, _ in own.most_common()])
        reading.account.notes.append(
            f"{own.total()} values of site are the table's own ({names}): figures are split by them, and "
            f"to a question they are unknown; it knows {', '.join(SITE.values)}"
        )
    for number, row in sorted(reading.row_of.items(), key=lambda pair: pair[1]):
        label = reading.labels.codes[row]
        if not label:
            continue

        def told(role: str, row: int = row) -> str:
            return details[role][row] if role in details else ""

        known: dict[str, Any] = {role.replace("-", "_"): told(role) for role in READERS}
        listing.records.append(
            Record(
                image=str(reading.folder.take(number)),
                label=label,
                own_label=reading.values["label"][row],
                lesion=_id(reading, "lesion", row),
                patient=_id(reading, "patient", row),
                source=_id(reading, "source", row) or listing.source,
                **known,
            )
        )


def _id(reading: _Reading, role: str, row: int) -> str:
    return number_of(reading.values[role][row]) if role in reading.values else ""


def _notes(reading: _Reading) -> list[str]:
    matches, notes, table = reading.matches, [], reading.table
    if matches.urls:
        notes.append(
            f"{len(matches.urls)} rows name addresses: nothing is downloaded, the files of those names are looked for"
        )
    if matches.by_name:
        row = matches.by_name[0]
        file = reading.folder.index.names[matches.numbers[row] or 0]
        notes.append(
            f"{len(matches.by_name)} rows name folders that are not there, and were found by the file's name alone: "
            f"{reading.name(row)} is {file}"
        )
    if matches.by_number:
        row = matches.by_number[0]
        file = reading.folder.index.names[matches.numbers[row] or 0]
        notes.append(
            f"{len(matches.by_number)} rows have lost leading zeros or got decimals in a spreadsheet, and were found "
            f"by the number: {reading.name(row)} is {file}"
        )
    if missing := reading.account.no_photograph:
        notes.append(
            f"{len(missing)} of {len(table.lines)} rows have no photograph ({first_few(missing)}): left out"
            + what_happened_to(missing)
        )
    if without := reading.labels.without:
        words = first_few([f"{word!r}" if word else "an empty cell" for word in without])
        notes.append(f"{without.total()} rows have no label ({words}): left out")
    ids = [reading.columns[role].name for role in ("image", "label", "lesion", "patient") if role in reading.columns]
    notes += [
        f"the column {name} has dates ({table.dates[name]}): if they were ids or names, a spreadsheet has changed "
        "them; format the column as text and enter them again"
        for name in ids
        if name in table.dates
    ]
    for role in ("lesion", "patient"):
        if role in reading.values:
            notes += _notes_on_ids(reading, role)
    return notes + _notes_on_unused(reading)


def _notes_on_ids(reading: _Reading, role: str) -> list[str]:
    values = [text_of(value) for value in reading.values[role] if text_of(value)]
    name = reading.columns[role].name
    shortened = what_happened_to(values) if any("e+" in value.lower() for value in values[:1000]) else ""
    notes = [f"the column {name} has ids such as {values[0]}{shortened}"] * bool(shortened)
    if role == "patient" and len(values) > 1 and len(set(values)) == len(values):
        notes.append(f"every row has its own {role} ({name}): no two images are kept together by it")
    return notes


def _notes_on_unused(reading: _Reading) -> list[str]:
    unused, notes = reading.account.not_used, []
    if "fold" not in reading.columns:
        for name in named("fold", unused)[:1]:
            values = first_few(sorted(set(reading.table.columns[name])), 4)
            notes.append(f"the column {name} ({values}) is not used: --fold-column {name!r} would take its folds")
    if others := named("label", unused):
        notes.append(
            f"{reading.columns['label'].name} gives the labels; {first_few(others)} might, too (--label-column)"
        )
    used = {column.name for column in reading.columns.values()}
    if not reading.columns["label"].one_hot and (flags := one_hot_columns(reading.table, used)):
        notes.append(
            f"{first_few(flags, 8)} are one class a column and are not used: --label-column {','.join(flags)!r}"
        )
    return notes


def _splits(reading: _Reading) -> FrozenSplits | None:
    """The folds of the column that was asked for; rows without one are not named."""
    if "fold" not in reading.columns:
        return None
    account, path = reading.account, reading.table.path
    images = {record.image: record for record in reading.listing.records}
    placed: dict[str, int] = {}
    for number, row in reading.row_of.items():
        image = str(reading.folder.take(number))
        if image in images and text_of(reading.values["fold"][row]):
            placed[image] = row
    name = reading.columns["fold"].name
    values = [reading.values["fold"][row] for row in placed.values()]
    account.folds = dict(sorted(Counter(values).items()))
    if len(placed) < len(images):
        account.notes.append(f"{len(images) - len(placed)} images have no fold in the column {name}: left out")
    if not placed:
        account.problems.append(
            f"{path} has no fold in its column {name}: wanted one in every row; leave out --fold-column"
        )
        return None
    try:
        sha256 = hashlib.sha256(f"{name} of {file_sha256(path)}".encode()).hexdigest()
        lines = [reading.table.lines[row] for row in placed.values()]
        splits = frozen_splits(path, list(placed), values, lines, sha256)
    except TableError as error:
        account.problems.append(f"{error} (column {name})")
        return None
    if leaks := _leaks(reading.listing.records, placed, reading.values["fold"]):
        account.problems.append(f"{path}, column {name}: {leaks}; correct it, or leave out --fold-column")
    return splits


def _leaks(records: Sequence[Record], placed: Mapping[str, int], folds: Sequence[str]) -> str:
    members: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in join_groups(records):
        if record.image in placed:
            members[record.group].setdefault(folds[placed[record.image]], record)
    leaking = {group: images for group, images in members.items() if len(images) > 1}
    if not leaking:
        return ""
    group, images = next(iter(leaking.items()))
    places = " and ".join(f"{fold!r} ({PurePosixPath(record.image).name})" for fold, record in list(images.items())[:3])
    kind, _, name = group.partition(":")
    more = f", and {len(leaking) - 1} more such groups" if len(leaking) > 1 else ""
    return f"{kind} {name} is in the folds {places}{more}: wanted what belongs together in one fold, for folds leak so"


def _count(reading: _Reading) -> None:
    account, listing, matches = reading.account, reading.listing, reading.matches
    account.photographs = len(reading.folder.index.names)
    account.found = {
        "by path, name or id": matches.exact,
        "by the file's name alone": len(matches.by_name),
        "by its number": len(matches.by_number),
    }
    account.no_row = [
        printable(path.relative_to(reading.folder.folder.absolute()).as_posix()) for path in listing.unnamed
    ]
    account.no_label = dict(reading.labels.without)
    account.lesions = len({record.lesion for record in listing.records if record.lesion})
    account.patients = len({record.patient for record in listing.records if record.patient})
    taxonomy = reading.labels.taxonomy
    if taxonomy is None:
        return
    account.taxonomy, account.referral = taxonomy.name, taxonomy.has_referral
    own: dict[str, list[Record]] = defaultdict(list)
    for record in listing.records:
        own[record.label].append(record)
    for code, spellings in reading.labels.spellings.items():
        account.classes.append(
            ClassFound(
                code,
                taxonomy.by_code[code].name,
                len(own[code]),
                len({record.lesion for record in own[code] if record.lesion}),
                len({record.patient for record in own[code] if record.patient}),
                dict(spellings.most_common()),
            )
        )
