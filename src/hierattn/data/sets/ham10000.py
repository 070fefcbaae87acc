"""HAM10000's own layout -> records.

::

    HAM10000_metadata.csv           or without an ending, or .tab, as Harvard's Dataverse ships it:
                                    lesion_id, image_id, dx, dx_type, age, sex, localization
    HAM10000_images_part_1/ _2/     images; any folder below the source will do

Its ``akiec`` joins actinic keratosis and intraepithelial carcinoma and is read as ACK; the challenge of 2019 gives
a part of the same images as SCC, which this table cannot tell.
"""

from __future__ import annotations

from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.catalog import HAM10000
from hierattn.data.sets.listing import Dropped, ImageFolder, Listing
from hierattn.data.source_table import by_id, find_table, number_of, read_rows, sex_of, text_of
from hierattn.errors import TableError
from hierattn.taxonomy import from_dataset

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")


def read_ham10000(source: Path, images: Path | None = None) -> Listing:
    """List a folder in HAM10000's layout.

    Parameters
    ----------
    source
        The folder of the table.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.

    Raises
    ------
    TableError
        For a missing table or column, an unknown ``dx``, or an id in several rows.
    """
    path = find_table(source, TABLES) or source / TABLES[0]
    rows = by_id(path, read_rows(path, ["lesion_id", "image_id", "dx"], ["age", "sex", "localization"]), "image_id")
    labels = {}
    for image, row in rows.items():
        try:
            labels[image] = from_dataset("ham", row["dx"].lower())
        except TableError as error:
            raise TableError(f"{path}: {image}: {error}") from None

    folder = ImageFolder(images or source)
    listing = Listing(HAM10000.name, HAM10000.licence, HAM10000.citation)
    for image, row in rows.items():
        file = folder.find(image)
        if file is None:
            listing.dropped.append(Dropped(image, "no image file"))
            continue
        listing.records.append(
            Record(
                image=str(file.absolute()),
                label=labels[image],
                lesion=text_of(row["lesion_id"]),
                source=listing.source,
                licence=listing.licence,
                age=number_of(row.get("age", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("localization", "")).lower(),
            )
        )
    folder.finish(listing)
    return listing
