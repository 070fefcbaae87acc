"""PAD-UFES-20's own layout -> records (§3.1).

::

    metadata.csv        img_id, patient_id, lesion_id, diagnostic, age, gender, region, fitspatrick, itch, grew, ...
    images/             PAT_<patient>_<lesion>_<number>.png, in images/ or in images/imgs_part_1 ... 3/

An image is looked up by its id without ending, so that a converted set (JPEG) reads unchanged. One patient has
several lesions: the patient is what must not cross folds, and groups join over it.

What was asked of each lesion is read but for what no photograph needs (``hierattn.taxonomy.questions``). Sex, skin
type and diameter are there for 66 of 414 lesions that were not biopsied and for all that were, in the part at hand: in
this set, whether they are known tells the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import PAD_UFES_20
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, age_of, empty_listing, list_photos, yes_no_of
from hierattn.data.source_table import Row, by_id, number_of, read_rows, sex_of, skin_type_of, table_path, text_of
from hierattn.taxonomy.built_in import EIGHT, codes_of

TABLE = "metadata.csv"
COLUMNS = ("img_id", "patient_id", "lesion_id", "diagnostic")
YES_NO = ("itch", "grew", "hurt", "changed", "bleed", "elevation")
_DIAMETERS = ("diameter_1", "diameter_2")
_MORE = ("age", "gender", "region", "fitspatrick", *YES_NO, *_DIAMETERS, "biopsed")


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
    rows = by_id(path, read_rows(path, COLUMNS, _MORE), "img_id")
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
                site=_SITES.get(region := text_of(row.get("region", "")).lower(), region),
                skin_type=skin_type_of(row.get("fitspatrick", "")),
                clinical=_asked(row),
            )

    list_photos(listing, path, photos(), folder, EIGHT, words=codes_of("pad"))
    return listing


_SITES = {"arm": "upper arm"}  # beside forearm and hand


def _asked(row: Row) -> dict[str, str]:
    """What the patient was asked, by the manifest's columns."""
    said = (number_of(row.get(column, "")) for column in _DIAMETERS)
    widths = [float(width) for width in said if width.replace(".", "", 1).isdecimal()]
    return {
        **{column: yes_no_of(row.get(column, "")) for column in YES_NO},
        "diameter_mm": f"{max(widths):g}" if widths else "",
        "biopsied": yes_no_of(row.get("biopsed", "")),
    }
