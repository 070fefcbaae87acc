"""ISIC 2019's own layout -> records (§3.1).

::

    ISIC_2019_Training_GroundTruth.csv      image, one column a class (one-hot), UNK
    ISIC_2019_Training_Metadata.csv         image, age_approx, anatom_site_general, lesion_id, sex
    ISIC_2019_Training_Input/               images; unpacked by some tools as Input/Input/

The official test set has the same layout under ``ISIC_2019_Test_``, without lesion ids, and is a layout of its own.
Sets in this layout that are not ISIC's say so in a ``synthetic.json`` beside the tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hierattn.data.image_ids import ImageIndex
from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.data.sets.catalog import ISIC2019, ISIC2019_TEST
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, age_of, empty_listing, list_photos, one_hot, spellings
from hierattn.data.source_table import Row, by_id, find_table, first_few, read_rows, sex_of, table_path, text_of
from hierattn.errors import TableError
from hierattn.taxonomy.built_in import EIGHT, codes_of

TRUTHS = {part: f"ISIC_2019_{part}_GroundTruth.csv" for part in ("Training", "Test")}
SYNTHETIC = "synthetic.json"
"""Marks a set in this layout that holds no photograph; gives its licence."""
_CLASSES = (*codes_of("isic"), "UNK")
_NO_CLASS = ("image", "score_weight", "validation_weight")  # the last two stand in the test set's table


def read_isic2019(source: Path, images: Path | None = None, label_column: str = "", part: str = "Training") -> Listing:
    """List a folder in ISIC 2019's layout.

    Parameters
    ----------
    source
        The folder of the two tables.
    images
        The folder of the images where it is not ``source``'s own; searched with all its subfolders.
    label_column
        There is none to choose.
    part
        ``Training`` or ``Test``; also the test part where it is alone.

    Returns
    -------
    Listing
        An image without a lesion id has an empty ``lesion`` and is its own group later. UNK rows are dropped.

    Raises
    ------
    TableError
        For a missing table or column, a row with no class or several, or an id in several rows.
    """
    del label_column
    if find_table(source, [TRUTHS[part]]) is None and find_table(source, [TRUTHS["Test"]]):
        part = "Test"  # alone in its folder
    path = table_path(source, [TRUTHS[part]])
    truth = by_id(path, read_rows(path, ["image"], [*_CLASSES, *_NO_CLASS]), "image")
    labels = {image: one_hot(row, _CLASSES, f"{path}: {image}", _NO_CLASS) for image, row in truth.items()}

    folder = ImageFolder.of(source, images, f"ISIC_2019_{part}_Input")
    listing = _named(source, part)
    metadata = _metadata(source, part, list(truth), listing)

    def photos() -> Iterator[Photo]:
        for image, label in labels.items():
            row = metadata.get(image, {})
            yield Photo(
                spellings(image),
                label,
                left_out="label UNK, none of the eight classes" if label == "UNK" else "",
                lesion=text_of(row.get("lesion_id", "")),
                age=age_of(row.get("age_approx", "")),
                sex=sex_of(row.get("sex", "")),
                site=text_of(row.get("anatom_site_general", "")).lower(),
            )

    list_photos(listing, path, photos(), folder, EIGHT, words=codes_of("isic"))
    return listing


def _metadata(source: Path, part: str, images: Sequence[str], listing: Listing) -> dict[str, Row]:
    """The rows of the second table, by the first table's ids."""
    name = f"ISIC_2019_{part}_Metadata.csv"
    path = table_path(source, [name])
    needed = ["image", "lesion_id"] if part == "Training" else ["image"]
    rows = by_id(path, read_rows(path, needed, ["lesion_id", "age_approx", "anatom_site_general", "sex"]), "image")
    index = ImageIndex(rows)
    found = {}
    for image in images:
        numbers = next(filter(None, (index.find(name, anywhere=True) for name in spellings(image))), [])
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


def _named(source: Path, part: str) -> Listing:
    """An empty listing with the set's name and licence: ISIC's, or what ``synthetic.json`` says."""
    marker = source / SYNTHETIC
    if not marker.is_file():
        public = ISIC2019 if part == "Training" else ISIC2019_TEST
        return empty_listing(public, domain="dermoscopic", collection="isic")
    try:
        values = json.loads(marker.read_text(encoding="utf-8"))
        licence = str(values.get("licence", ""))
    except (OSError, ValueError, AttributeError) as error:
        raise TableError(f"{marker} is not JSON with a licence ({error}): make the synthetic set again") from None
    return Listing(RENDERED, licence)
