"""What a published set's table says of each photograph, and the listing that follows from it.

A reader turns its set's columns into :class:`Photo`, in the set's own words. The rest is the same for every set: which
file it is, what cannot be taken and why, and which classes the words are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.catalog import PublicSet
from hierattn.data.sets.listing import Dropped, Listing
from hierattn.data.source_table import Row, number_of, text_of
from hierattn.errors import TableError, UsageError
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT
from hierattn.taxonomy.from_labels import built_in_for, own_classes
from hierattn.taxonomy.records import Malignancy, Taxonomy

NO_FILE = "no image file"


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph, as its table has it.

    Attributes
    ----------
    names
        What its file may be called, the likeliest first.
    label
        In the set's own words.
    malignancy
        Of that label, where the set itself says it.
    left_out
        Why it cannot be taken, in a few words; else empty.
    lesion, patient, age, sex, site, skin_type, domain
        As ``Record`` has them.
    source, licence
        Its own, where the set gathers several.
    clinical
        What the patient was asked, by the names of ``manifest.CLINICAL``.
    """

    names: tuple[str, ...]
    label: str = ""
    malignancy: Malignancy = "unknown"
    left_out: str = ""
    lesion: str = ""
    patient: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""
    domain: str = ""
    source: str = ""
    licence: str = ""
    clinical: Mapping[str, Any] = field(default_factory=dict)


class PhotoFiles(Protocol):
    """Where photographs are found by what tables call them: ``listing.ImageFolder``, or an HDF5 file."""

    def find(self, *ids: str) -> Path | None:
        """The file of the first of these ids that has one."""

    def finish(self, listing: Listing) -> None:
        """Put what is to be said of the files into a listing."""


def list_photos(
    listing: Listing,
    table: Path,
    photos: Iterable[Photo],
    files: PhotoFiles,
    classes: Taxonomy | None = None,
    *,
    words: Mapping[str, str] | None = None,
) -> None:
    """Fill a listing.

    Parameters
    ----------
    listing
        With the set's name and licence.
    table
        The photographs' table, for errors.
    photos
        One a row of the table; a reader may give them one by one, so that a table of any length is read.
    files
        The photographs.
    classes
        Of the labels; None: the labels themselves are the classes, with the malignancy that the set gives.
    words
        The set's own label -> the code of its class, where it has no other labels; None: whatever ``classes`` know.

    Raises
    ------
    TableError
        For a label that is none; names the photograph.
    """
    code_of = words.get if words is not None else classes.code_of if classes else None
    shared: dict[str, str] = {}
    malignancies: dict[str, set[Malignancy]] = defaultdict(set)
    taken: dict[Path, str] = {}
    for photo in photos:
        name, file = photo.names[0], files.find(*photo.names)
        if code_of and not photo.left_out and photo.label not in malignancies and not code_of(photo.label):
            known = ", ".join(words or (classes.codes if classes else ()))[:200]
            raise TableError(
                f"{table}: {name}: unknown label {photo.label!r}: {listing.source} has {known}; correct the table"
            )
        reason = photo.left_out if file else NO_FILE
        if file and not reason and (first := taken.setdefault(file, name)) is not name:
            reason = f"its file is that of {first}"
        if file is None or reason:
            listing.dropped.append(Dropped(name, reason))
            continue
        malignancies[photo.label].add(photo.malignancy)
        code = (code_of and code_of(photo.label)) or photo.label
        values = (code, photo.label, photo.lesion, photo.patient, photo.age, photo.sex, photo.site, photo.skin_type)
        code, label, lesion, patient, age, sex, site, skin_type = (shared.setdefault(value, value) for value in values)
        listing.records.append(
            Record(
                image=str(file),
                label=code,
                own_label=label,
                lesion=lesion,
                patient=patient,
                age=age,
                sex=sex,
                site=site,
                skin_type=skin_type,
                source=photo.source or listing.source,
                licence=photo.licence or listing.licence,
                domain=photo.domain or listing.domain,
                **photo.clinical,
            )
        )
    files.finish(listing)
    if classes or words is not None:
        listing.taxonomy = classes or listing.taxonomy
    elif listing.records:  # else whoever asked for the listing says that there are none
        own = built_in_for(malignancies) or own_classes(malignancies, listing.source)  # its authors' words: no slips
        listing.taxonomy = _with_malignancy(own, malignancies)
        codes = {label: listing.taxonomy.code_of(label) or label for label in malignancies}
        listing.records = [replace(record, label=codes[record.own_label]) for record in listing.records]
    listing.guessed = listing.taxonomy not in BUILT_IN.values()


def _with_malignancy(classes: Taxonomy, malignancies: Mapping[str, set[Malignancy]]) -> Taxonomy:
    """Each class with the malignancy that its photographs have, where they agree; a built-in one knows it already."""
    of_code: dict[str, set[Malignancy]] = defaultdict(set)
    for label, found in malignancies.items():
        of_code[classes.code_of(label) or ""] |= found
    if any(each.malignancy != "unknown" for each in classes.classes):
        return classes
    known: dict[str, Malignancy] = {}
    for each in classes.classes:
        found = of_code[each.code] - {"unknown"}
        named = EIGHT.code_of(each.name)
        if len(found) == 1:
            known[each.code] = found.pop()
        elif not found and named:  # the name itself says it
            known[each.code] = EIGHT.by_code[named].malignancy
    return Taxonomy(
        classes.name, tuple(replace(each, malignancy=known.get(each.code, "unknown")) for each in classes.classes)
    )


