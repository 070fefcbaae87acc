"""ISIC 2024 (SLICE-3D) -> records. 401,059 crops of total body photographs; tables are read row by row.

As the challenge gives it out::

    ISIC_2024_Training_GroundTruth.csv      isic_id, malignant
    ISIC_2024_Training_Supplement.csv       isic_id, lesion_id, iddx_1 ... iddx_5, iddx_full, ...
    ISIC_2024_Training_Input/               images, and metadata.csv: isic_id, patient_id, age_approx, sex,
                                            anatom_site_general, image_type, ...

and, under a freer licence, 217,477 of them with ``Permissive_`` in every name. As Kaggle gives it out::

    train-metadata.csv                      all of the columns in one table, target for malignant
    train-image/image/                      images, or train-image.hdf5: a dataset of a file's bytes for each isic_id

The label is ``target`` or ``malignant``, the challenge's own question; ``iddx_1`` ... ``iddx_5`` and ``iddx_full`` can
be asked for. Most photographs have no lesion id: the patient is what keeps them together. Where the table with the
patients is not there, a note says so.

Sources: the challenge's data page (github.com/ImageMarkup/stade, ``data/2024.html``) for files, counts and licences;
Kurtansky et al., Scientific Data 11:884, 2024, and printed heads of Kaggle's tables in public notebooks for columns and
for the HDF5 file. That the archive holds ``metadata.csv`` beside the images is what public code reads; where it is not,
the tables beside the folder are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hierattn.data.hdf5_images import names_in
from hierattn.data.sets.catalog import ISIC2024, ISIC2024_PERMISSIVE
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import (
    Photo,
    PhotoFiles,
    age_of,
    choose_label,
    empty_listing,
    list_photos,
    malignancy_of,
)
from hierattn.data.source_table import Row, columns_in, find_table, once, sex_of, stream_rows, table_path, text_of
from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN

KAGGLE = "train-metadata.csv"
TRUTHS = ("ISIC_2024_Training_GroundTruth.csv", "ISIC_2024_Permissive_Training_GroundTruth.csv")
COLUMNS = ("isic_id", "target", "patient_id")
"""Which tell Kaggle's table from others of that name."""
LABELS = ("malignant", "iddx_1", "iddx_2", "iddx_3", "iddx_4", "iddx_5", "iddx_full")
_STORE = "train-image.hdf5"
_PATIENTS = ("patient_id", "age_approx", "sex", "anatom_site_general")
_WANTED = ("target", "malignant", "lesion_id", *_PATIENTS, *LABELS[1:])


def read_isic2024(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in ISIC 2024's layout, the challenge's or Kaggle's.

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
        For a missing table or column, a label that is neither 0 nor 1, or an id in several rows.
    MissingPackageError
        Where the images are in an HDF5 file and h5py is not installed.
    UsageError
        For another label column.
    """
    column = choose_label("isic2024", label_column, LABELS)
    path = table_path(source, [*TRUTHS, KAGGLE])
    permissive = "permissive" in path.name.lower()
    part = "ISIC_2024_Permissive_Training" if permissive else "ISIC_2024_Training"
    listing = empty_listing(ISIC2024_PERMISSIVE if permissive else ISIC2024, domain="clinical", collection="isic")
    files = _files(source, images, part, path.name.lower() == KAGGLE)
    more = {} if path.name.lower() == KAGGLE else _more(source, part, listing)

    def photos() -> Iterator[Photo]:
        answer = next(iter(columns_in(path, ["target", "malignant"])), "malignant")
        for row in once(path, stream_rows(path, ["isic_id", answer], _WANTED), "isic_id"):
            image = row["isic_id"]
            yield _photo({**row, **more.get(image, {})}, image, row[answer], column, str(path))

    list_photos(listing, path, photos(), files, MALIGNANT_OR_BENIGN if column == LABELS[0] else None)
    if listing.records and not any(record.patient for record in listing.records):
        listing.notes.append(
            f"no table with patient_id, such as metadata.csv of {part}_Input.zip: patients are unknown, and folds leak"
        )
    return listing


def _photo(row: Row, image: str, answer: str, column: str, where: str) -> Photo:
    malignancy = malignancy_of(answer, f"{where}: {image}: malignant")
    label = text_of(row.get(column, "")) if column != "malignant" else malignancy.replace("unknown", "")
    return Photo(
        (image,),
        label,
        malignancy,
        left_out="" if label else f"no {column}",
        lesion=text_of(row.get("lesion_id", "")),
        patient=text_of(row.get("patient_id", "")),
        age=age_of(row.get("age_approx", "")),
        sex=sex_of(row.get("sex", "")),
        site=text_of(row.get("anatom_site_general", "")).lower(),
    )


def _more(source: Path, part: str, listing: Listing) -> Mapping[str, Row]:
    """What the other tables say of each image."""
    rows: dict[str, dict[str, str]] = {}
    shared: dict[str, str] = {}
    for names, columns in (
        ([f"{part}_Supplement.csv"], ("lesion_id", *LABELS[1:])),
        ([f"{part}_Input/metadata.csv", "metadata.csv", f"{part}_Metadata.csv"], _PATIENTS),
    ):
        path = find_table(source, names)
        if path is None:
            listing.notes.append(f"no {names[0]}: without its columns {', '.join(columns[:4])}")
            continue
        for row in once(path, stream_rows(path, ["isic_id"], columns), "isic_id"):
            known = rows.setdefault(row["isic_id"], {})
            known.update((name, shared.setdefault(value, value)) for name, value in row.items() if name != "isic_id")
    return rows


def _files(source: Path, images: Path | None, part: str, kaggle: bool) -> PhotoFiles:
    own, store = "train-image" if kaggle else f"{part}_Input", source / _STORE
    if images is None and kaggle and store.is_file() and not (source / own).is_dir():
        return _Store(store)
    return ImageFolder.of(source, images, own)


class _Store:
    """The photographs in an HDF5 file, by their ids."""

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()
        self._left = dict.fromkeys(names_in(file))

    def find(self, *ids: str) -> Path | None:
        """The photograph of the first of these ids that has one."""
        for name in ids:
            if name in self._left:
                self._left.pop(name)
                return self._file / name
        return None

    def finish(self, listing: Listing) -> None:
        """Put those that no row names into a listing."""
        listing.unnamed += [self._file / name for name in self._left]
