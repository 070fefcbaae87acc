r"""The manifest: one row an image, the table that every later stage reads.

``manifest.csv`` has the columns of :class:`Record`, in its order, UTF-8, ``\\n`` line ends, empty where unknown.
Row ``i`` belongs to image ``i`` of the packed set beside it.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from hierattn.errors import TableError
from hierattn.lesions import BY_CODE

Role = Literal["original", "augmented"]


@dataclass(frozen=True)
class Record:
    """One image of a prepared set.

    Attributes
    ----------
    image
        Path of the image file, relative to the manifest's folder, with forward slashes.
    label
        The paper's code (``lesions.CODES``).
    lesion, patient
        Identifiers as the data set gives them, prefixed with nothing; empty where the set does not say.
    group
        Joins whatever must not cross folds: lesion, patient, near-duplicates.
    fold
        0 ... folds - 1; -1 before folds are made.
    role
        ``original``, or ``augmented`` for a copy, which names its ``parent`` and shares its group and fold.
    parent
        ``image`` of the original that a copy came from; empty for an original.
    source, licence
        The data set's name (``isic2019``, ``ham10000``, ``pad-ufes-20``, ``folder``, ``synthetic``) and its licence.
    age, sex, site, skin_type
        As the set says, sex as ``male`` / ``female``, skin type as Fitzpatrick's ``1`` ... ``6``; empty if unknown.
    width, height
        Pixels of the original file, after its EXIF rotation, before any crop.
    sha256
        Of the original file's bytes.
    """

    image: str
    label: str
    lesion: str = ""
    patient: str = ""
    group: str = ""
    fold: int = -1
    role: Role = "original"
    parent: str = ""
    source: str = ""
    licence: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Record))
_WHOLE = ("fold", "width", "height")


def write_manifest(path: Path, records: Sequence[Record]) -> None:
    """Write ``records`` to ``path``, under a temporary name first, so that a half table never looks whole."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(record, column) for column in COLUMNS] for record in records)
    os.replace(temporary, path)


def read_manifest(path: Path) -> list[Record]:
    """Read a manifest.

    Raises
    ------
    TableError
        Where the file is missing, a column is missing, a number is none, or a label is unknown.
    """
    if not path.is_file():
        raise TableError(f"no manifest at {path}: wanted a folder made by 'hierattn prepare'; run that first")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise TableError(f"{path} lacks the column {', '.join(missing)}; prepare the set again")
        return [_to_record(row, f"{path}:{number}") for number, row in enumerate(reader, start=2)]


def _to_record(row: dict[str, str], where: str) -> Record:
    values: dict[str, str | int] = {column: row[column] or "" for column in COLUMNS}
    for column in _WHOLE:
        try:
            values[column] = int(row[column])
        except (TypeError, ValueError):
            raise TableError(f"{where}: {column} is {row[column]!r}, wanted a whole number") from None
    if values["label"] not in BY_CODE:
        raise TableError(f"{where}: unknown label {values['label']!r}, wanted one of {', '.join(BY_CODE)}")
    return Record(**values)  # type: ignore[arg-type]


def manifest_sha256(path: Path) -> str:
    """The SHA-256 of a manifest's bytes: what ``manifest.sha256`` of a run folder holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
