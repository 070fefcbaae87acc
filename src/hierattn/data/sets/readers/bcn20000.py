"""BCN20000 -> records.

::

    bcn_20k_train.csv       bcn_filename, age_approx, anatom_site_general, diagnosis, lesion_id, capture_date, sex,
                            split
    bcn_20k_test.csv        the same; some diagnoses are none of the eight (out of distribution), or not given
    BCN_20k_train/          images, at any depth; BCN_20k_test/

The test part is a layout of its own. BCN20000 as the ISIC archive has it is read as ``isic-archive``.

Sources: the authors' code (github.com/imatge-upc/BCN20000) for the table's name, ``bcn_filename``, ``lesion_id`` and
the eight codes of ``diagnosis``; a printed row in public code for the other columns; Hernández-Pérez et al., Scientific
Data 11:641, 2024, for counts and the ninth class of the test part. How that class is written was not to be found:
whatever is none of the eight is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import BCN20000
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, age_of, empty_listing, list_photos
from hierattn.data.source_table import by_id, read_rows, sex_of, table_path, text_of
from hierattn.taxonomy.built_in import EIGHT, codes_of

CODES = codes_of("isic")
TABLE = "bcn_20k_{}.csv"
_MORE = ("age_approx", "anatom_site_general", "sex")


def read_bcn20000(source: Path, images: Path | None = None, label_column: str = "", part: str = "train") -> Listing:
    """List a folder in BCN20000's layout.

    Parameters
    ----------
    source
        The folder of the table.
    images
        The folder of the images where it is not ``source``'s own; searched with all its subfolders.
    label_column
        There is none to choose.
    part
        ``train`` or ``test``.

    Raises
    ------
    TableError
        For a missing table or column, or an image in several rows.
    """
    del label_column
    path = table_path(source, [TABLE.format(part)])
    rows = by_id(path, read_rows(path, ["bcn_filename", "diagnosis", "lesion_id"], _MORE), "bcn_filename")
    listing = empty_listing(BCN20000, domain="dermoscopic")
    folder = ImageFolder.of(source, images, f"BCN_20k_{part}", f"bcn_20k_{part}")

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            label = text_of(row["diagnosis"])
            known = label in CODES
            yield Photo(
                (image,),
                label,
                left_out="" if known else f"diagnosis {label or 'not given'}, none of the eight classes",
                lesion=text_of(row["lesion_id"]),
                age=age_of(row.get("age_approx", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("anatom_site_general", "")).lower(),
            )

    list_photos(listing, path, photos(), folder, EIGHT, words=CODES)
    return listing
