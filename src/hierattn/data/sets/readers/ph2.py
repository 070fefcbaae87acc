"""PH² -> records: 200 dermoscopic photographs of nevi and melanomas.

::

    PH2_dataset.txt         || Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | ... || Colors ||
    PH2 Dataset images/     IMD003/IMD003_Dermoscopic_Image/IMD003.bmp, and masks in folders beside it

The label is the clinical diagnosis, which all rows have: 0 common nevus, 1 atypical nevus, 2 melanoma. Neither lesions
nor patients are given. ``PH2_dataset.xlsx``, which lies beside the text, says the same and is not read.

Sources: a public audit of the package's files and legend (80, 80 and 40), and public code that reads the text, for the
layout; the University of Porto's page of the ADDI project for the terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import PH2
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, empty_listing, list_photos
from hierattn.data.source_table import find_table, refuse_repeated
from hierattn.errors import TableError
from hierattn.taxonomy.records import LesionClass, Taxonomy

TABLE = "PH2_dataset.txt"
WORKBOOK = "PH2_dataset.xlsx"
CLASSES = Taxonomy(
    "ph2",
    (
        LesionClass("common_nevus", "common nevus", malignancy="benign"),
        LesionClass("atypical_nevus", "atypical nevus", malignancy="benign"),
        LesionClass("MEL", "melanoma", malignancy="malignant"),
    ),
)
_DIAGNOSES = ("common nevus", "atypical nevus", "melanoma")
_MOST_BYTES = 1 << 20


def read_ph2(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in PH²'s layout.

    Parameters
    ----------
    source
        The folder of the text.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        There is none to choose.

    Raises
    ------
    TableError
        For a missing text, a diagnosis that is not 0, 1 or 2, or a name in several rows.
    """
    del label_column
    path = find_table(source, [TABLE])
    if path is None:
        there = f" ({WORKBOOK} is there and is not read)" if find_table(source, [WORKBOOK]) else ""
        raise TableError(f"no table {source / TABLE}{there}: it lies beside it in the set's archive; put it there")
    rows = _rows(path)
    listing = empty_listing(PH2, domain="dermoscopic")
    folder = ImageFolder.of(source, images)

    def photos() -> Iterator[Photo]:
        for name, code in rows:
            yield Photo((name,), _DIAGNOSES[code])

    list_photos(listing, path, photos(), folder, CLASSES)
    return listing


def _rows(path: Path) -> list[tuple[str, int]]:
    """Name and clinical diagnosis."""
    rows = []
    try:
        text = path.read_bytes()[:_MOST_BYTES].decode("utf-8", "replace")
    except OSError as error:
        raise TableError(f"{path} cannot be read as a table ({error.strerror}): check its permissions") from None
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("||")]
        if len(cells) < 4 or not re.fullmatch(r"IMD\d+", cells[1], re.IGNORECASE):
            continue
        if cells[3] not in ("0", "1", "2"):
            raise TableError(f"{path}:{number}: clinical diagnosis is {cells[3]!r}, wanted 0, 1 or 2; correct the row")
        rows.append((cells[1].upper(), int(cells[3])))
    if not rows:
        raise TableError(
            f"{path} has no rows such as || IMD003 || ... || 0 ||: wanted PH²'s own text; download it again"
        )
    refuse_repeated(path, (name for name, _ in rows))
    return rows
