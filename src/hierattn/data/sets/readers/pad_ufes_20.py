"""PAD-UFES-20's own layout -> records (§3.1).

::

    metadata.csv        img_id, patient_id, lesion_id, diagnostic, age, gender, region, fitspatrick, ...
    images/             PAT_<patient>_<lesion>_<number>.png, in images/ or in images/imgs_part_1 ... 3/

An image is looked up by its id without ending, so that a converted set (JPEG) reads unchanged. One patient has
several lesions: the patient is what must not cross folds, and groups join over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import PAD_UFES_20
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, age_of, empty_listing, list_photos, skin_type_of
from hierattn.data.source_table import by_id, number_of, read_rows, sex_of, table_path, text_of
from hierattn.taxonomy.built_in import EIGHT, codes_of

TABLE = "metadata.csv"
COLUMNS = ("img_id", "patient_id", "lesion_id", "diagnostic")


def read_pad_ufes_20(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in PAD-UFES-20's layout.

    Parameters
    ----------
    source
        The folder of ``metadata.csv``.
    images
        The folder of the images where it is not ``source/images``; searched with all its subfolders.
    label_column
        There is none to choose.

    Raises
    ------
    TableError
        For a missing table or column, an unknown ``diagnostic``, or an id in several rows.
    """
    del label_column
    path = table_path(source, [TABLE])
    rows = by_id(path, read_rows(path, COLUMNS, ["age", "gender", "region", "fitspatrick"]), "img_id")
    listing = empty_listing(PAD_UFES_20, domain="clinical")
    folder = ImageFolder.of(source, images, "images")

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            yield Photo(
                (image,),
                row["diagnostic"].upper(),
                lesion=number_of(row["lesion_id"]),
                patient=text_of(row["patient_id"]),
                age=age_of(row.get("age", "")),
                sex=sex_of(row.get("gender", "")),
                site=text_of(row.get("region", "")).lower(),
                skin_type=skin_type_of(row.get("fitspatrick", "")),
            )

    list_photos(listing, path, photos(), folder, EIGHT, words=codes_of("pad"))
    return listing
