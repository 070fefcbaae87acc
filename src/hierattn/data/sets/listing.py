"""What the reader of a layout returns: records, the images that they name, and whatever does not fit together.

Nothing here decodes an image: a listing is tables in, records out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.source_table import first_few
from hierattn.errors import UsageError
from hierattn.preprocessing.photo_files import find_files, is_photograph


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
        The data set's name, its licence and how to cite it; empty where unknown.
    records
        One an image, in the table's order. ``image`` is the file's absolute path.
    dropped
        Rows without an image, and rows whose label lies outside the eight classes.
    unnamed
        Image files that no row names.
    notes
        Anything else to report, one line each.
    """

    source: str
    licence: str = ""
    citation: str = ""
    records: list[Record] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    unnamed: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
        """The files that :meth:`find` never returned."""
        return [path for stem, path in self._by_stem.items() if stem not in self._taken]

    def notes(self) -> list[str]:
        """What to report about file names."""
        if not self.repeated:
            return []
        count = len(self.repeated)
        return [
            f"{count} more {'files have' if count > 1 else 'file has'} the name of another "
            f"({first_few(self.repeated)}); the first was taken"
        ]


def image_files(folder: Path) -> list[Path]:
    """All photographs below ``folder``, readable or not, in the order of the account (photo_files.py)."""
    return [
        folder / found.name
        for found in find_files(folder)
        if not found.read_as and (found.problem or is_photograph(folder / found.name))
    ]
