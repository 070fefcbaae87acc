"""Your own images, one folder a class -> records.

::

    MEL/  nevus/  or your own   the class folder is the one an image lies in; it may lie deeper (clinic_1/MEL/x.jpg)
    groups.csv                  optional: image, lesion, patient (image: path below the source, or the file's name)
                                one for all folders, beside them

Without ``groups.csv`` every image counts as its own lesion. Two photographs of one lesion may then stand on both
sides of a split, and the score will be better than the truth: write the table where you can.

A file that by its name is the mask of a photograph beside it (``x_segmentation.png``, ``masks/MEL/x.png``) is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from hierattn.data.column_names import NAMES
from hierattn.data.image_ids import ImageId, ImageIndex, join
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.listing import Dropped, ImageFolder, Listing
from hierattn.data.source_table import Row, columns_in, find_table, first_few, number_of, read_rows, text_of
from hierattn.errors import TableError, TaxonomyError
from hierattn.preprocessing.photo_files import printable
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT
from hierattn.taxonomy.from_labels import OWN, Own, from_labels, own_classes
from hierattn.taxonomy.records import Taxonomy

GROUPS = "groups.csv"
_COLUMNS = {role: NAMES[role] for role in ("image", "lesion", "patient")}
_TABLES = frozenset({".csv", ".tsv", ".tab", ".txt"})
_TOLD = 5
_SHOWN = 12
_MASK = r"(?:segmentations?|segmented|segm?|masks?|superpixels?|ground[ _-]?truths?|gt|annotations?|contours?)"
_MASK_NAME = re.compile(rf"(?:{_MASK}[ _.-]+)?(.*?)(?:[ _.-]*{_MASK}[ _.-]?\d*)?", re.IGNORECASE)
_MASK_FOLDER = re.compile(rf"(?:.*[ _.-])?{_MASK}(?:[ _.-].*)?", re.IGNORECASE)


_PART = re.compile(
    r"(?:.*[ _.-])?(?:train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?|images?|imgs?|photos|pictures|input|part)"
    r"(?:[ _.-]*\d+)*|",
    re.IGNORECASE,
)
"""Folders that are no classes, whatever lies in them: parts of a set, such as ``train`` and ``images_part_1``."""


def has_class_folders(folder: Path) -> bool:
    """Whether photographs lie in a folder that has a class's name, or in two or more folders that may be classes."""
    images = ImageFolder(folder)
    folders = {PurePosixPath(name).parent.name for name in images.index.names}
    return any(map(EIGHT.code_of, folders)) or (len(folders) > 1 and not any(map(_PART.fullmatch, folders)))


def read_image_folder(source: Path, images: Path | None = None, taxonomy: Taxonomy | Own | None = None) -> Listing:
    """List a folder of class folders.

    Parameters
    ----------
    source
        The folder that holds the class folders, and ``groups.csv`` where there is one.
    images
        Where the class folders lie if not in ``source``; ``groups.csv`` may lie there as well.
    taxonomy
        The classes; None: those that the folders' names say (from_labels.py); ``own``: a class a folder.

    Raises
    ------
    TableError
        Where an image lies in no class folder, or ``groups.csv`` names no image, an image twice, or one that may be
        several.
    DataError
        Where two different files have one name without its ending.
    """
    folder = ImageFolder.of(source, images)
    listing = Listing("folder")
    names, masks = [], []
    for number in folder.one_a_path():
        name = folder.index.names[number]
        if _is_mask(number, folder.index):
            listing.dropped.append(Dropped(str(folder.path_of(name)), "by its name the mask of another image"))
            masks.append(name)
        else:
            names.append(name)
    folder.finish(listing)
    listing.taxonomy = (
        taxonomy if isinstance(taxonomy, Taxonomy) else _classes_of(names, folder.folder, listing, own=taxonomy == OWN)
    )
    for name in names:
        own, label = PurePosixPath(name).parent.name, _label(name, folder.folder, listing.taxonomy)
        listing.records.append(Record(str(folder.path_of(name)), label, source=listing.source, own_label=own))
    tables = _tables(source, folder)
    table = _find_groups(source, folder.folder, tables)
    if table is not None:
        _add_groups(table, names, ImageIndex(masks), listing)
    listing.notes += _unread_tables(source, tables, table)
    listing.advice = f"; name them in {GROUPS} (image,lesion,patient) for honest folds"
    return listing


def _tables(source: Path, folder: ImageFolder) -> list[Path]:
    """Files that may say which photographs belong together."""
    beside = [] if source.samefile(folder.folder) else sorted(path for path in source.iterdir() if path.is_file())
    files = [*beside, *(folder.folder / name for name in folder.others)]
    return [path for path in files if path.suffix.lower() in _TABLES or _names_groups(path)]


def _names_groups(path: Path) -> bool:
    return path.name.lower().startswith("groups.")


def _is_mask(number: int, images: ImageIndex) -> bool:
    """Whether a file is the mask of a photograph that is there, by both their names."""
    one = images.ids[number]
    match = _MASK_NAME.fullmatch(one.stem)
    stem = match[1] if match and match[1] else one.stem
    if stem == one.stem and not _in_mask_folder(one):
        return False
    return any(other != number and not _in_mask_folder(images.ids[other]) for other in images.same_stem(stem))


