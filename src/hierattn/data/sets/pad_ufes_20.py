"""PAD-UFES-20's own layout -> records (§3.1).

::

    metadata.csv        img_id, patient_id, lesion_id, diagnostic, age, gender, region, fitspatrick, ...
    images/             PAT_<patient>_<lesion>_<number>.png, in images/ or in images/imgs_part_1 ... 3/

An image is looked up by its id without ending, so that a converted set (JPEG) reads unchanged. One patient has
several lesions: the patient is what must not cross folds, and groups join over it.
"""

from __future__ import annotations

from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.catalog import PAD_UFES_20
from hierattn.data.sets.listing import Dropped, ImageFolder, Listing
from hierattn.data.source_table import by_id, find_table, number_of, read_rows, sex_of, text_of
from hierattn.errors import TableError
from hierattn.taxonomy import from_dataset

TABLE = "metadata.csv"
COLUMNS = ("img_id", "patient_id", "lesion_id", "diagnostic")


def read_pad_ufes_20(source: Path, images: Path | None = None) -> Listing:
    """List a folder in PAD-UFES-20's layout.

    Parameters
    ----------
    source
        The folder of ``metadata.csv``.
    images
        The folder of the images where it is not ``source/images``; searched with all its subfolders.

    Raises
    ------
    TableError
        For a missing table or column, an unknown ``diagnostic``, or an id in several rows.
    """
    path = find_table(source, [TABLE]) or source / TABLE
    rows = by_id(path, read_rows(path, COLUMNS, ["age", "gender", "region", "fitspatrick"]), "img_id")
    labels = {}
    for image, row in rows.items():
        try:
            labels[image] = from_dataset("pad", row["diagnostic"].upper())
        except TableError as error:
            raise TableError(f"{path}: {image}: {error}") from None

    own_folder = source / "images"
    folder = ImageFolder(images or (own_folder if own_folder.is_dir() else source))
    listing = Listing(PAD_UFES_20.name, PAD_UFES_20.licence, PAD_UFES_20.citation)
    for image, row in rows.items():
        file = folder.find(image)
        if file is None:
            listing.dropped.append(Dropped(image, "no image file"))
            continue
        listing.records.append(
            Record(
                image=str(file.absolute()),
                label=labels[image],
                lesion=number_of(row["lesion_id"]),
                patient=text_of(row["patient_id"]),
                source=listing.source,
                licence=listing.licence,
                age=number_of(row.get("age", "")),
                sex=sex_of(row.get("gender", "")),
                site=text_of(row.get("region", "")).lower(),
                skin_type=number_of(row.get("fitspatrick", "")),
            )
        )
    folder.finish(listing)
    return listing
