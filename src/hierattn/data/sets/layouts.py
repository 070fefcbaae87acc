"""The layouts that can be read, side by side, and which of them a folder has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hierattn.data.sets import ham10000, image_folder, isic2019, pad_ufes_20
from hierattn.data.sets.listing import Listing, check_ids
from hierattn.data.source_table import columns_in, find_table
from hierattn.errors import DataError, TableError, UsageError
from hierattn.taxonomy import CODES


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
        ``(source, images) -> Listing``.
    """

    name: str
    looks_for: str
    matches: Callable[[Path, Path], bool]
    read: Callable[[Path, Path | None], Listing]


def _has_any(names: tuple[str, ...]) -> Callable[[Path, Path], bool]:
    return lambda source, _: find_table(source, names) is not None


def _has_pad_table(source: Path, _: Path) -> bool:
    """``metadata.csv`` is a common name: its columns decide."""
    path = find_table(source, [pad_ufes_20.TABLE])
    return path is not None and len(columns_in(path, ["img_id", "diagnostic"])) == 2


def _has_class_folders(_: Path, images: Path) -> bool:
    return image_folder.has_class_folders(images)


_CLASS_FOLDERS = f"one folder of images a class, named {', '.join(CODES)} or in English"

LAYOUTS: tuple[Layout, ...] = (
    Layout("isic2019", isic2019.GROUND_TRUTHS[0], _has_any(isic2019.GROUND_TRUTHS), isic2019.read_isic2019),
    Layout("ham10000", ham10000.TABLES[0], _has_any(ham10000.TABLES), ham10000.read_ham10000),
    Layout("pad-ufes-20", f"{pad_ufes_20.TABLE} with img_id", _has_pad_table, pad_ufes_20.read_pad_ufes_20),
    Layout(
        "folder",
        _CLASS_FOLDERS,
        _has_class_folders,
        image_folder.read_image_folder,
    ),
)
"""In the order in which they are tried."""

LAYOUT_NAMES: tuple[str, ...] = ("auto", *(layout.name for layout in LAYOUTS))


def detect_layout(source: Path, images: Path | None = None) -> Layout:
    """The layout of a folder, recognised by the files in it, or in the folder of its images.

    Raises
    ------
    TableError
        Where the folder has none of the layouts; lists them and the files that were looked for.
    """
    for layout in LAYOUTS:
        if layout.matches(source, images or source):
            return layout
    for inside in sorted(path for path in source.iterdir() if path.is_dir()):
        for layout in LAYOUTS[:-1]:
            if layout.matches(inside, inside):
                raise TableError(f"{source} holds a set in {inside}, in the layout {layout.name}: name that folder")
    wanted = "; ".join(f"{layout.name}: {layout.looks_for}" for layout in LAYOUTS)
    raise TableError(
        f"{source} has no known layout (looked for {wanted}): check the path, or unpack the set; of any other set sort "
        "the photographs, or links to them, into one folder a class, with their lesions and patients in a groups.csv"
    )


def read_source(source: Path, layout: str = "auto", images: Path | None = None) -> tuple[Layout, Listing]:
    """List a source by the layout of that name, or by the one it has.

    Parameters
    ----------
    source
        The data set's folder.
    layout
        A name of :data:`LAYOUT_NAMES`.
    images
        The folder of the images, where it lies elsewhere.

    Raises
    ------
    UsageError
        For an unknown layout, or a folder that is not there.
    DataError
        Where the tables do not fit, or no image is found at all.
    """
    if layout not in LAYOUT_NAMES:
        raise UsageError(f"layout {layout!r}: wanted one of {', '.join(LAYOUT_NAMES)}")
    if images is not None and not images.is_dir():
        raise UsageError(f"no folder {images}: wanted the folder with the images; check --images")
    if not source.is_dir():
        raise UsageError(f"no folder {source}: wanted a data set's folder; check the path")
    named = (candidate for candidate in LAYOUTS if candidate.name == layout)
    reader = next(named, None) or detect_layout(source, images)
    listing = reader.read(source, images)
    check_ids(listing)
    if not listing.records:
        where = images or source
        example = f", for example {listing.dropped[0].image}" if listing.dropped else ""
        raise DataError(
            f"no image of {source} was found below {where}{example}: wanted the images that its table names; "
            "unpack them there, or say where they are with --images"
        )
    return reader, listing
