"""Pictures to look a preparation over: what each step of cleaning does, and which photographs are near-duplicates.

They hold parts of the photographs: under the set's own licence, and not for publishing without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.hdf5_images import image_bytes
from hierattn.data.near_duplicates.fingerprints import turn
from hierattn.data.near_duplicates.search import Pair
from hierattn.data.prepare.contact_sheet import contact_sheet
from hierattn.data.prepare.report import ranked_pairs
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import CLEANING, CROPPED, IMAGES, PAIRS, PICTURES
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box, crop, find_crop
from hierattn.preprocessing.cleaning import clean
from hierattn.preprocessing.colour_constancy import balance_colours
from hierattn.preprocessing.hair_removal import remove_hair
from hierattn.preprocessing.photograph import read_photograph

_SIDE = 160
_ROWS, _COLUMNS = 8, 8
_MOST_PAIRS = 60


def cleaning_sheet(images: Sequence[np.ndarray], spec: ImageSpec) -> np.ndarray:
    """Every step of cleaning side by side, a row an image, whichever steps ``spec`` asks for.

    Parameters
    ----------
    images
        uint8 RGB, (height, width, 3) each, as read.
    spec
        The last column shows what it makes of the image.

    Returns
    -------
    numpy.ndarray
        One uint8 RGB picture.
    """
    captions = ["as stored", "crop", "hair removal", "shades of grey", "grey world", "max-RGB", "as prepared"]
    cells = []
    for image in images:
        part = np.ascontiguousarray(crop(image, find_crop(image, "surround")))
        balanced = [balance_colours(part, method) for method in ("shades_of_grey", "grey_world", "max_rgb")]
        steps = (image, part, remove_hair(part), *balanced, clean(image, spec)[0])
        cells += [_cell(step) for step in steps]
    return contact_sheet(cells, len(captions), captions * len(images))


def write_pictures(
    folder: Path, records: Sequence[Record], boxes: Sequence[Box | None], pairs: Sequence[Pair], spec: ImageSpec
) -> None:
    """Write ``pictures/`` into a folder that is being prepared.

    Parameters
    ----------
    folder
        Holds ``images.npy``.
    records
        Of its images, with the absolute paths of their files.
    boxes
        What each was cropped to.
    pairs
        Its near-duplicates.
    spec
        What the images went through.
    """
    (folder / PICTURES).mkdir(exist_ok=True)
    shown = [records[row] for row in np.linspace(0, len(records) - 1, min(_ROWS, len(records))).astype(int)]
    _save(folder / CLEANING, cleaning_sheet([_photograph(record) for record in shown], spec))
    cropped = [(record, box) for record, box in zip(records, boxes, strict=True) if box is not None]
    if cropped:
        _save(folder / CROPPED, _crop_sheet(cropped[: _ROWS * _COLUMNS // 2]))
    if pairs:
        packed = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        _save(folder / PAIRS, pairs_sheet(packed, records, ranked_pairs(records, pairs)[:_MOST_PAIRS]))


def pairs_sheet(images: np.ndarray, records: Sequence[Record], pairs: Sequence[Pair]) -> np.ndarray:
    """Near-duplicates beside one another, the second turned as the first lies; likeness and label below."""
    cells, captions = [], []
    for pair in pairs:
        cells += [_cell(images[pair.one]), _cell(turn(images[pair.other], pair.turn))]
        captions += [
            f"{records[pair.one].label} {Path(records[pair.one].image).stem}",
            f"{records[pair.other].label} {pair.likeness:.2f} {Path(records[pair.other].image).stem}",
        ]
    return contact_sheet(cells, min(_COLUMNS, len(cells)), captions)


def _crop_sheet(cropped: Sequence[tuple[Record, Box | None]]) -> np.ndarray:
    """Before and after the crop, beside one another."""
    cells, captions = [], []
    for record, box in cropped:
        image = _photograph(record)
        cells += [_cell(image), _cell(crop(image, box))]
        captions += [Path(record.image).stem, f"to {box}"]
    return contact_sheet(cells, min(_COLUMNS, len(cells)), captions)


def _photograph(record: Record) -> np.ndarray:
    path = Path(record.image)
    return read_photograph(image_bytes(path), name=path.name)


def _cell(image: np.ndarray) -> np.ndarray:
    return ImageSpec(size=_SIDE).resize(np.ascontiguousarray(image))


def _save(path: Path, sheet: np.ndarray) -> None:
    Image.fromarray(sheet).save(path, "JPEG", quality=88)
