"""ISIC 2018's Task 3 -> records.

::

    ISIC2018_Task3_Training_GroundTruth.csv         image, one column a class (one-hot); also in a folder of that name,
                                                    as its archive unpacks
    ISIC2018_Task3_Training_LesionGroupings.csv     image, lesion_id, diagnosis_confirm_type
    ISIC2018_Task3_Training_Input/                  images

The validation and the test part have the same tables and folders under ``_Validation_`` and ``_Test_``, without lesion
ids. They are layouts of their own, for folds that mix them with the training part are not the challenge's.

Sources: the challenge's data page (github.com/ImageMarkup/stade, ``data/2018.html``) for files, counts and licence;
the columns of the ground truth are those of the challenge's task (``landing/2018/47.html`` there); those of the lesion
groupings as public code reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import ISIC2018
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, empty_listing, list_photos, one_hot, spellings
from hierattn.data.source_table import by_id, find_table, read_rows, table_path, text_of
from hierattn.taxonomy.built_in import ISIC2018 as CLASSES


def truths(part: str) -> tuple[str, str]:
    """Where a part's ground truth may lie."""
    name = f"ISIC2018_Task3_{part}_GroundTruth"
    return f"{name}.csv", f"{name}/{name}.csv"


def read_isic2018(source: Path, images: Path | None = None, label_column: str = "", part: str = "Training") -> Listing:
    """List a folder in ISIC 2018's layout.

    Parameters
    ----------
    source
        The folder of the tables.
    images
        The folder of the images where it is not ``source``'s own; searched with all its subfolders.
    label_column
        There is none to choose.
    part
        ``Training``, ``Validation`` or ``Test``.

    Raises
    ------
    TableError
        For a missing table or column, a row with no class or several, or an id in several rows.
    """
    del label_column
    path = table_path(source, truths(part))
    truth = by_id(path, read_rows(path, ["image"], CLASSES.codes), "image")
    listing = empty_listing(ISIC2018, domain="dermoscopic", collection="isic")
    lesions = _lesions(source, part, listing)
    folder = ImageFolder.of(source, images, f"ISIC2018_Task3_{part}_Input")

    def photos() -> Iterator[Photo]:
        for image, row in truth.items():
            label = one_hot(row, CLASSES.codes, f"{path}: {image}", skip=["image"])
            lesion = next((lesions[name] for name in spellings(image) if name in lesions), "")
            yield Photo(spellings(image), label, lesion=lesion)

    list_photos(listing, path, photos(), folder, CLASSES)
    return listing


def _lesions(source: Path, part: str, listing: Listing) -> dict[str, str]:
    """Image -> lesion; nothing where the part has no such table."""
    name = f"ISIC2018_Task3_{part}_LesionGroupings.csv"
    path = find_table(source, [name])
    if path is None:
        if part == "Training":
            listing.notes.append(f"no {name}: lesions are unknown, and folds may leak; get it from {ISIC2018.homepage}")
        return {}
    rows = by_id(path, read_rows(path, ["image", "lesion_id"]), "image")
    return {image: text_of(row["lesion_id"]) for image, row in rows.items()}
