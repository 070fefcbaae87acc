"""What the reader of a layout returns: records, the images that they name, and whatever does not fit together.

Nothing here decodes an image: a listing is tables in, records out.
"""

from __future__ import annotations

import filecmp
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hierattn.data.image_ids import ImageIndex
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import is_prepared
from hierattn.data.prepared_set.splits import FrozenSplits
from hierattn.data.source_table import first_few
from hierattn.errors import DataError, UsageError
from hierattn.preprocessing.photo_files import ENDINGS, find_files, is_photograph, other_files
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.mapping import mapping
from hierattn.taxonomy.records import Taxonomy

_SUSPICIOUS_SHARE, _SUSPICIOUS_IMAGES = 0.2, 20


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
        Rows without an image, rows whose label lies outside the classes, and files that are no photograph of
        their own.
    unnamed
        Image files that no row names.
    notes
        Anything else to report, one line each.
    advice
        What to do about images of which neither lesion nor patient is known.
    domain
        Of ``manifest.Domain``, where it is one for all photographs; a record's own goes before it.
    collection
        Whose image, lesion and patient ids they are, where other sets have the same: ISIC's archive, for instance.
        Empty: the set's own.
    splits
        The folds that the set's own table gives, where they were asked for.
    taxonomy
        The classes that the records' labels are of.
    guessed
        Whether the classes were taken from the labels alone: then nothing is known of them.
    """

    source: str
    licence: str = ""
    citation: str = ""
    records: list[Record] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    unnamed: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    advice: str = ""
    domain: str = "unknown"
    collection: str = ""
    splits: FrozenSplits | None = None
    taxonomy: Taxonomy = EIGHT
    guessed: bool = False


class ImageFolder:
    """The photographs below one folder, readable or not, found by what tables call them.

    The public sets are shipped, unpacked and converted in several ways: ``images/x.jpg``, ``part_1/x.png``, a folder
    inside a folder of the same name. The name without its ending is what all of them keep.

    Attributes
    ----------
    folder
        Where it looked.
    index
        The photographs, by their paths below it.
    others
        The paths below it of files that are no photographs.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}: wanted the folder with the images; check the path or --images")
        self.folder = folder
        self._dropped: list[Dropped] = []
        self._notes: list[str] = []
        self._taken: set[int] = set()
        self._at_odds: list[tuple[str, ...]] = []
        self.others: list[str] = []
        self.index = ImageIndex(self._photographs())

    @classmethod
    def of(cls, source: Path, images: Path | None, *own: str) -> ImageFolder:
        """The folder that a user names, ``images``; else the first of ``own`` that the source has; else the source."""
        return cls(images or next((place for name in own if (place := source / name).is_dir()), source))

    def _photographs(self) -> list[str]:
        photographs: list[str] = []
        made: dict[str, bool] = {"": False}
        for found in find_files(self.folder):
            if self._is_made(found.name.rpartition("/")[0], made):
                continue
            if found.read_as:
                self._notes.append(f"{found.name} is {found.problem}: not read again")
            elif Path(found.name).suffix.lower() in ENDINGS:
                photographs.append(found.name)
            elif found.problem:
                self._dropped.append(Dropped(str(self.path_of(found.name)), found.problem))
            else:
                (photographs if is_photograph(self.folder / found.name) else self.others).append(found.name)
        if others := other_files(self.others):
            files = "files are" if len(others) > 1 else "file is"
            self._notes.append(f"{len(others)} {files} no photograph and not read: {first_few(others)}")
        return photographs

    def _is_made(self, below: str, made: dict[str, bool]) -> bool:
        """Whether a folder is a prepared set, or in one: what was made from photographs is no source of them."""
        if below not in made:
            made[below] = self._is_made(below.rpartition("/")[0], made)
            if not made[below] and is_prepared(self.folder / below):
                made[below] = True
                self._notes.append(f"{below} is a prepared set: not read")
        return made[below]

    def path_of(self, name: str) -> Path:
        """Where a photograph lies, absolute."""
        return (self.folder / name).absolute()

    def find(self, *ids: str) -> Path | None:
        """The file of the first of these ids that has one."""
        for name in ids:
            if numbers := self.index.find(name, anywhere=True):
                return self.path_of(self.index.names[self._one_of(numbers)])
        return None

    def one_of_copies(self, numbers: Sequence[int]) -> int | None:
        """Of several files the first, where all have the same bytes; None where they differ."""
        first, *rest = (self.folder / self.index.names[number] for number in numbers)
        return self._one_of(numbers) if all(_same_bytes(first, other) for other in rest) else None

    def take(self, number: int) -> Path:
        """Where a photograph lies, which now counts as named."""
        self._taken.add(number)
        return self.path_of(self.index.names[number])

    def one_a_path(self) -> list[int]:
        """All photographs; of copies whose paths differ in the ending alone, the first."""
        firsts = [self._one_of(numbers) for numbers in self.index.by_path()]
        rest = set(range(len(self.index.names))) - self._taken
        self._taken |= rest
        return sorted([*rest, *firsts])

    def _one_of(self, numbers: Sequence[int]) -> int:
        """Of several files with one id the first, where all have the same bytes; :meth:`finish` refuses others."""
        first, *rest = numbers
        one = self.index.names[first]
        for number in set(rest) - self._taken:
            other = self.index.names[number]
            if _same_bytes(self.folder / one, self.folder / other):
                self._dropped.append(Dropped(str(self.path_of(other)), f"a copy of {one}, byte for byte"))
            else:
                self._at_odds.append((one, other))
        self._taken.update(numbers)
        return first

    def finish(self, listing: Listing) -> None:
        """Put what is to be said of the files into a listing.

        Raises
        ------
        DataError
            Where an id has several files that differ: one of them may be a mask, and nothing says which.
        """
        if self._at_odds:
            one, other = self._at_odds[0]
            more = f" and {len(self._at_odds) - 1} more such pairs" if len(self._at_odds) > 1 else ""
            raise DataError(
                f"{one} and {other} in {self.folder} are different files with one id{more}: wanted one photograph an "
                "id; name the folder with the photographs alone by --images, or move the others (masks?) elsewhere"
            )
        left = (name for number, name in enumerate(self.index.names) if number not in self._taken)
        listing.unnamed += [self.path_of(name) for name in left]
        listing.dropped += self._dropped
        listing.notes += self._notes


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


