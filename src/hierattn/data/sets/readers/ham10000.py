"""HAM10000's own layout -> records.

::

    HAM10000_metadata.csv           or without an ending, or .tab, as Harvard's Dataverse ships it:
                                    lesion_id, image_id, dx, dx_type, age, sex, localization
    HAM10000_images_part_1/ _2/     images; any folder below the source will do

Its ``akiec`` joins actinic keratosis and intraepithelial carcinoma and is read as ACK; the challenge of 2019 gives
a part of the same images as SCC, which this table cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import HAM10000
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, age_of, empty_listing, list_photos
from hierattn.data.source_table import by_id, read_rows, sex_of, table_path, text_of
from hierattn.taxonomy.built_in import EIGHT, codes_of

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")


def read_ham10000(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in HAM10000's layout.

    Parameters
    ----------
    source
        The folder of the table.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        There is none to choose.

    Raises
    ------
    TableError
        For a missing table or column, an unknown ``dx``, or an id in several rows.
    """
    del label_column
    path = table_path(source, TABLES)
    rows = by_id(path, read_rows(path, ["lesion_id", "image_id", "dx"], ["age", "sex", "localization"]), "image_id")
    listing = empty_listing(HAM10000, domain="dermoscopic", collection="isic")
    folder = ImageFolder.of(source, images)

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            yield Photo(
                (image,),
                row["dx"].lower(),
                lesion=text_of(row["lesion_id"]),
                age=age_of(row.get("age", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("localization", "")).lower(),
            )

    list_photos(listing, path, photos(), folder, EIGHT, words=codes_of("ham"))
    return listing
