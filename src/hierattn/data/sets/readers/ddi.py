"""DDI (Diverse Dermatology Images) -> records: 656 clinical photographs with a pathologist's diagnosis.

::

    ddi_metadata.csv    DDI_ID, DDI_file, skin_tone (12, 34 or 56), malignant, disease
    images/             000001.png ..., or beside the table, as the archive unpacks

The label is ``malignant``, the authors' own question; ``disease``, 78 of them and many with one photograph, can be
asked for. ``skin_tone`` joins two Fitzpatrick types: ``1-2``, ``3-4`` and ``5-6``. The 570 patients are not given:
photographs of one patient are found by their pixels alone.

Sources: the authors' code (github.com/DDI-Dataset/DDI-Code, ``ddi_dataset.py``) for files, columns, skin tones and the
older name ``malignancy(malig=1)``; Daneshjou et al., Science Advances 8:eabq6147, 2022, for counts; public code for
``DDI_ID`` and ``disease``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hierattn.data.sets.catalog import DDI
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, choose_label, empty_listing, list_photos, malignancy_of
from hierattn.data.source_table import by_id, number_of, read_rows, table_path, text_of
from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN

TABLE = "ddi_metadata.csv"
LABELS = ("malignant", "disease")
_OLDER = "malignancy(malig=1)"
_SKIN_TONES = {"12": "1-2", "34": "3-4", "56": "5-6"}


def read_ddi(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in DDI's layout.

    Parameters
    ----------
    source
        The folder of the table.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        Of :data:`LABELS`.

    Raises
    ------
    TableError
        For a missing table or column, a value of ``malignant`` that is neither, or a file in several rows.
    UsageError
        For another label column.
    """
    column = choose_label("ddi", label_column, LABELS)
    path = table_path(source, [TABLE])
    rows = by_id(path, read_rows(path, ["DDI_file"], ["malignant", _OLDER, "disease", "skin_tone"]), "DDI_file")
    listing = empty_listing(DDI, domain="clinical")
    folder = ImageFolder.of(source, images)

    def photos() -> Iterator[Photo]:
        for image, row in rows.items():
            answer = row.get("malignant", row.get(_OLDER, ""))
            malignancy = malignancy_of(answer, f"{path}: {image}: malignant")
            label = text_of(row.get("disease", "")) if column == "disease" else malignancy.replace("unknown", "")
            yield Photo(
                (image, f"{image:0>6}"),  # a spreadsheet makes 1 of 000001
                label.replace("-", " "),
                malignancy,
                left_out="" if label else f"no {column}",
                skin_type=_SKIN_TONES.get(number_of(row.get("skin_tone", "")), ""),
            )

    list_photos(listing, path, photos(), folder, MALIGNANT_OR_BENIGN if column == LABELS[0] else None)
    return listing
