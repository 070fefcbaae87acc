"""Your own images, one folder a class -> records.

::

    MEL/  nevus or NV/  ...     the class folder is the one an image lies in; it may lie deeper (clinic_1/MEL/x.jpg)
    groups.csv                  optional: image, lesion, patient (image: path below the source, or the file's name)

Without ``groups.csv`` every image counts as its own lesion. Two photographs of one lesion may then stand on both
sides of a split, and the score will be better than the truth: write the table where you can.
"""

from __future__ import annotations

import re
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.listing import Dropped, Listing, image_files
from hierattn.data.source_table import Row, by_id, read_rows, text_of
from hierattn.errors import TableError
from hierattn.taxonomy import LESIONS

GROUPS = "groups.csv"


def _spelled(name: str) -> str:
    """One spelling for ``Basal_cell-Carcinoma`` and ``basal cell carcinoma``."""
    return re.sub(r"[\s_-]+", " ", name.strip()).lower()


_CODE_OF_NAME = {
    _spelled(name): lesion.code
    for lesion in LESIONS
    for name in (lesion.code, lesion.isic, lesion.ham, lesion.pad, lesion.name)
    if name
}


def label_of_folder(name: str) -> str | None:
    """Our code for a class folder's name: our code, any set's own code, or the clinical name; None if unknown.

    >>> label_of_folder("akiec"), label_of_folder("Basal_Cell_Carcinoma"), label_of_folder("SEK")
    ('ACK', 'BCC', 'BKL')
    """
    return _CODE_OF_NAME.get(_spelled(name))


def read_image_folder(source: Path, images: Path | None = None) -> Listing:
    """List a folder of class folders.

    Parameters
    ----------
    source
        The folder that holds the class folders, and ``groups.csv`` where there is one.
    images
        Where the class folders lie if not in ``source``.

    Raises
    ------
    TableError
        Where an image lies in no class folder, or ``groups.csv`` names one image twice.
    """
    root = images or source
    listing = Listing("folder")
    groups = _read_groups(source / GROUPS)
    unused = dict(groups)
    for path in image_files(root):
        label = label_of_folder(path.parent.name) if path.parent != root else None
        if label is None:
            raise TableError(_wrong_folder(path, root))
        relative = path.relative_to(root).as_posix()
        key = relative if relative in groups else path.name
        row = groups.get(key, {})
        unused.pop(key, None)
        listing.records.append(
            Record(
                image=str(path.absolute()),
                label=label,
                lesion=text_of(row.get("lesion", "")),
                patient=text_of(row.get("patient", "")),
                source=listing.source,
            )
        )
    listing.dropped += [Dropped(image, f"no image file, named by {GROUPS}") for image in unused]
    single = sum(not record.lesion and not record.patient for record in listing.records)
    if single:
        listing.notes.append(
            f"{single} of {len(listing.records)} images have neither lesion nor patient: each is its own group; "
            f"name them in {GROUPS} (image,lesion,patient) for honest folds"
        )
    return listing


def _read_groups(path: Path) -> dict[str, Row]:
    if not path.is_file():
        return {}
    rows = read_rows(path, ["image"])
    if "lesion" not in rows[0] and "patient" not in rows[0]:
        raise TableError(f"{path} has neither a lesion nor a patient column: wanted image,lesion,patient; add one")
    return by_id(path, rows, "image")


def _wrong_folder(path: Path, root: Path) -> str:
    accepted = ", ".join(f"{lesion.code} ({lesion.name})" for lesion in LESIONS)
    if path.parent == root:
        return f"{path} lies in no class folder: wanted a folder a class, named {accepted}; move it into one"
    return f"{path} lies in the folder {path.parent.name!r}: wanted a class folder, named {accepted}; rename it"
