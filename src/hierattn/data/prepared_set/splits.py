"""Frozen splits: a table that says which fold each image is in, written by every preparation and read from any source.

``splits.csv`` has ``image,group,fold``, and ``use`` where a source only trains or only tests. It names an image without
folder and ending where that is one image's, so that it fits any copy of the set, converted or moved. Read are also the
tables in which others publish theirs::

    image (or image_id, isic_id, img_id, file, filename, name)      with or without a folder and an ending
    fold (or split, subset, set, partition)       0, 1, 2 ...  or 1, 2 ...  (fold 1 ...)  or  train, validation, test

Named parts become three folds: test 0, validation 1, train 2. ``split(records, 0)`` then gives the parts as they were
published. Where no validation part is named, a tenth of train is taken for it, grouped and stratified.

A set that grew since keeps its folds by :func:`extend_splits`: what the file names stays where it is, what is new is
added to the folds that have least of it. An image never changes its fold: the weights of its new fold were trained on
it, and would be tested on it. So a new photograph that belongs to images in two folds has no honest place
(:func:`across_folds`).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from hierattn.data.column_names import NAMES
from hierattn.data.image_ids import ImageIndex, join, shortest_names
from hierattn.data.prepared_set.folds import MIN_FOLDS, make_folds
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.source_table import read_rows
from hierattn.errors import DataError, LeakError, TableError, UsageError
from hierattn.files import write_table

COLUMNS = ("image", "group", "fold")
_PARTS = {
    **dict.fromkeys(("test", "testing"), 0),
    **dict.fromkeys(("validation", "val", "valid", "dev"), 1),
    **dict.fromkeys(("train", "training"), 2),
}
_TENTH = 10


@dataclass(frozen=True)
class FrozenSplits:
    """A split file, read.

    Attributes
    ----------
    path
        Where it was read.
    names, fold_of
        What each row calls its image (image_ids.py), and its fold.
    folds
        How many.
    lacks_validation
        Whether only ``train`` and ``test`` were named.
    sha256
        Of the file.
    """

    path: Path
    names: tuple[str, ...]
    fold_of: tuple[int, ...]
    folds: int
    lacks_validation: bool
    sha256: str


def read_splits(path: Path) -> FrozenSplits:
    """Read a split file.

    Raises
    ------
    TableError
        Where it is missing, lacks a column, names an image twice, or a fold is neither a number nor a known part.
    """
    rows = read_rows(path, [], [*NAMES["image"], *NAMES["fold"]])
    image, fold = (_column(path, rows[0], NAMES[role]) for role in ("image", "fold"))
    names = [row[image] for row in rows]
    _ = join(path, names, ImageIndex(dict.fromkeys(names)))  # raises where it names an image twice
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return frozen_splits(path, names, [row[fold] for row in rows], range(2, len(rows) + 2), sha256)


def frozen_splits(
    path: Path, names: Sequence[str], values: Sequence[str], lines: Sequence[int], sha256: str
) -> FrozenSplits:
    """A split from what a table calls its images and folds; ``lines`` are where its rows stand.

    Folds numbered from 1 are numbered from 0 here.

    Raises
    ------
    TableError
        Where a fold is neither a number nor a known part, or the numbers have a gap.
    """
    if all(value.lower() in _PARTS for value in values):
        numbers = [_PARTS[value.lower()] for value in values]
        lacking = 1 not in numbers
        wanted = {0, 2} if lacking else {0, 1, 2}
    else:
        numbers = [_number(value, f"{path}:{line}") for line, value in zip(lines, values, strict=True)]
        numbers = [number - min(min(numbers), 1) for number in numbers]
        lacking, wanted = False, set(range(max(numbers) + 1))
    if set(numbers) != wanted or len(wanted) < (2 if lacking else MIN_FOLDS):
        raise TableError(
            f"{path} has the folds {', '.join(sorted(set(values)))[:120]}: wanted {MIN_FOLDS} or more, numbered from 0 "
            "or 1 without a gap, or train, validation and test"
        )
    return FrozenSplits(path, tuple(names), tuple(numbers), max(numbers) + 1, lacking, sha256)


def _column(path: Path, row: Mapping[str, str], names: Sequence[str]) -> str:
    column = next((name for name in names if name in row), "")
    if not column:
        raise TableError(
            f"{path} has no column {names[0]} (found {', '.join(row)[:120]}): wanted image and fold; add it"
        )
    return column


def _number(value: str, where: str) -> int:
    bare = re.sub(r"(?:fold|split|part|k)[\s_-]*(?=\d)", "", value.strip().lower())
    try:
        number = float(bare)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1000 or number != int(number):
        raise TableError(
            f"{where}: fold {value!r}: wanted 0, 1, 2 ... in every row, or train, validation, test in every row"
        )
    return int(number)


def apply_splits(records: Sequence[Record], frozen: FrozenSplits, seed: int) -> list[Record]:
    """Give the records the folds of a split file; every record must be in it (:func:`folds_in`).

    Raises
    ------
    DataError
        Where the rest of ``train`` cannot be divided into train and validation.
    """
    folds = folds_in(records, frozen)
    placed = [replace(record, fold=-1 if fold is None else fold) for record, fold in zip(records, folds, strict=True)]
    if not frozen.lacks_validation:
        return placed
    training = [record for record in placed if record.fold != 0]
    validation = {record.image for record in make_folds(training, _TENTH, seed) if record.fold == 0}
    return [replace(record, fold=1) if record.image in validation else record for record in placed]


def extend_splits(records: Sequence[Record], frozen: FrozenSplits, seed: int) -> list[Record]:
    """Keep the folds of a split file and assign what it does not name, each class as evenly as that allows.

    Raises
    ------
    UsageError
        Where the file names parts and not folds.
    LeakError
        Where images that belong together stand in several of its folds.
    DataError
        Where a class cannot stand in every fold.
    """
    refuse_parts(frozen)
    if across_folds(records, frozen):
        raise LeakError(f"{frozen.path} puts what belongs together into several folds: make new ones")
    given = folds_in(records, frozen)
    kept = {record.group: fold for record, fold in zip(records, given, strict=True) if fold is not None}
    return make_folds(records, frozen.folds, seed, kept)


def refuse_parts(frozen: FrozenSplits) -> None:
    """Raise a :class:`UsageError` for a split that has no folds to extend."""
    if frozen.lacks_validation:
        raise UsageError(
            f"{frozen.path} names only train and test: wanted numbered folds to extend; leave out --extend"
        )


def across_folds(records: Sequence[Record], frozen: FrozenSplits) -> list[Record]:
    """New images that belong to images in several folds of a split file; they must be left out to extend it.

    Raises
    ------
    LeakError
        Where such a group has no new image: nothing that could be left out would part it.
    """
    given = folds_in(records, frozen)
    members: dict[str, list[tuple[Record, int | None]]] = defaultdict(list)
    for record, fold in zip(records, given, strict=True):
        members[record.group].append((record, fold))
    new = []
    for group in members.values():
        images = {fold: record.image for record, fold in group if fold is not None}
        if len(images) < 2:
            continue
        joining = [record for record, fold in group if fold is None]
        if not joining:
            places = ", ".join(f"{PurePosixPath(image).name} in fold {fold}" for fold, image in sorted(images.items()))
            raise LeakError(
                f"{places} of {frozen.path} belong together now (lesion, patient or looks): wanted them in one fold, "
                "but an image must not change its fold; take all but one of them out of SOURCE, or leave out --extend"
            )
        new += joining
    return new


def folds_in(records: Sequence[Record], frozen: FrozenSplits) -> list[int | None]:
    """The fold that the split file gives each record; None where it does not name it.

    Raises
    ------
    DataError
        Where it names none of them: it belongs to another set.
    TableError
        Where a name of its may be several images.
    """
    joined = join(frozen.path, frozen.names, ImageIndex(record.image for record in records), anywhere=True)
    if not joined.row_of:
        raise DataError(
            f"{frozen.path} names none of the {len(records)} images, but for example {frozen.names[0]!r}: wanted a "
            "split of this set; check the file"
        )
    rows = (joined.row_of.get(number) for number in range(len(records)))
    return [None if row is None else frozen.fold_of[row] for row in rows]


def write_splits(path: Path, records: Sequence[Record]) -> None:
    """Write ``splits.csv``: originals only, in the order of the records."""
    originals = [record for record in records if record.role == "original"]
    keys = shortest_names([record.image for record in originals])
    used = any(record.use for record in originals)
    rows = (
        (key, record.group, record.fold, *([record.use] * used)) for key, record in zip(keys, originals, strict=True)
    )
    write_table(path, (*COLUMNS, *(["use"] * used)), rows)
