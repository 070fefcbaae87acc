"""The layouts that can be read, side by side, and which of them a folder has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hierattn.data.sets import image_folder
from hierattn.data.sets.listing import Listing, check_ids, use_taxonomy
from hierattn.data.sets.readers import (
    bcn20000,
    ddi,
    derm7pt,
    fitzpatrick17k,
    ham10000,
    isic2018,
    isic2019,
    isic2020,
    isic2024,
    isic_archive,
    milk10k,
    pad_ufes_20,
    ph2,
    scin,
)
from hierattn.data.sets.table_rows import NO_FILE, Reader
from hierattn.data.source_table import columns_in, find_table, first_few, header_of
from hierattn.errors import DataError, TableError, UsageError
from hierattn.preprocessing.photo_files import is_hidden
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.from_labels import Own
from hierattn.taxonomy.records import Taxonomy


@dataclass(frozen=True)
class Layout:
    """One layout on disk.

    Attributes
    ----------
    name
        What ``--layout`` calls it.
    looks_for
        The files that it is recognised by, in words.
    matches
        ``(source, folder of the images) -> whether they have it``.
    read
        ``(source, images, label column or nothing) -> Listing``.
    labels
        The columns that labels may be taken from, the first where none is asked for; none: there is no choice.
    rank
        0: recognised by files that no other set has. 1: also what lies beside another set, as its test part may; taken
        where there is no set of rank 0. 2: taken where there is none at all.
    """

    name: str
    looks_for: str
    matches: Callable[[Path, Path], bool]
    read: Reader
    labels: tuple[str, ...] = ()
    rank: int = 0


def _has(*names: str) -> Callable[[Path, Path], bool]:
    return lambda source, _: find_table(source, names) is not None


def _has_table(name: str, columns: Sequence[str]) -> Callable[[Path, Path], bool]:
    """For a common name: its columns decide."""

    def matches(source: Path, _: Path) -> bool:
        path = find_table(source, [name])
        return path is not None and columns_in(path, columns) == set(columns)

    return matches


def _any(*rules: Callable[[Path, Path], bool]) -> Callable[[Path, Path], bool]:
    return lambda source, images: any(rule(source, images) for rule in rules)


def _read_folder(source: Path, images: Path | None, _: str) -> Listing:
    return image_folder.read_image_folder(source, images)


def _has_class_folders(_: Path, images: Path) -> bool:
    return image_folder.has_class_folders(images)


_CLASS_FOLDERS = f"one folder of images a class, named {', '.join(EIGHT.codes)}, in English, or by your own classes"

LAYOUTS: tuple[Layout, ...] = (
    Layout("isic2018", isic2018.truths("Training")[0], _has(*isic2018.truths("Training")), isic2018.read_isic2018),
    Layout("isic2019", isic2019.TRUTHS["Training"], _has(isic2019.TRUTHS["Training"]), isic2019.read_isic2019),
    Layout(
        "isic2020",
        isic2020.TRUTHS[0],
        _any(_has(*isic2020.TRUTHS[:2]), _has_table(isic2020.TRUTHS[2], isic2020.COLUMNS)),
        isic2020.read_isic2020,
        isic2020.LABELS,
    ),
    Layout(
        "isic2024",
        f"{isic2024.TRUTHS[0]}, or Kaggle's {isic2024.KAGGLE}",
        _any(_has(*isic2024.TRUTHS), _has_table(isic2024.KAGGLE, isic2024.COLUMNS)),
        isic2024.read_isic2024,
        isic2024.LABELS,
    ),
    Layout("ham10000", ham10000.TABLES[0], _has(*ham10000.TABLES), ham10000.read_ham10000),
    Layout("bcn20000", bcn20000.TABLE.format("train"), _has(bcn20000.TABLE.format("train")), bcn20000.read_bcn20000),
    Layout("milk10k", milk10k.TRUTH, _has(milk10k.TRUTH), milk10k.read_milk10k, milk10k.LABELS),
    Layout(
        "pad-ufes-20",
        f"{pad_ufes_20.TABLE} with img_id",
        _has_table(pad_ufes_20.TABLE, ["img_id", "diagnostic"]),
        pad_ufes_20.read_pad_ufes_20,
    ),
    Layout(
        "derm7pt",
        f"{derm7pt.TABLES[0]} with derm and clinic",
        _any(*(_has_table(name, derm7pt.COLUMNS) for name in derm7pt.TABLES)),
        derm7pt.read_derm7pt,
        derm7pt.LABELS,
    ),
    Layout("ph2", ph2.TABLE, _has(ph2.TABLE, ph2.WORKBOOK), ph2.read_ph2),
    Layout(
        "fitzpatrick17k",
        fitzpatrick17k.TABLE,
        _has(fitzpatrick17k.TABLE),
        fitzpatrick17k.read_fitzpatrick17k,
        fitzpatrick17k.LABELS,
    ),
    Layout("ddi", ddi.TABLE, _has(ddi.TABLE), ddi.read_ddi, ddi.LABELS),
    Layout("scin", scin.CASES[0], _has(*scin.CASES), scin.read_scin),
    Layout(
        "isic-archive",
        "metadata.csv of isic-cli, with isic_id and diagnosis_1",
        lambda source, _: bool(isic_archive.tables_in(source)),
        isic_archive.read_isic_archive,
        isic_archive.LABELS,
        rank=1,
    ),
    Layout(
        "isic2018-validation",
        isic2018.truths("Validation")[0],
        _has(*isic2018.truths("Validation")),
        partial(isic2018.read_isic2018, part="Validation"),
        rank=1,
    ),
    Layout(
        "isic2018-test",
        isic2018.truths("Test")[0],
        _has(*isic2018.truths("Test")),
        partial(isic2018.read_isic2018, part="Test"),
        rank=1,
    ),
    Layout(
        "isic2019-test",
        isic2019.TRUTHS["Test"],
        _has(isic2019.TRUTHS["Test"]),
        partial(isic2019.read_isic2019, part="Test"),
        rank=1,
    ),
    Layout(
        "bcn20000-test",
        bcn20000.TABLE.format("test"),
        _has(bcn20000.TABLE.format("test")),
        partial(bcn20000.read_bcn20000, part="test"),
        rank=1,
    ),
    Layout("folder", _CLASS_FOLDERS, _has_class_folders, _read_folder, rank=2),
)
"""Side by side; which of them a folder has does not depend on their order."""

LAYOUT_NAMES: tuple[str, ...] = ("auto", *(layout.name for layout in LAYOUTS))


def detect_layout(source: Path, images: Path | None = None) -> Layout:
    """The layout of a folder, recognised by the files in it, or in the folder of its images.

    Raises
    ------
    TableError
        Where the folder has none of the layouts, or several; says which, and what was seen.
    """
    fitting = _fitting(source, images or source)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(f"{layout.name} ({layout.looks_for})" for layout in fitting)
        raise TableError(
            f"{source} has the files of several sets, {names}: name one by --layout, or keep each set in a folder of "
            "its own"
        )
    for inside in sorted(path for path in source.iterdir() if path.is_dir()):
        if (found := _fitting(inside, inside)) and found[0].rank < _LAST:
            raise TableError(f"{source} holds a set in {inside}, in the layout {found[0].name}: name that folder")
    wanted = "; ".join(f"{layout.name}: {layout.looks_for}" for layout in LAYOUTS if not layout.rank % _LAST)
    raise TableError(
        f"{source} has no known layout ({_seen(source)}; looked for {wanted}): check the path, or unpack the set; of "
        "any other set name the table with --table, or sort the photographs, or links to them, into one folder a "
        "class, with their lesions and patients in a groups.csv"
    )


_LAST = 2


def _fitting(source: Path, images: Path) -> list[Layout]:
    """The layouts of the lowest rank that a folder has."""
    for rank in range(_LAST + 1):
        if found := [layout for layout in LAYOUTS if layout.rank == rank and layout.matches(source, images)]:
            return found
    return []


_SHOWN = 3
_TABLES = (".csv", ".tsv", ".tab")


def _seen(source: Path) -> str:
    """What a folder holds, in words: its tables with their columns, its folders, and how many files more."""
    entries = sorted(path for path in source.iterdir() if not is_hidden(path.name))
    folders = [path for path in entries if path.is_dir()]
    tables = [path for path in entries if path.suffix.lower() in _TABLES and path.is_file()]
    others = len(entries) - len(folders) - len(tables)
    inside = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in _TABLES]
    shown = [*tables, *inside][:_SHOWN]
    parts = [f"{path.relative_to(source).as_posix()} with {_columns(path)}" for path in shown]
    if more := len(tables) + len(inside) - len(shown):
        parts.append(f"{more} {'tables' if more > 1 else 'table'} more")
    if folders:
        parts.append(f"the folder{'s' if len(folders) > 1 else ''} {first_few([path.name for path in folders])}")
    if others:
        parts.append(f"{others} {'files' if others > 1 else 'file'}{' more' if parts else ''}")
    return f"saw {', '.join(parts)}" if parts else "it is empty"


def _columns(path: Path) -> str:
    named = ", ".join(filter(None, header_of(path)))
    return named[:80] or "no columns that can be read"


def read_source(
    source: Path, layout: str = "auto", images: Path | None = None, taxonomy: Taxonomy | Own | None = None
) -> tuple[Layout, Listing]:
    """List a source by the layout of that name, or by the one it has.

    Parameters
    ----------
    source
        The data set's folder.
    layout
        A name of :data:`LAYOUT_NAMES`; as ``NAME:COLUMN`` with another of the layout's ``labels`` than the first.
    images
        The folder of the images, where it lies elsewhere.
    taxonomy
        The classes to label with. None: those of the layout, or what the names of class folders say; ``own``: those of
        the layout, or a class a folder.

    Raises
    ------
    UsageError
        For an unknown layout or label column, or a folder that is not there.
    DataError
        Where the tables do not fit, or no image is found at all.
    """
    name, colon, label_column = layout.partition(":")
    if name not in LAYOUT_NAMES or (colon and not label_column):
        raise UsageError(f"layout {layout!r}: wanted one of {', '.join(LAYOUT_NAMES)}, or NAME:COLUMN for its labels")
    if images is not None and not images.is_dir():
        raise UsageError(f"no folder {images}: wanted the folder with the images; check --images")
    if not source.is_dir():
        raise UsageError(f"no folder {source}: wanted a data set's folder; check the path")
    named = (candidate for candidate in LAYOUTS if candidate.name == name)
    reader = next(named, None) or detect_layout(source, images)
    if label_column and label_column not in reader.labels:
        choice = f"has {', '.join(reader.labels)}" if reader.labels else "has no choice of labels"
        raise UsageError(f"label column {label_column!r}: the layout {reader.name} {choice}")
    if reader.read is _read_folder:
        listing = image_folder.read_image_folder(source, images, taxonomy)
    else:
        listing = reader.read(source, images, label_column)
    if isinstance(taxonomy, Taxonomy):
        use_taxonomy(listing, taxonomy)
    if label_column:
        listing.notes.append(f"labels are those of {label_column}")
    listing.notes += _other_parts(source, images or source, reader)
    check_ids(listing)
    if not listing.records:
        where = images or source
        if others := [row for row in listing.dropped if row.reason != NO_FILE]:
            raise DataError(
                f"no image of {source} can be taken, for example {others[0].image}: {others[0].reason}; wanted "
                "labelled photographs"
            )
        example = f", for example {listing.dropped[0].image}" if listing.dropped else ""
        raise DataError(
            f"no image of {source} was found below {where}{example}: wanted the images that its table names; "
            "unpack them there, or say where they are with --images"
        )
    return reader, listing


def _other_parts(source: Path, images: Path, read: Layout) -> list[str]:
    """What to say of a set's other parts that lie in the same folder."""
    others = [
        layout for layout in LAYOUTS if layout.rank == 1 and layout is not read and layout.matches(source, images)
    ]
    return [f"{layout.looks_for} is there and not read: name it by --layout {layout.name}" for layout in others]
