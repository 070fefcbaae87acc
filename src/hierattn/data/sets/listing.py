"""What a reader hands on: the records its tables name, the images they lie in, and whatever does not fit together.

Nothing here decodes an image: a listing is tables in, records out.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.errors import TableError, UsageError
from hierattn.preprocessing.photograph import SUFFIXES

Row = Mapping[str, str]


@dataclass(frozen=True)
class Dropped:
    """An image that the source names and that cannot be taken, and why, in a few words."""

    image: str
    reason: str


@dataclass
class Listing:
    """One source, listed.

    Attributes
    ----------
    source, licence, citation
        The data set's name, its licence and how to cite it; empty where nobody says.
    records
        One an image, in the table's order. ``image`` is the file's absolute path.
    dropped
        Rows without an image, and rows whose label lies outside the eight classes.
    unnamed
        Image files that no row names.
    notes
        Anything else that a reader should tell, one line each.
    """

    source: str
    licence: str = ""
    citation: str = ""
    records: list[Record] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    unnamed: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
        found = ", ".join(columns)[:120] or "nothing"
        raise TableError(
            f"{path} lacks the column {', '.join(missing)} (found {found}): wanted a comma-separated table"
        )
    if not rows:
        raise TableError(f"{path} has no rows: wanted one an image; download it again")
    return rows


def refuse_repeated(path: Path, ids: Iterable[str]) -> None:
    """Raise ``TableError`` naming the ids that stand in more than one row: which row is right, nobody can know."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise TableError(
            f"{path} names {_some(repeated)} more than once: wanted one row an image; remove the wrong rows"
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


def known(value: str) -> str:
    """The value, or nothing where the table says in one of the usual ways that it is not known."""
    return "" if value.lower() in {"", "na", "n/a", "nan", "none", "null", "unknown", "unk"} else value


def whole(value: str) -> str:
    """A number that a spreadsheet wrote as ``45.0``, as ``45``; anything else as it is."""
    value = known(value)
    return value[:-2] if value.endswith(".0") else value


def sex_of(value: str) -> str:
    """``male``, ``female`` or nothing."""
    value = value.lower()
    return value if value in {"male", "female"} else ""


class ImageFolder:
    """The image files below one folder, found by their name without its ending.

    The public sets are shipped, unpacked and converted in several ways: ``images/x.jpg``, ``part_1/x.png``, a folder
    inside a folder of the same name. The stem is what all of them keep.

    Attributes
    ----------
    folder
        Where it looked.
    repeated
        Stems that several files have; the first in path order is taken.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}: wanted the folder with the images; check the path or --images")
        self.folder = folder
        self.repeated: list[str] = []
        self._by_stem: dict[str, Path] = {}
        self._taken: set[str] = set()
        for path in image_files(folder):
            if path.stem in self._by_stem:
                self.repeated.append(path.stem)
            else:
                self._by_stem[path.stem] = path

    def find(self, *stems: str) -> Path | None:
        """The file of the first of these stems that has one."""
        for stem in stems:
            if stem in self._by_stem:
                self._taken.add(stem)
                return self._by_stem[stem]
        return None

    def unnamed(self) -> list[Path]:
        """The files that nobody asked for."""
        return [path for stem, path in self._by_stem.items() if stem not in self._taken]

    def notes(self) -> list[str]:
        """What to tell about file names."""
        if not self.repeated:
            return []
        count = len(self.repeated)
        return [
            f"{count} more {'files have' if count > 1 else 'file has'} the name of another "
            f"({_some(self.repeated)}); the first was taken"
        ]


def image_files(folder: Path) -> list[Path]:
    """All image files below ``folder``, by their ending, sorted by path; hidden files and folders left out."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                found.append(path)
    return found


def _some(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and how many more."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