# --- classes ---------------------------------------------------------------------------------------------------------


def use_taxonomy(listing: Listing, taxonomy: Taxonomy) -> None:
    """Give the records the classes of another taxonomy, and note which went where.

    Raises
    ------
    TaxonomyError
        Where a class that has images has no place there.
    """
    if listing.taxonomy == taxonomy:
        return
    images = Counter(record.label for record in listing.records)
    own = [code for code in listing.taxonomy.codes if code in images]
    places = mapping(listing.taxonomy, taxonomy, own)
    moved = ", ".join(f"{code} -> {places[code]} ({images[code]})" for code in own)
    listing.notes.append(f"classes of {listing.taxonomy.name} counted to {taxonomy.name}: {moved}")
    listing.records = [replace(record, label=places[record.label]) for record in listing.records]
    listing.taxonomy, listing.guessed = taxonomy, False


# --- what belongs together ------------------------------------------------------------------------------------------


def check_ids(listing: Listing) -> None:
    """Join spellings of one lesion's or patient's id, and note what looks like no id.

    A spreadsheet turns ``007`` into ``7`` or ``7.0``, and people write ``P1`` and ``p1``. Two that are taken for one
    are at worst kept together without need; one that is taken for two makes folds leak.
    """
    for kind in ("lesion", "patient"):
        spellings: dict[str, Counter[str]] = defaultdict(Counter)
        for record in listing.records:
            if value := getattr(record, kind):
                spellings[_plain(value)][value] += 1
        several = {plain: min(count) for plain, count in spellings.items() if len(count) > 1}
        if several:
            example = ", ".join(sorted(spellings[min(several)])[:3])
            listing.notes.append(
                f"{len(several)} {kind} ids stand in several spellings ({example}): each taken for one"
            )
            listing.records = [
                replace(record, **{kind: several.get(_plain(getattr(record, kind)), getattr(record, kind))})
                for record in listing.records
            ]
        listing.notes += _suspicious(listing.records, kind)


def _plain(value: str) -> str:
    """One text for all spellings of an id."""
    value = " ".join(value.casefold().split())
    number = re.fullmatch(r"0*(\d+?)(?:[.,]0+)?", value)
    return number[1] if number else value


def _suspicious(records: Sequence[Record], kind: str) -> list[str]:
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if value := getattr(record, kind):
            labels[value][record.label] += 1
    notes = []
    for value, count in labels.items():
        images = count.total()
        if images > max(_SUSPICIOUS_IMAGES, _SUSPICIOUS_SHARE * len(records)) and len(count) > 1:
            notes.append(
                f"{kind} {value!r} has {images} of {len(records)} images, in {len(count)} classes, and keeps them all "
                f"in one fold: if it means 'unknown', leave the cells empty; if {kind}s are numbered anew for each "
                "patient or clinic, put that before the number"
            )
    return notes
