"""Frozen splits: a table that says which fold each image is in, written by every preparation and read from any source.

``splits.csv`` has ``image,group,fold``: the image by its name without folder and ending, so that it fits any copy of
the set, converted or moved. Read are also the tables in which others publish theirs::

    image (or image_id, isic_id, img_id, file, filename, name)      with or without a folder and an ending
    fold (or split, subset, set, partition)                         0, 1, 2 ...  or  train, validation, test

Named parts become three folds: test 0, validation 1, train 2. ``split(records, 0)`` then gives the parts as they were
published. Where no validation part is named, a tenth of train is taken for it, grouped and stratified.

A set that grew since keeps its folds by :func:`extend_splits`: what the file names stays, what is new is added to the
folds that have least of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from hierattn.data.prepared_set.folds import MIN_FOLDS, make_folds
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.source_table import read_rows, refuse_repeated
from hierattn.errors import DataError, TableError, UsageError
from hierattn.files import write_table
from hierattn.preprocessing.photo_files import ENDINGS

COLUMNS = ("image", "group", "fold")
_IMAGE_COLUMNS = ("image", "image_id", "isic_id", "img_id", "file", "filename", "file_name", "name")
_FOLD_COLUMNS = ("fold", "split", "subset", "set", "partition")
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
    fold_of
        Image -> fold; the image by folder and name without ending, and by the name alone where that is one image's.
    folds
        How many.
    lacks_validation
        Whether only ``train`` and ``test`` were named.
    sha256
        Of the file.
    """

    path: Path
    fold_of: Mapping[str, int]
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
    rows = read_rows(path, [])
    image, fold = (_column(path, rows[0], names) for names in (_IMAGE_COLUMNS, _FOLD_COLUMNS))
    keys = [_long_key(row[image]) for row in rows]
    refuse_repeated(path, keys)
    values = [row[fold] for row in rows]
    if all(value.lower() in _PARTS for value in values):
        numbers = [_PARTS[value.lower()] for value in values]
        lacking = 1 not in numbers
        wanted = {0, 2} if lacking else {0, 1, 2}
    else:
        numbers = [_number(value, f"{path}:{line}") for line, value in enumerate(values, start=2)]
        lacking, wanted = False, set(range(max(numbers) + 1))
    if set(numbers) != wanted or len(wanted) < (2 if lacking else MIN_FOLDS):
        raise TableError(
            f"{path} has the folds {', '.join(map(str, sorted(set(numbers))))}: wanted {MIN_FOLDS} or more, numbered "
            "from 0 without a gap, or train, validation and test"
        )
    fold_of = dict(zip(keys, numbers, strict=True))
    stems = Counter(_stem(key) for key in keys)
    fold_of |= {_stem(key): fold for key, fold in fold_of.items() if stems[_stem(key)] == 1}
    return FrozenSplits(path, fold_of, max(numbers) + 1, lacking, hashlib.sha256(path.read_bytes()).hexdigest())


def _long_key(name: str) -> str:
    """Folder and name without ending; the ending is cut only where it is an image's, for ids may have dots."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.suffix.lower() in ENDINGS:
        path = path.with_suffix("")
    return "/".join(path.parts[-2:])


def _stem(key: str) -> str:
    return key.rpartition("/")[2]


def _column(path: Path, row: Mapping[str, str], names: Sequence[str]) -> str:
    columns = [column for column in row if column.lower() in names]
    if not columns:
        raise TableError(
            f"{path} has no column {names[0]} (found {', '.join(row)[:120]}): wanted image and fold; add it"
        )
    return min(columns, key=lambda column: names.index(column.lower()))


def _number(value: str, where: str) -> int:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if number < 0 or number != int(number) or number > 1000:
        raise TableError(
            f"{where}: fold {value!r}: wanted 0, 1, 2 ... in every row, or train, validation, test in every row"
        )
    return int(number)


def split_keys(records: Sequence[Record]) -> list[str]:
    """The name of each record's image in a split file; with its folder where two would have one name."""
    keys = [_long_key(record.image) for record in records]
    count = Counter(_stem(key) for key in keys)
    return [_stem(key) if count[_stem(key)] == 1 else key for key in keys]


def apply_splits(records: Sequence[Record], frozen: FrozenSplits, seed: int) -> list[Record]:
    """Give the records the folds of a split file; every record must be in it (:func:`named_in`).

    Raises
    ------
    DataError
        Where the rest of ``train`` cannot be divided into train and validation.
    """
    folds = [frozen.fold_of[key] for key in _keys_in(records, frozen)]
    placed = [replace(record, fold=fold) for record, fold in zip(records, folds, strict=True)]
    if not frozen.lacks_validation:
        return placed
    training = [record for record in placed if record.fold != 0]
    validation = {record.image for record in make_folds(training, _TENTH, seed) if record.fold == 0}
    return [replace(record, fold=1) if record.image in validation else record for record in placed]


def extend_splits(records: Sequence[Record], frozen: FrozenSplits, seed: int) -> tuple[list[Record], list[Record]]:
    """Keep the folds of a split file and assign what it does not name, each class as evenly as that allows.

    A group that it has in several folds, because something has joined them since, goes to the one that holds most of
    its images (the first of equals).

    Returns
    -------
    tuple[list[Record], list[Record]]
        All records with their folds, and those of them that the file has in another fold.

    Raises
    ------
    UsageError
        Where the file names parts and not folds.
    DataError
        Where a class cannot stand in every fold.
    """
    if frozen.lacks_validation:
        raise UsageError(
            f"{frozen.path} names only train and test: wanted numbered folds to extend; leave out --extend"
        )
    given = [frozen.fold_of.get(key) for key in _keys_in(records, frozen)]
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for record, fold in zip(records, given, strict=True):
        if fold is not None:
            counts[record.group][fold] += 1
    kept = {group: min(count, key=lambda fold: (-count[fold], fold)) for group, count in counts.items()}
    placed = make_folds(records, frozen.folds, seed, kept)
    moved = [record for record, fold in zip(placed, given, strict=True) if fold not in (None, record.fold)]
    return placed, moved


def named_in(records: Sequence[Record], frozen: FrozenSplits) -> list[bool]:
    """Whether the split file names each record.

    Raises
    ------
    DataError
        Where it names none of them: it belongs to another set.
    """
    named = [key in frozen.fold_of for key in _keys_in(records, frozen)]
    if not any(named):
        example = next(iter(frozen.fold_of))
        raise DataError(
            f"{frozen.path} names none of the {len(records)} images, but for example {example!r}: wanted a split of "
            "this set; check the file"
        )
    return named


def _keys_in(records: Sequence[Record], frozen: FrozenSplits) -> list[str]:
    """By folder and name where the file has that, else as it would be written."""
    long_keys = [_long_key(record.image) for record in records]
    return [
        long_key if long_key in frozen.fold_of else key
        for long_key, key in zip(long_keys, split_keys(records), strict=True)
    ]


def write_splits(path: Path, records: Sequence[Record]) -> None:
    """Write ``splits.csv``: originals only, in the order of the records."""
    originals = [record for record in records if record.role == "original"]
    keys = split_keys(originals)
    rows = ((key, record.group, record.fold) for key, record in zip(keys, originals, strict=True))
    write_table(path, COLUMNS, rows)
