"""ISIC 2019's own layout -> records (§3.1).

::

    ISIC_2019_Training_GroundTruth.csv      image, one column a class (one-hot), UNK
    ISIC_2019_Training_Metadata.csv         image, age_approx, anatom_site_general, lesion_id, sex
    ISIC_2019_Training_Input/               images; unpacked by some tools as Input/Input/

The official test set has the same layout under ``ISIC_2019_Test_``, without lesion ids. Sets in this layout that are
not ISIC's say so in a ``synthetic.json`` (:data:`SYNTHETIC`) beside the tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hierattn.data.image_ids import ImageIndex, image_id
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.catalog import ISIC2019
from hierattn.data.sets.listing import Dropped, ImageFolder, Listing
from hierattn.data.source_table import Row, by_id, find_table, first_few, number_of, read_rows, sex_of, text_of
from hierattn.errors import TableError
from hierattn.taxonomy import codes_of

GROUND_TRUTHS = ("ISIC_2019_Training_GroundTruth.csv", "ISIC_2019_Test_GroundTruth.csv")
SYNTHETIC = "synthetic.json"
"""Marks a set in this layout that holds no photograph; gives its licence."""
_NO_CLASS = {"image", "score_weight", "validation_weight"}  # the last two stand in the test set's table
_DOWNSAMPLED = "_downsampled"  # part of some image names; tools that rename the files drop or keep it


def read_isic2019(source: Path, images: Path | None = None) -> Listing:
    """List a folder in ISIC 2019's layout.

    Parameters
    ----------
    source
        The folder of the two tables.
    images
        The folder of the images where it is not ``source``'s own; searched with all its subfolders.

    Returns
    -------
    Listing
        An image without a lesion id has an empty ``lesion`` and is its own group later. UNK rows are dropped.

    Raises
    ------
    TableError
        For a missing table or column, a row with no class or several, or an id in several rows.
    """
    truth_path = find_table(source, GROUND_TRUTHS) or source / GROUND_TRUTHS[0]
    part = "ISIC_2019_Training_" if "training" in truth_path.name.lower() else "ISIC_2019_Test_"
    truth = by_id(truth_path, read_rows(truth_path, ["image"], [*codes_of("isic"), "UNK", *_NO_CLASS]), "image")
    labels = {image: _label(row, f"{truth_path}: {image}") for image, row in truth.items()}

    own_folder = source / f"{part}Input"
    folder = ImageFolder(images or (own_folder if own_folder.is_dir() else source))
    listing = _named(source)
    metadata = _metadata(source, part, list(truth), listing)
    for image, label in labels.items():
        path = folder.find(*_spellings(image))
        if path is None:
            listing.dropped.append(Dropped(image, "no image file"))
        elif label is None:
            listing.dropped.append(Dropped(image, "label UNK, none of the eight classes"))
        else:
            listing.records.append(_record(path, label, metadata.get(image, {}), listing))
    folder.finish(listing)
    return listing


def _spellings(image: str) -> tuple[str, str, str]:
    stem = image_id(image).stem
    return stem, stem + _DOWNSAMPLED, stem.removesuffix(_DOWNSAMPLED)


def _metadata(source: Path, part: str, images: Sequence[str], listing: Listing) -> dict[str, Row]:
    """The rows of the second table, by the first table's ids."""
    path = find_table(source, [f"{part}Metadata.csv"]) or source / f"{part}Metadata.csv"
    needed = ["image", "lesion_id"] if "Training" in part else ["image"]
    rows = by_id(path, read_rows(path, needed, ["lesion_id", "age_approx", "anatom_site_general", "sex"]), "image")
    index = ImageIndex(rows)
    found = {}
    for image in images:
        numbers = next(filter(None, (index.find(name, anywhere=True) for name in _spellings(image))), [])
        if numbers:
            found[image] = rows[index.names[numbers[0]]]
    if not found:
        raise TableError(
            f"{path} names none of the {len(images)} images of the ground truth, but for example {index.names[0]!r}: "
            f"wanted ids like {images[0]!r}; download both again, for without lesion ids the folds leak"
        )
    lacking = [image for image in images if image not in found]
    if lacking:
        listing.notes.append(
            f"{len(lacking)} of {len(images)} images have no row in {path.name} ({first_few(lacking)}), and "
            f"{len(rows) - len(found)} of its {len(rows)} rows name none: their lesions are unknown, and folds may leak"
        )
    return found


def _label(row: Row, where: str) -> str | None:
    """Our code of a one-hot row; None for UNK.

    An unknown column is an unknown label only where a row uses it, so a harmless extra column does no harm.
    """
    codes = codes_of("isic")
    columns = []
    for column, value in row.items():
        if column in _NO_CLASS:
            continue
        try:
            number = float(value.replace(",", "."))  # a European Excel
        except ValueError:
            if column in codes or column == "UNK":
                raise TableError(f"{where}: {column} is {value!r}, wanted 0 or 1; correct the table") from None
            continue
        if number not in (0.0, 1.0):
            raise TableError(f"{where}: {column} is {value!r}, wanted 0 or 1; correct the table")
        if number == 1.0:
            columns.append(column)
    if len(columns) != 1:
        raise TableError(
            f"{where} has {len(columns)} classes ({', '.join(columns)}), wanted exactly one; correct the row"
        )
    (label,) = columns
    if label == "UNK":
        return None
    if label not in codes:
        raise TableError(f"{where}: unknown label {label!r}, wanted one of {', '.join(codes)}; correct the table")
    return codes[label]


def _record(path: Path, label: str, row: Row, listing: Listing) -> Record:
    return Record(
        image=str(path.absolute()),
        label=label,
        lesion=text_of(row.get("lesion_id", "")),
        source=listing.source,
        licence=listing.licence,
        age=number_of(row.get("age_approx", "")),
        sex=sex_of(row.get("sex", "")),
        site=text_of(row.get("anatom_site_general", "")).lower(),
    )


def _named(source: Path) -> Listing:
    """An empty listing with the set's name and licence: ISIC's, or what ``synthetic.json`` says."""
    marker = source / SYNTHETIC
    if not marker.is_file():
        return Listing(ISIC2019.name, ISIC2019.licence, ISIC2019.citation)
    try:
        values = json.loads(marker.read_text(encoding="utf-8"))
        licence = str(values.get("licence", ""))
    except (OSError, ValueError, AttributeError) as error:
        raise TableError(f"{marker} is not JSON with a licence ({error}): make the synthetic set again") from None
    return Listing("synthetic", licence)
