"""A download of the ISIC archive by ``isic-cli`` -> records.

::

    metadata.csv        isic_id, attribution, copyright_license, then whatever the photographs have: age_approx,
                        anatom_site_general, diagnosis_1 ... diagnosis_5 (or, in older downloads, diagnosis and
                        benign_malignant), image_type, lesion_id, patient_id, sex, fitzpatrick_skin_type, ...
    ISIC_0000000.jpg    beside it, or below it

``isic image download`` writes ``metadata.csv`` anew each time: where a second collection went into one folder, the
first one's rows are lost. Further tables with ``isic_id`` beside it (``isic metadata download -o metadata_66.csv``) are
read with it; a row that is in several must say the same.

The label is ``diagnosis_3``, in older rows ``diagnosis``, or ``diagnosis_1`` where no row says more; any other of these
columns can be asked for. What is not said to that depth is left out, and so is, of ``diagnosis_1`` and
``benign_malignant``, what is indeterminate. Left out are also what is no photograph of skin (confocal microscopy) or of
nobody (``image_manipulation`` synthetic). Each photograph has its own licence, and the institution that gave it as its
source.

Sources: isic-cli's code (github.com/ImageMarkup/isic-cli, ``cli/image.py``, ``cli/utils.py``) for files and columns;
the archive's own checks (github.com/ImageMarkup/isic-metadata, ``fields.py``, ``diagnosis_hierarchical.py``) for
values, old and new.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hierattn.data.sets.catalog import ISIC_ARCHIVE
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import (
    Photo,
    age_of,
    choose_label,
    domain_of,
    empty_listing,
    list_photos,
    spellings,
)
from hierattn.data.source_table import Row, columns_in, first_few, once, sex_of, skin_type_of, stream_rows, text_of
from hierattn.errors import TableError
from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN
from hierattn.taxonomy.records import Malignancy

LABELS = ("diagnosis_3", "diagnosis_1", "diagnosis_2", "diagnosis_4", "diagnosis_5", "diagnosis", "benign_malignant")
_DEFAULTS = ("diagnosis_3", "diagnosis", "diagnosis_1", "benign_malignant")
_BINARY = ("diagnosis_1", "benign_malignant")
_MORE = ("attribution", "copyright_license", "age_approx", "anatom_site_general", "sex", "lesion_id", "patient_id",
         "fitzpatrick_skin_type", "image_type", "image_manipulation")  # fmt: skip
_MALIGNANCY: dict[str, Malignancy] = {"benign": "benign", "malignant": "malignant"}
_LONGEST_SOURCE = 60


def tables_in(source: Path) -> list[Path]:
    """The tables of a folder that ``isic-cli`` may have written."""
    if not source.is_dir():
        return []
    names = sorted(entry.name for entry in os.scandir(source) if entry.name.lower().endswith(".csv"))
    tables = [source / name for name in names if (source / name).is_file()]
    return [path for path in tables if columns_in(path, ["isic_id"]) and columns_in(path, LABELS)]


def read_isic_archive(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder that ``isic-cli`` has filled.

    Parameters
    ----------
    source
        The folder of ``metadata.csv``.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        Of :data:`LABELS`.

    Raises
    ------
    TableError
        For a missing table or column, an id in several rows of one table, or rows of several tables that differ.
    UsageError
        For another label column.
    """
    asked = label_column and choose_label("isic-archive", label_column, LABELS)
    tables = tables_in(source)
    if not tables:
        raise TableError(
            f"{source} has no metadata.csv with isic_id and a diagnosis: wanted what 'isic image download' writes"
        )
    rows = _rows(tables)
    column = asked or next(
        (name for name in _DEFAULTS if any(text_of(row.get(name, "")) for row in rows.values())), LABELS[0]
    )
    listing = empty_listing(ISIC_ARCHIVE, collection="isic")
    folder = ImageFolder.of(source, images)
    photos = (_photo(image, row, column, bool(asked)) for image, row in rows.items())
    list_photos(listing, tables[0], photos, folder, MALIGNANT_OR_BENIGN if column in _BINARY else None)
    licences = Counter(record.licence for record in listing.records)
    listing.licence = ", ".join(f"{name} ({count})" for name, count in sorted(licences.items()))
    if listing.unnamed:
        listing.notes.append(
            f"{len(listing.unnamed)} images have no row ({first_few([path.name for path in listing.unnamed])}): "
            "isic-cli writes metadata.csv anew with each download; get the other rows by 'isic metadata download -o "
            "metadata_2.csv' with the same --collections or --search"
        )
    return listing


def _rows(tables: Sequence[Path]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    shared: dict[str, str] = {}
    for path in tables:
        for row in once(path, stream_rows(path, ["isic_id"], [*LABELS, *_MORE]), "isic_id"):
            plain = {name: shared.setdefault(value, value) for name, value in row.items()}
            before = rows.get(row["isic_id"], {})
            if differing := [name for name in plain.keys() & before.keys() if plain[name] != before[name]]:
                raise TableError(
                    f"{path} and another table in {path.parent} differ in {differing[0]} of {row['isic_id']}: wanted "
                    "one download's; move the older table elsewhere"
                )
            rows[row["isic_id"]] = {**before, **plain}
    return rows


def _photo(image: str, row: Row, column: str, asked: bool) -> Photo:
    label = text_of(row.get(column, ""))
    if not label and not asked and column == LABELS[0] and not text_of(row.get("diagnosis_1", "")):
        label = text_of(row.get("diagnosis", ""))  # a row of the time before diagnosis_1
    general = text_of(row.get("diagnosis_1", "")) or text_of(row.get("benign_malignant", ""))
    return Photo(
        spellings(image),
        label,
        _MALIGNANCY.get(general.lower(), "unknown"),
        left_out=_why_not(row, label, general, column),
        lesion=text_of(row.get("lesion_id", "")),
        patient=text_of(row.get("patient_id", "")),
        age=age_of(row.get("age_approx", "")),
        sex=sex_of(row.get("sex", "")),
        site=text_of(row.get("anatom_site_general", "")).lower(),
        skin_type=skin_type_of(row.get("fitzpatrick_skin_type", "")),
        domain=domain_of(row.get("image_type", "")),
        source=_source(row.get("attribution", "")),
        licence=text_of(row.get("copyright_license", "")),
    )


def _why_not(row: Row, label: str, general: str, column: str) -> str:
    if row.get("image_type", "").lower().startswith("rcm"):
        return f"image_type {row['image_type']}, no photograph of skin"
    if row.get("image_manipulation", "").lower() == "synthetic":
        return "image_manipulation synthetic, no photograph"
    if not label:
        return f"no {column}" + (f", only {general}" if general else "")
    if column in _BINARY and label.lower() not in _MALIGNANCY:
        return f"{column} {label}"
    return ""


def _source(attribution: str) -> str:
    """The institution, as a source's name may be written."""
    plain = " ".join(re.sub(r'[/\\:*?"<>|.]', " ", text_of(attribution)).split())[:_LONGEST_SOURCE].strip()
    return f"{ISIC_ARCHIVE.name} {plain}".strip()