def _in_mask_folder(one: ImageId) -> bool:
    return any(_MASK_FOLDER.fullmatch(folder) for folder in one.folders)


def _classes_of(names: Sequence[str], root: Path, listing: Listing, *, own: bool) -> Taxonomy:
    """The taxonomy that the class folders' names say; a note of what was understood where it is not the eight."""
    folders = {PurePosixPath(name).parent.name: name for name in names}
    known = [folder for folder in folders if EIGHT.code_of(folder)]
    if odd := [folder for folder in folders if _PART.fullmatch(folder)]:
        raise _no_class(odd[0], root / folders[odd[0]], EIGHT if known or len(folders) < 2 else None)
    if len(known) == len(folders) and not own:
        return EIGHT
    try:
        taxonomy = (own_classes if own else from_labels)(folders, root.resolve().name or "own")
    except TaxonomyError as error:
        raise TableError(f"{printable(str(root))}, one folder a class: {error}") from None
    listing.guessed = taxonomy.name not in BUILT_IN or taxonomy is not BUILT_IN[taxonomy.name]
    return taxonomy


def _label(name: str, root: Path, taxonomy: Taxonomy) -> str:
    folder = PurePosixPath(name).parent.name
    label = taxonomy.code_of(folder)
    if label is None:
        raise _no_class(folder, root / name, taxonomy)
    return label


def _no_class(folder: str, path: Path, taxonomy: Taxonomy | None) -> TableError:
    """For a photograph whose folder is no class; with the names that a taxonomy has."""
    where = f"in the folder {folder!r}" if folder else "in no class folder"
    accepted = "" if taxonomy is None else f", named {_accepted(taxonomy)}"
    return TableError(
        f"{printable(str(path))} lies {where}: wanted one folder a class{accepted}; rename it, or move it elsewhere"
    )


def _accepted(taxonomy: Taxonomy) -> str:
    shown = [
        each.code if each.name == each.code else f"{each.code} ({each.name})" for each in taxonomy.classes[:_SHOWN]
    ]
    return ", ".join(shown) + (f" and {len(taxonomy.classes) - _SHOWN} more" if len(taxonomy.classes) > _SHOWN else "")


def _find_groups(source: Path, root: Path, others: Sequence[Path]) -> Path | None:
    folders = dict.fromkeys([source.resolve(), root.resolve()])
    tables = [table for folder in folders if (table := find_table(folder, [GROUPS]))]
    if len(tables) > 1:
        raise TableError(f"{tables[0]} and {tables[1]} are both there: wanted one; remove the wrong one")
    if tables:
        return tables[0]
    beside = (path for folder in folders for path in sorted(folder.iterdir()))
    for path in filter(_names_groups, [*beside, *others]):
        raise TableError(
            f"{path} is not read: wanted one {GROUPS} for all photographs; save it as 'CSV UTF-8' to {source / GROUPS}"
        )
    return None


def _unread_tables(source: Path, tables: Sequence[Path], read: Path | None) -> list[str]:
    """What to say of tables that would keep photographs together, if they had the right name or place."""
    columns = (*_COLUMNS["lesion"], *_COLUMNS["patient"])
    names = [
        os.path.relpath(path, source)
        for path in tables
        if (read is None or (_names_groups(path) and not path.samefile(read))) and columns_in(path, columns)
    ]
    return [
        f"{name} has a column of lesions or patients and is not read: save what is to be read as {GROUPS}"
        for name in names[:_TOLD]
    ] + [f"{len(names) - _TOLD} more tables have such a column and are not read"] * (len(names) > _TOLD)


def _add_groups(table: Path, names: Sequence[str], masks: ImageIndex, listing: Listing) -> None:
    """Give the records the lesions and patients of ``groups.csv``."""
    rows = read_rows(table, [], [column for columns in _COLUMNS.values() for column in columns])
    image, lesion, patient = (
        max((column for column in columns if column in rows[0]), key=partial(_is_filled, rows), default="")
        for columns in _COLUMNS.values()
    )
    if not image or not (lesion or patient):
        raise TableError(
            f"{table} has the columns {', '.join(rows[0])[:120]}: wanted image, and lesion or patient or both; add them"
        )
    joined = join(table, [row[image] for row in rows], ImageIndex(names))
    if not joined.row_of:
        raise TableError(
            f"{table} names none of the {len(names)} images, but for example {rows[0][image]!r}: wanted paths like "
            f"{names[0]!r}; correct them, for without them photographs of one patient come into several folds"
        )
    for number, row in joined.row_of.items():
        listing.records[number] = replace(
            listing.records[number],
            lesion=number_of(rows[row].get(lesion, "")),
            patient=number_of(rows[row].get(patient, "")),
        )
    unmatched = list(dict.fromkeys(rows[row][image] for row in joined.unmatched))
    unmatched = [name for name in unmatched if not masks.find(name)]
    if unmatched:
        listing.dropped += [Dropped(name, f"no image file, named by {GROUPS}") for name in unmatched]
        listing.notes.append(
            f"{len(unmatched)} of {len(rows)} rows of {GROUPS} name no image ({first_few(unmatched)}), and "
            f"{len(names) - len(joined.row_of)} of {len(names)} images have no row: correct it, or folds may leak"
        )


def _is_filled(rows: Sequence[Row], column: str) -> bool:
    return any(text_of(row[column]) for row in rows)
