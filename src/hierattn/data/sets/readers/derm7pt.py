"""Derm7pt (the seven-point checklist's atlas) -> records: a clinical and a dermoscopic photograph of each case.

::

    meta/meta.csv       case_num, diagnosis, ..., location, sex, clinic, derm, case_id, notes
    images/             the files that clinic and derm name, in folders

Both photographs are records, with their ``domain``, and stay together as one lesion, ``case_num``. Melanomas of all
thicknesses are one class, as the authors' own code has it (15 classes); ``five_groups`` are the authors' groups without
rare classes. What ``case_id`` stands for, which few rows have, was not to be found: cases that share one are kept
together, as a patient's.

Sources: the authors' code (github.com/jeremykawahara/derm7pt, ``dataset.py`` and its notebooks) for folders, columns
and classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import DERM7PT
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, choose_label, empty_listing, list_photos
from hierattn.data.source_table import by_id, number_of, read_rows, sex_of, table_path, text_of
from hierattn.taxonomy.records import LesionClass, Taxonomy

TABLES = ("meta/meta.csv", "meta.csv")
COLUMNS = ("case_num", "diagnosis", "derm", "clinic")
LABELS = ("diagnosis", "five_groups")
_MELANOMAS = (
    "melanoma (in situ)",
    "melanoma (less than 0.76 mm)",
    "melanoma (0.76 to 1.5 mm)",
    "melanoma (more than 1.5 mm)",
    "melanoma metastasis",
)
_NEVI = ("blue nevus", "clark nevus", "combined nevus", "congenital nevus", "dermal nevus", "recurrent nevus",
         "reed or spitz nevus")  # fmt: skip
_OTHER = ("dermatofibroma", "lentigo", "melanosis", "miscellaneous", "vascular lesion")
CLASSES = Taxonomy(
    "derm7pt",
    (
        LesionClass("BCC", "basal cell carcinoma", malignancy="malignant"),
        LesionClass("BLN", "blue nevus", malignancy="benign"),
        LesionClass("CN", "clark nevus", malignancy="benign"),
        LesionClass("CBN", "combined nevus", malignancy="benign"),
        LesionClass("CGN", "congenital nevus", malignancy="benign"),
        LesionClass("DN", "dermal nevus", malignancy="benign"),
        LesionClass("DF", "dermatofibroma", malignancy="benign"),
        LesionClass("LT", "lentigo", malignancy="benign"),
        LesionClass("MEL", "melanoma", _MELANOMAS, "malignant"),
        LesionClass("MLS", "melanosis", malignancy="benign"),
        LesionClass("MISC", "miscellaneous"),
        LesionClass("RN", "recurrent nevus", malignancy="benign"),
        LesionClass("RSN", "reed or spitz nevus", malignancy="benign"),
        LesionClass("SK", "seborrheic keratosis", malignancy="benign"),
        LesionClass("VL", "vascular lesion", malignancy="benign"),
    ),
)
"""The authors' fifteen, by their own abbreviations."""
FIVE = Taxonomy(
    "derm7pt-five",
    (
        LesionClass("BCC", "basal cell carcinoma", malignancy="malignant"),
        LesionClass("NEV", "nevus", _NEVI, "benign"),
        LesionClass("MEL", "melanoma", _MELANOMAS, "malignant"),
        LesionClass("MISC", "dermatofibroma, lentigo, melanosis, miscellaneous, vascular", _OTHER),
        LesionClass("SK", "seborrheic keratosis", malignancy="benign"),
    ),
)
"""The authors' groups of classes that are rare alone."""


def read_derm7pt(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in Derm7pt's layout.

    Parameters
    ----------
    source
        The folder of ``meta`` and ``images`` (``release_v0``).
    images
        The folder of the images where it is not ``source/images``; searched with all its subfolders.
    label_column
        Of :data:`LABELS`.

    Raises
    ------
    TableError
        For a missing table or column, an unknown diagnosis, or a case in several rows.
    UsageError
        For another label column.
    """
    column = choose_label("derm7pt", label_column, LABELS)
    path = table_path(source, TABLES)
    rows = by_id(path, read_rows(path, COLUMNS, ["location", "sex", "case_id"]), "case_num")
    listing = empty_listing(DERM7PT)
    folder = ImageFolder.of(source, images, "images")

    def photos() -> Iterator[Photo]:
        for case, row in rows.items():
            label = text_of(row["diagnosis"])
            for kind, domain in (("derm", "dermoscopic"), ("clinic", "clinical")):
                yield Photo(
                    (text_of(row[kind]) or f"{kind} of case {case}",),
                    label,
                    left_out="" if label else "no diagnosis",
                    lesion=number_of(case),
                    patient=number_of(row.get("case_id", "")),
                    sex=sex_of(row.get("sex", "")),
                    site=text_of(row.get("location", "")).lower(),
                    domain=domain,
                )

    list_photos(listing, path, photos(), folder, CLASSES if column == "diagnosis" else FIVE)
    return listing
