"""ISIC 2020 (SIIM-ISIC Melanoma Classification) -> records.

::

    ISIC_2020_Training_GroundTruth_v2.csv   image_name, patient_id, lesion_id, sex, age_approx,
                                            anatom_site_general_challenge, diagnosis, benign_malignant, target
    ISIC_2020_Training_GroundTruth.csv      the same without lesion_id; train.csv on Kaggle
    ISIC_2020_Training_Duplicates.csv       image_name_1, image_name_2
    train/                                  images, in any folder

The label is ``benign_malignant``, the challenge's own question, where malignant is melanoma. ``diagnosis`` is unknown
for 27,124 of the 33,126 and can be asked for.

The set's own list names 425 photographs that are there twice. The second of each pair is left out; where two patients
have them, these are taken for one, for a photograph is of one person. The test part has no published ground truth.

Sources: the challenge's data page (github.com/ImageMarkup/stade, ``data/2020.html``) for files, counts and licence;
columns and values as Kaggle's page of the competition lists them; the columns of the duplicates as public code reads
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import ISIC2020
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import (
    Photo,
    age_of,
    choose_label,
    empty_listing,
    list_photos,
    malignancy_of,
    spellings,
    taken_for_one,
)
from hierattn.data.source_table import by_id, find_table, read_rows, sex_of, table_path, text_of
from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN

TRUTHS = ("ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv", "train.csv")
COLUMNS = ("image_name", "patient_id", "benign_malignant", "target")
"""Which tell ``train.csv`` from others of that name."""
LABELS = ("benign_malignant", "diagnosis")
_MORE = ("lesion_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis")
_DUPLICATES = "ISIC_2020_Training_Duplicates.csv"


def read_isic2020(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in ISIC 2020's layout.

    Parameters
    ----------
    source
        The folder of the tables.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        Of :data:`LABELS`.

    Raises
    ------
    TableError
        For a missing table or column, or an id in several rows.
    UsageError
        For another label column.
    """
    column = choose_label("isic2020", label_column, LABELS)
    path = table_path(source, TRUTHS)
    rows = by_id(
        path, read_rows(path, ["image_name", "patient_id", "benign_malignant"], [*COLUMNS, *_MORE]), "image_name"
    )
    listing = empty_listing(ISIC2020, domain="dermoscopic", collection="isic")
    twins = _twins(source, listing)
    folder = ImageFolder.of(source, images, *["train"] * (path.name != "train.csv"))

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            label = text_of(row.get(column, ""))
            first = twins.get(image, "")
            reason = f"stored twice: the set's own list names it with {first}" if first in rows else ""
            yield Photo(
                spellings(image),
                label,
                malignancy_of(row["benign_malignant"], f"{path}: {image}: benign_malignant"),
                left_out=reason or ("" if label else f"no {column}"),
                lesion=text_of(row.get("lesion_id", "")),
                patient=text_of(row["patient_id"]),
                age=age_of(row.get("age_approx", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("anatom_site_general_challenge", "")).lower(),
            )

    list_photos(listing, path, photos(), folder, MALIGNANT_OR_BENIGN if column == LABELS[0] else None)
    patients = {image: text_of(row["patient_id"]) for image, row in rows.items()}
    pairs = [(patients.get(first, ""), patients.get(second, "")) for second, first in twins.items()]
    if count := taken_for_one(listing, "patient", pairs):
        listing.notes.append(f"{count} patients have a photograph of another one, by the set's own list: taken for one")
    return listing


def _twins(source: Path, listing: Listing) -> dict[str, str]:
    """The second of each pair of copies -> the first."""
    path = find_table(source, [_DUPLICATES])
    if path is None:
        listing.notes.append(f"no {_DUPLICATES}: photographs that are there twice are found by their pixels alone")
        return {}
    return {row["image_name_2"]: row["image_name_1"] for row in read_rows(path, ["image_name_1", "image_name_2"])}
