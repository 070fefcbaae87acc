"""The layouts that can be read, side by side, and which of them a folder has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hierattn.data.sets import ham10000, image_folder, isic2019, pad_ufes_20
from hierattn.data.sets.listing import Listing, image_files
from hierattn.errors import DataError, TableError, UsageError


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
        Whether a folder has it.
    read
        ``(source, images) -> Listing``.
    """

    name: str
    looks_for: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Path | None], Listing]


def _has_any(names: tuple[str, ...]) -> Callable[[Path], bool]:
    return lambda source: any((source / name).is_file() for name in names)


def _has_pad_table(source: Path) -> bool:
    """``metadata.csv`` is a common name: its columns decide."""
    path = source / pad_ufes_20.TABLE
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
    except (OSError, UnicodeDecodeError):
        return False
    return "img_id" in header and "diagnostic" in header


def _has_images_in_folders(source: Path) -> bool:
    return any(path.parent != source for path in image_files(source))


LAYOUTS: tuple[Layout, ...] = (
    Layout("isic2019", isic2019.GROUND_TRUTHS[0], _has_any(isic2019.GROUND_TRUTHS), isic2019.read_isic2019),
    Layout("ham10000", ham10000.TABLES[0], _has_any(ham10000.TABLES), ham10000.read_ham10000),
    Layout("pad-ufes-20", f"{pad_ufes_20.TABLE} with img_id", _has_pad_table, pad_ufes_20.read_pad_ufes_20),
    Layout("folder", "one folder of images a class", _has_images_in_folders, image_folder.read_image_folder),
)
"""In the order in which they are tried."""

LAYOUT_NAMES: tuple[str, ...] = ("auto", *(layout.name for layout in LAYOUTS))


def detect_layout(source: Path) -> Layout:
    """The layout of a folder, recognised by the files in it.

    Raises
    ------
    UsageError
        Where there is no such folder.
    TableError
        Where the folder has none of the layouts; lists them and the files that were looked for.
    """
    if not source.is_dir():
        raise UsageError(f"no folder {source}: wanted a data set's folder; check the path")
    for layout in LAYOUTS:
        if layout.matches(source):
            return layout
    wanted = "; ".join(f"{layout.name}: {layout.looks_for}" for layout in LAYOUTS)
    raise TableError(f"{source} has no known layout (looked for {wanted}); check the path, or unpack the set")


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
    reader = detect_layout(source)
    if layout != "auto":
        reader = next(candidate for candidate in LAYOUTS if candidate.name == layout)
    listing = reader.read(source, images)
    if not listing.records:
        where = images or source
        example = f", for example {listing.dropped[0].image}" if listing.dropped else ""
        raise DataError(
            f"no image of {source} was found below {where}{example}: wanted the images that its table names; "
            "unpack them there, or say where they are with --images"
        )
    return reader, listing