def taken_for_one(listing: Listing, kind: Literal["lesion", "patient"], pairs: Iterable[tuple[str, str]]) -> int:
    """Give lesions or patients that a set shows to be one the same id; returns how many lost theirs."""
    one: dict[str, str] = {}

    def known_as(value: str) -> str:
        while value in one:
            value = one[value]
        return value

    for pair in pairs:
        first, *other = sorted({known_as(value) for value in pair if value}) or [""]
        one.update(dict.fromkeys(other, first))
    listing.records = [
        replace(record, lesion=known_as(record.lesion))
        if kind == "lesion"
        else replace(record, patient=known_as(record.patient))
        for record in listing.records
    ]
    return len(one)


# --- columns ---------------------------------------------------------------------------------------------------------


def choose_label(layout: str, wanted: str, columns: Sequence[str]) -> str:
    """The column that labels are taken from: the one asked for, or the first.

    Raises
    ------
    UsageError
        For one that the layout does not have.
    """
    if wanted and wanted not in columns:
        raise UsageError(f"label column {wanted!r}: the layout {layout} has {', '.join(columns)}")
    return wanted or columns[0]


_TRUE, _FALSE = ("1", "1.0", "true", "yes", "malignant"), ("0", "0.0", "false", "no", "benign")


def malignancy_of(value: str, where: str) -> Malignancy:
    """What a column says of malignancy in ``1`` and ``0``, ``True`` and ``False``, or words; ``unknown`` for blanks.

    Raises
    ------
    TableError
        For anything else.
    """
    plain = text_of(value).lower()
    if plain in _TRUE:
        return "malignant"
    if plain in _FALSE:
        return "benign"
    if plain:
        raise TableError(f"{where} is {value!r}, wanted 0 or 1; correct the table")
    return "unknown"


def age_of(value: str) -> str:
    """``60`` for ``60.0``; ``85`` for ``85+``, which ISIC writes for the oldest."""
    return number_of(value.removesuffix("+"))


def yes_no_of(value: str) -> str:
    """``yes`` for ``True``, ``no`` for ``False``, in any letter case; empty where it is not known."""
    return {"true": "yes", "yes": "yes", "false": "no", "no": "no"}.get(text_of(value).lower(), "")


def spellings(image: str) -> tuple[str, str, str]:
    """An ISIC image's id in the ways that files and tables write it.

    The challenge of 2019 has ``ISIC_0000000_downsampled`` for photographs of MSK and UDA that the archive calls
    ``ISIC_0000000``; tools that rename the files drop or keep the ending.
    """
    stem = image.strip()
    plain = re.sub(f"{DOWNSAMPLED}(?=$|\\.)", "", stem)
    with_ending = re.sub(r"(\.\w+)?$", lambda ending: DOWNSAMPLED + (ending[0] or ""), plain, count=1)
    return stem, plain, with_ending


DOWNSAMPLED = "_downsampled"


def one_hot(row: Row, columns: Sequence[str], where: str, skip: Iterable[str] = ()) -> str:
    """The column of a one-hot row that is 1.

    A column that is not among ``columns`` counts only where a row uses it, so a harmless extra column does no harm.

    Raises
    ------
    TableError
        For another value than 0 and 1, no 1 or several, or one in an unknown column.
    """
    marked = []
    skipped = set(skip)
    for column, value in row.items():
        if column in skipped:
            continue
        number = _number(value)
        if number not in (0.0, 1.0):
            if number is not None or column in columns:
                raise TableError(f"{where}: {column} is {value!r}, wanted 0 or 1; correct the table")
            continue
        if number == 1.0:
            marked.append(column)
    if len(marked) != 1:
        raise TableError(
            f"{where} has {len(marked)} classes ({', '.join(marked)}), wanted exactly one; correct the row"
        )
    if marked[0] not in columns:
        raise TableError(f"{where}: unknown label {marked[0]!r}, wanted one of {', '.join(columns)}; correct the table")
    return marked[0]


def _number(value: str) -> float | None:
    try:
        return float(value.replace(",", "."))  # a European Excel
    except ValueError:
        return None


def empty_listing(public: PublicSet, *, domain: str = "unknown", collection: str = "") -> Listing:
    """A listing with a published set's name, licence and citation."""
    return Listing(public.name, public.licence, public.citation, domain=domain, collection=collection)


Reader = Callable[[Path, "Path | None", str], Listing]
"""(source, folder of the images, label column or nothing) -> listing."""


def domain_of(image_type: str) -> str:
    """``dermoscopic``, ``clinical`` or ``unknown``, of what ISIC calls an ``image_type``.

    A tile of a total body photograph is clinical: no dermatoscope took it.

    >>> domain_of("clinical: close-up"), domain_of("TBP tile: close-up"), domain_of("RCM: tile")
    ('clinical', 'clinical', 'unknown')
    """
    kind = image_type.strip().lower()
    if kind.startswith("dermoscopic"):
        return "dermoscopic"
    return "clinical" if kind.startswith(("clinical", "overview", "tbp")) else "unknown"
