"""Which photograph each row of a table means, and which rows mean none, or several."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from hierattn.data.image_ids import ImageIndex, image_id
from hierattn.data.sets.listing import ImageFolder

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WHOLE = re.compile(r"0*(\d{1,18})(?:[.,]0+)?")
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?: \d\d:\d\d(?::\d\d)?)?|\d{1,2}[-. ][A-Za-z]{3}(?:[-. ]\d{2,4})?")


@dataclass
class Matches:
    """The photographs of a table's rows.

    Attributes
    ----------
    numbers
        Each row's photograph, by its number in the folder's index; None for none.
    by_name
        Rows whose folders fit no photograph, found by the file's name alone.
    by_number
        Rows that a spreadsheet has robbed of leading zeros, or given a ``.0``.
    ambiguous
        Row -> photographs that it may mean.
    urls
        Rows that name an address.
    """

    numbers: list[int | None]
    by_name: list[int] = field(default_factory=list)
    by_number: list[int] = field(default_factory=list)
    ambiguous: dict[int, list[int]] = field(default_factory=dict)
    urls: list[int] = field(default_factory=list)

    @property
    def exact(self) -> int:
        """Rows found by their path, name or id as the table has it."""
        found = sum(number is not None for number in self.numbers)
        return found - len(self.by_name) - len(self.by_number)


def file_name(value: str) -> str:
    r"""The path in an address (``https://.../x.jpg?size=2``); any other value as it is.

    >>> file_name("https://example.org/images/x%201.jpg?size=2"), file_name("C:\\images\\x.jpg")
    ('/images/x 1.jpg', 'C:\\images\\x.jpg')
    """
    if not _URL.match(value):
        return value
    try:
        return unquote(urlsplit(value).path)
    except ValueError:
        return value


def match_rows(values: Sequence[str], folder: ImageFolder) -> Matches:
    r"""Find the photograph of each row, by three rules, the surest first.

    1. By path, file name or id, with or without an image's ending, in any letter case; folders must fit as far as both
       have them, so that ``C:\photos\MEL\x.jpg`` is ``MEL/x.jpg``.
    2. By the file's name alone, where one row and one photograph are left with it.
    3. By the number, where a spreadsheet made ``7`` or ``7.0`` of ``0007``, and one photograph is left with it.

    Parameters
    ----------
    values
        What each row calls its photograph; empty for none.
    folder
        The photographs. Of copies of one, byte for byte, the first is taken.
    """
    matches = Matches([None] * len(values))
    names = [file_name(value) for value in values]
    matches.urls = [row for row, value in enumerate(values) if names[row] is not value]
    seen: dict[str, int | list[int] | None] = {}
    for row, name in enumerate(names):
        if not name:
            continue
        if name not in seen:
            found = folder.index.find(name)
            seen[name] = _one(found, folder)
        _keep(matches, row, seen[name])
    _by_name(names, folder, matches)
    _by_number(names, folder.index, matches)
    return matches


def _one(found: list[int], folder: ImageFolder) -> int | list[int] | None:
    if len(found) < 2:
        return found[0] if found else None
    same = folder.one_of_copies(found)
    return found if same is None else same


def _keep(matches: Matches, row: int, found: int | list[int] | None) -> None:
    if isinstance(found, list):
        matches.ambiguous[row] = found
    else:
        matches.numbers[row] = found


def _left(names: Sequence[str], matches: Matches) -> tuple[list[int], set[int]]:
    rows = [
        row for row, name in enumerate(names) if name and matches.numbers[row] is None and row not in matches.ambiguous
    ]
    return rows, {number for number in matches.numbers if number is not None}


def _by_name(names: Sequence[str], folder: ImageFolder, matches: Matches) -> None:
    rows, taken = _left(names, matches)
    stems = {row: image_id(names[row]).stem.casefold() for row in rows}
    spelled: dict[str, set[str]] = defaultdict(set)
    for row, stem in stems.items():
        spelled[stem].add(names[row])
    for row, stem in stems.items():
        free = [number for number in folder.index.same_stem(stem) if number not in taken]
        found = _one(free, folder) if len(spelled[stem]) == 1 else None
        if isinstance(found, int):
            matches.numbers[row] = found
            matches.by_name.append(row)


def _by_number(names: Sequence[str], images: ImageIndex, matches: Matches) -> None:
    rows, taken = _left(names, matches)
    wanted = {row: int(match[1]) for row in rows if (match := _WHOLE.fullmatch(names[row].strip()))}
    if not wanted:
        return
    free: dict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(images.ids):
        if number not in taken and (match := re.fullmatch(r"\d{1,18}", one.stem)):
            free[int(match[0])].append(number)
    for row, value in wanted.items():
        if len(free[value]) == 1:
            matches.numbers[row] = free[value][0]
            matches.by_number.append(row)


def what_happened_to(values: Sequence[str]) -> str:
    """What a spreadsheet seems to have done to ids that name no photograph; empty where nothing tells."""
    kinds = Counter(
        kind
        for value in values
        for kind, pattern in (("shortened", _SHORTENED), ("dates", _DATE), ("numbers", _WHOLE))
        if pattern.fullmatch(value.strip())
    )
    if not kinds or kinds.most_common(1)[0][1] * 2 < len(values):
        return ""
    kind = kinds.most_common(1)[0][0]
    what = {
        "shortened": "a spreadsheet has shortened long numbers",
        "dates": "a spreadsheet has made dates of the ids",
        "numbers": "a spreadsheet may have made numbers of the ids",
    }
    return f"; {what[kind]}: format the column as text and enter the ids again, or export it anew"
