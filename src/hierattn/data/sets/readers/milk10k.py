"""MILK10k -> records: a clinical close-up and a dermoscopic photograph of each lesion.

::

    MILK10k_Training_GroundTruth.csv    lesion_id, one column a class (one-hot)
    MILK10k_Training_Metadata.csv       lesion_id, image_type, isic_id, age_approx, sex, skin_tone_class, site, ...
    MILK10k_Training_Supplement.csv     isic_id, diagnosis_full, ...
    MILK10k_Training_Input/             images, in a folder a lesion or in one

Both photographs are records, with their ``domain``, and stay together as one lesion. ``diagnosis_full`` can be asked
for instead of the eleven classes. ``skin_tone_class``, from 0 for very dark to 5 for very light, is no
Fitzpatrick type, as its authors say, and is not read as one. The test part has no published ground truth.

Sources: the challenge's pages (github.com/ImageMarkup/stade, ``data/milk10k.html`` and ``landing/milk10k``) for files,
counts, licence, classes and skin tone; the head of ``MILK10k_Test_Metadata.csv`` in a public repository for the columns
of the metadata; public code for those of the supplement.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import MILK10K
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import (
    Photo,
    age_of,
    choose_label,
    domain_of,
    empty_listing,
    list_photos,
    one_hot,
    spellings,
)
from hierattn.data.source_table import by_id, first_few, read_rows, sex_of, table_path, text_of
from hierattn.errors import TableError
from hierattn.taxonomy.records import LesionClass, Taxonomy

TRUTH = "MILK10k_Training_GroundTruth.csv"
LABELS = ("class", "diagnosis_full")
CLASSES = Taxonomy(
    "milk10k",
    (
        LesionClass("AKIEC", "actinic keratosis / intraepidermal carcinoma", malignancy="pre-malignant"),
        LesionClass("BCC", "basal cell carcinoma", malignancy="malignant"),
        LesionClass("BEN_OTH", "other benign proliferation", malignancy="benign"),
        LesionClass("BKL", "benign keratinocytic lesion", ("benign keratosis",), "benign"),
        LesionClass("DF", "dermatofibroma", malignancy="benign"),
        LesionClass("INF", "inflammatory or infectious condition", malignancy="benign"),
        LesionClass("MAL_OTH", "other malignant proliferation", malignancy="malignant"),
        LesionClass("MEL", "melanoma", malignancy="malignant"),
        LesionClass("NV", "melanocytic nevus", ("nevus",), "benign"),
        LesionClass("SCCKA", "squamous cell carcinoma / keratoacanthoma", ("squamous cell carcinoma",), "malignant"),
        LesionClass("VASC", "vascular lesion or hemorrhage", ("vascular lesion",), "benign"),
    ),
)
"""The eleven, in the challenge's order. The archive has AKIEC's diagnoses under Indeterminate (solar or actinic
keratosis) and Malignant (carcinoma in situ): pre-malignant, as ISIC 2018's class of that name."""
_TABLES = ("MILK10k_Training_Metadata.csv", "MILK10k_Training_Supplement.csv")
_MORE = ("age_approx", "sex", "site")


def read_milk10k(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in MILK10k's layout.

    Parameters
    ----------
    source
        The folder of the tables.
    images
        The folder of the images where it is not ``source``'s own; searched with all its subfolders.
    label_column
        Of :data:`LABELS`.

    Raises
    ------
    TableError
        For a missing table or column, a row with no class or several, an id in several rows, or tables that do not
        belong together.
    UsageError
        For another label column.
    """
    column = choose_label("milk10k", label_column, LABELS)
    path = table_path(source, [TRUTH])
    truth = by_id(path, read_rows(path, ["lesion_id"], CLASSES.codes), "lesion_id")
    labels = {
        lesion: one_hot(row, CLASSES.codes, f"{path}: {lesion}", skip=["lesion_id"]) for lesion, row in truth.items()
    }
    table = table_path(source, _TABLES[:1])
    rows = by_id(table, read_rows(table, ["lesion_id", "image_type", "isic_id"], _MORE), "isic_id")
    lesions = {text_of(row["lesion_id"]) for row in rows.values()}
    if not lesions & set(labels):
        raise TableError(
            f"{table} and {path} have no lesion in common: wanted two tables of one part; download both again"
        )
    full = _full_diagnoses(source) if column == "diagnosis_full" else {}
    listing = empty_listing(MILK10K, collection="isic")
    if lacking := sorted(set(labels) - lesions):
        listing.notes.append(
            f"{len(lacking)} lesions of {path.name} have no row in {table.name} ({first_few(lacking)})"
        )
    folder = ImageFolder.of(source, images, "MILK10k_Training_Input")

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            lesion = text_of(row["lesion_id"])
            label = full.get(image, "") if column == "diagnosis_full" else labels.get(lesion, "")
            yield Photo(
                spellings(image),
                label,
                left_out="" if label else f"no {column} of lesion {lesion or 'unknown'}",
                lesion=lesion,
                age=age_of(row.get("age_approx", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("site", "")).lower().replace("_", " "),
                domain=domain_of(row["image_type"]),
            )

    list_photos(listing, path, photos(), folder, CLASSES if column == "class" else None)
    return listing


def _full_diagnoses(source: Path) -> dict[str, str]:
    path = table_path(source, _TABLES[1:])
    rows = by_id(path, read_rows(path, ["isic_id", "diagnosis_full"]), "isic_id")
    return {image: text_of(row["diagnosis_full"]) for image, row in rows.items()}
