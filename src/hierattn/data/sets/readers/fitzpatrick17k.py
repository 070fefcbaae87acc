"""Fitzpatrick17k -> records: clinical photographs of 114 conditions from two atlases on the web.

::

    fitzpatrick17k.csv      md5hash, fitzpatrick_scale, fitzpatrick_centaur, label, nine_partition_label,
                            three_partition_label, qc, url, url_alphanum
    anywhere                images, called by md5hash or by url_alphanum

The images are not in the set: it gives their addresses, many of which are dead by now. Those that are there are read,
and the others counted. ``nine_partition_label`` and ``three_partition_label`` can be asked for instead of the 114; the
latter also gives malignancy (malignant; benign and non-neoplastic are benign). The skin type is ``fitzpatrick_scale``,
where -1 is unknown. What the authors' dermatologists call ``3 Wrongly labelled`` in ``qc`` is left out. Neither lesions
nor patients are given: photographs of one lesion are found by their pixels alone.

Sources: the authors' repository (github.com/mattgroh/fitzpatrick17k), its table, README and issues 4 to 7, for columns,
licence and dead addresses; its ``train.py`` for the files' names; public code for the values of ``qc``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from hierattn.data.sets.catalog import FITZPATRICK17K
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, choose_label, empty_listing, list_photos
from hierattn.data.source_table import Row, read_rows, refuse_rounded, skin_type_of, table_path, text_of
from hierattn.taxonomy.records import Malignancy

TABLE = "fitzpatrick17k.csv"
LABELS = ("label", "nine_partition_label", "three_partition_label")
_WRONG = "3 wrongly labelled"
_MALIGNANCY: dict[str, Malignancy] = {"malignant": "malignant", "benign": "benign", "non-neoplastic": "benign"}


def read_fitzpatrick17k(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in Fitzpatrick17k's layout.

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
        For a missing table or column, or hashes that a spreadsheet has rounded.
    UsageError
        For another label column.
    """
    column = choose_label("fitzpatrick17k", label_column, LABELS)
    path = table_path(source, [TABLE])
    rows = read_rows(
        path,
        ["md5hash", "label", "three_partition_label"],
        [*LABELS, "fitzpatrick_scale", "fitzpatrick", "qc", "url_alphanum"],
    )
    refuse_rounded(path, "md5hash", (row["md5hash"] for row in rows))
    at_odds = _at_odds(rows, column)
    listing = empty_listing(FITZPATRICK17K, domain="clinical")
    folder = ImageFolder.of(source, images)

    def photos() -> Iterator[Photo]:
        for row in rows:
            label, image, address = text_of(row.get(column, "")), row["md5hash"], row.get("url_alphanum", "")
            reason = "" if label else f"no {column}"
            if row.get("qc", "").lower() == _WRONG:
                reason = "wrongly labelled, by the set's own check"
            elif image in at_odds:
                reason = "has several rows with different labels"
            yield Photo(
                tuple(filter(None, (image, address, address and f"{address}.jpg"))) or ("a row without md5hash",),
                label,
                _MALIGNANCY.get(row["three_partition_label"].lower(), "unknown"),
                left_out=reason,
                skin_type=skin_type_of(row.get("fitzpatrick_scale", "") or row.get("fitzpatrick", "")),
            )

    list_photos(listing, path, photos(), folder)
    return listing


def _at_odds(rows: Sequence[Row], column: str) -> set[str]:
    """Images that have several labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row["md5hash"]].add(row.get(column, ""))
    return {image for image, several in labels.items() if len(several) > 1}
