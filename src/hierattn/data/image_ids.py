r"""Which image a table means by a name: where ids are normalised and matched, once, for every reader.

A name is read as a path: ``MEL\x.JPG``, ``./MEL//x.jpg``, ``/data/photos/MEL/x.png`` and ``MEL/x`` may all mean
``MEL/x.jpg``. Backslashes separate, ``.`` and doubled slashes fall away, blanks around it too, letters are composed
(NFC), and an image's ending is a hint: it decides between ``x.jpg`` and ``x.png``, and is no hindrance where a set was
converted. Letter case decides between two candidates, and is no hindrance where there is one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hierattn.errors import TableError
from hierattn.preprocessing.photo_files import ENDINGS


@dataclass(frozen=True)
class ImageId:
    r"""A name, taken apart.

    Attributes
    ----------
    folders
        From the outermost; empty for a bare name.
    stem
        The name without its ending.
    ending
        In lower case; empty where there is none of an image.

    >>> image_id(".\\MEL//x.JPG ")
    ImageId(folders=('MEL',), stem='x', ending='.jpg')
    """

    folders: tuple[str, ...]
    stem: str
    ending: str


def image_id(name: str) -> ImageId:
    """Take a name apart; the ending is cut only where it is an image's, for ids may have dots."""
    parts: list[str] = []
    for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/"):
        part = _stripped(part)
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    *folders, last = parts or [""]
    ending = f".{last.rpartition('.')[2].lower()}"
    if ending not in ENDINGS:
        return ImageId(tuple(folders), last, "")
    return ImageId(tuple(folders), _stripped(last[: -len(ending)]), ending)


def _stripped(part: str) -> str:
    """Without blanks around it, of any width, and without marks of byte order."""
    return part.strip().strip("\u200b\ufeff").strip()


class ImageIndex:
    """Finds images by what tables call them.

    Parameters
    ----------
    names
        Of the images: paths below the source, or the ids of another table.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.ids = [image_id(name) for name in self.names]
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self.ids):
            self._by_stem[one.stem.casefold()].append(number)

    def find(self, name: str, *, anywhere: bool = False) -> list[int]:
        """The numbers of the images that ``name`` may mean: one, or several that it fits alike, or none.

        Folders fit where the one path ends with the other. With ``anywhere`` they are a hint only, as for the public
        sets, whose ids are unique and whose folders everybody names differently; a bare name then means all of it.
        """
        wanted = image_id(name)
        candidates = self.same_stem(wanted.stem)
        fitting = [number for number in candidates if _ends_alike(wanted.folders, self.ids[number].folders)]
        if not fitting and anywhere:
            fitting = candidates
        if len(fitting) < 2:
            return list(fitting)
        likeness = {number: _likeness(wanted, self.ids[number]) for number in fitting}
        if anywhere and not wanted.folders:
            likeness = {number: (False, *rest) for number, (_, *rest) in likeness.items()}
        best = max(likeness.values())
        return [number for number in fitting if likeness[number] == best]

    def same_stem(self, stem: str) -> list[int]:
        """The images of that name without its ending, in any letter case and any folder."""
        return self._by_stem.get(stem.casefold(), [])

    def by_path(self) -> list[list[int]]:
        """The images that one path without its ending names, where they are several."""
        same: dict[tuple[tuple[str, ...], str], list[int]] = defaultdict(list)
        for number, one in enumerate(self.ids):
            same[one.folders, one.stem].append(number)
        return [numbers for numbers in same.values() if len(numbers) > 1]


def _ends_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    common = min(len(one), len(other))
    return _folded(one[len(one) - common :]) == _folded(other[len(other) - common :])


def _folded(parts: Sequence[str]) -> list[str]:
    return [part.casefold() for part in parts]


def _likeness(wanted: ImageId, image: ImageId) -> tuple[bool, ...]:
    """What decides between several, the weightiest first."""
    tail = image.folders[len(image.folders) - len(wanted.folders) :] if wanted.folders else ()
    return (
        _folded(wanted.folders) == _folded(image.folders),
        wanted.stem == image.stem,
        wanted.folders == tail,
        wanted.ending in ("", image.ending),
    )


@dataclass(frozen=True)
class Joined:
    """A table beside its images.

    Attributes
    ----------
    row_of
        Image -> its row, by their numbers.
    unmatched
        Rows that name no image.
    """

    row_of: dict[int, int]
    unmatched: list[int]


def join(table: object, names: Sequence[str], images: ImageIndex, *, anywhere: bool = False) -> Joined:
    """Find the image of each row of a table.

    Parameters
    ----------
    table
        Its path, for errors.
    names
        What each row calls its image.
    images
        To be found.
    anywhere
        Rows whose folders fit no image are joined by the bare name, where that is one row's and one image's.

    Raises
    ------
    TableError
        Where a row may mean several images, or an image has several rows.
    """
    row_of: dict[int, int] = {}
    unmatched: list[int] = []
    for row, name in enumerate(names):
        _take(table, names, images, row, images.find(name), row_of, unmatched)
    if not anywhere or not unmatched:
        return Joined(row_of, unmatched)
    count = Counter(image_id(names[row]).stem.casefold() for row in unmatched)
    left, unmatched = unmatched, []
    for row in left:
        free = [number for number in images.find(names[row], anywhere=True) if number not in row_of]
        alone = len(free) == 1 and count[image_id(names[row]).stem.casefold()] == 1
        _take(table, names, images, row, free if alone else [], row_of, unmatched)
    return Joined(row_of, unmatched)


def _take(
    table: object,
    names: Sequence[str],
    images: ImageIndex,
    row: int,
    found: list[int],
    row_of: dict[int, int],
    unmatched: list[int],
) -> None:
    if not found:
        unmatched.append(row)
        return
    if len(found) > 1:
        several = ", ".join(images.names[number] for number in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise TableError(f"{table} names {names[row]}, which may be {several}{more}: write it with its folder")
    (image,) = found
    if image in row_of:
        other = names[row_of[image]]
        same = names[row] if other == names[row] else f"{names[row]} (also as {other})"
        raise TableError(f"{table} names {same} more than once: wanted one row an image; remove the wrong rows")
    row_of[image] = row


def shortest_names(paths: Sequence[str]) -> list[str]:
    """A name for each image that :class:`ImageIndex` finds again in any copy of the set, converted or moved.

    Without folder and ending where that is one image's; else with as many folders as it takes, and the ending last.

    >>> shortest_names(["a/MEL/1.jpg", "a/NV/1.jpg", "a/NV/2.jpg", "a/BCC/3.jpg", "a/BCC/3.png"])
    ['MEL/1', 'NV/1', '2', 'a/BCC/3.jpg', 'a/BCC/3.png']
    """
    ids = [image_id(path) for path in paths]
    names = ["/".join((*one.folders, one.stem + one.ending)) for one in ids]
    unnamed = set(range(len(ids)))
    for depth in range(max((len(one.folders) for one in ids), default=0) + 1):
        keys = {
            row: "/".join((*(ids[row].folders[-depth:] if depth else ()), ids[row].stem)) for row in sorted(unnamed)
        }
        count = Counter(keys.values())
        for row, key in keys.items():
            if count[key] == 1:
                names[row] = key
                unnamed.discard(row)
        if not unnamed:
            break
    return names
