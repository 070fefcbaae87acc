"""Rendered dermoscopy-like lesions: the embedded default for the demo, the tests and the pictures in the docs.

No photograph and no patient is behind them: they show what the software does, and never how well it would do on skin.

The dice and the deed are apart. :func:`draw_appearance` draws all that is the lesion, :func:`draw_photo` all that is
the photograph, and :func:`render` draws nothing: several photographs of one lesion are one appearance under several
conditions. :func:`render_set` writes a whole data set in ISIC 2019's own layout.

>>> import numpy as np
>>> lesion = draw_appearance("MEL", np.random.default_rng(0))
>>> first, second = (render(lesion, draw_photo(np.random.default_rng(k)), size=64) for k in (1, 2))
>>> first.image.shape, first.mask.shape
((64, 64, 3), (64, 64))
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hierattn.data.prepare.contact_sheet import contact_sheet
from hierattn.data.rendered.lesion_appearance import LesionAppearance, draw_appearance
from hierattn.data.rendered.lesion_structures import paint
from hierattn.data.rendered.photo_conditions import PhotoConditions, draw_photo, photograph
from hierattn.data.rendered.plan import PlannedImage, generator_of, plan_set
from hierattn.errors import UsageError
from hierattn.taxonomy import BY_CODE, CODES

__all__ = [
    "LICENCE",
    "SHEET",
    "LesionAppearance",
    "PhotoConditions",
    "Rendered",
    "draw_appearance",
    "draw_photo",
    "render",
    "render_lesion",
    "render_set",
]

SMALLEST, LARGEST = 16, 1024
LICENCE = "CC0-1.0 (rendered)"
IMAGES, MASKS, MARKER, SHEET = "ISIC_2019_Training_Input", "masks", "synthetic.json", "contact_sheet.png"
TRUTH, METADATA = "ISIC_2019_Training_GroundTruth.csv", "ISIC_2019_Training_Metadata.csv"
_TRUTH_COLUMNS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_WORKING = 128  # smaller pictures are rendered at this size or more and averaged, so that fine structure does not alias


@dataclass(frozen=True, eq=False)
class Rendered:
    """A photograph: ``image`` (size, size, 3) uint8 RGB, and ``mask`` (size, size) bool, True on the lesion."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def render(appearance: LesionAppearance, photo: PhotoConditions, size: int = 256) -> Rendered:
    """Photograph a lesion: the same appearance, photo and size give the same pixels.

    Raises
    ------
    UsageError
        For a size outside 16 to 1024 pixels.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"rendered image of {size} pixels: wanted {SMALLEST} to {LARGEST}; set the size accordingly")
    factor = -(-_WORKING // size)
    plane = photo.plane(size * factor)
    tissue = paint(plane, appearance)
    inside = (tissue.depth > 0) & photo.window(plane.size)
    mask = inside.reshape(size, factor, size, factor).mean((1, 3)) >= 0.5
    return Rendered(photograph(tissue, photo, factor), mask)


def render_lesion(code: str, generator: np.random.Generator, size: int = 256) -> Rendered:
    """Draw a lesion of the class ``code`` and a photograph of it, and render.

    >>> render_lesion("DF", np.random.default_rng(3), size=32).image.dtype
    dtype('uint8')
    """
    return render(draw_appearance(code, generator), draw_photo(generator), size)


def render_set(
    out: Path,
    *,
    images: int = 600,
    size: int = 128,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a rendered data set in ISIC 2019's own layout, with masks, and return ``out``.

    The same arguments give the same bytes: every lesion and every photograph has a generator of its own, derived
    from the seed and its number. The folder appears whole or not at all.

    Parameters
    ----------
    out
        A folder that does not exist yet, or is empty.
    images
        Number of images; classes are imbalanced about as mildly as ``synthetic_plan.SHARES`` says.
    size
        Pixels a side.
    seed
        0 or more.
    progress
        Called with the number of images written and the number wanted, after each image.

    Raises
    ------
    UsageError
        Where ``out`` holds something, or a number is out of range.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and not empty: name a new folder, or remove it first")
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"rendered images of {size} pixels: wanted {SMALLEST} to {LARGEST}; set the size accordingly")
    planned = plan_set(images, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        _write_images(part, planned, size, seed, progress)
        _write_tables(part, planned)
        _write_marker(part, planned, size, seed)
        _write_contact_sheet(part, planned)
        part.chmod(0o755)  # mkdtemp's folders are private
        if out.exists():
            out.rmdir()
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return out


def _write_images(
    out: Path, planned: list[PlannedImage], size: int, seed: int, progress: Callable[[int, int], None] | None
) -> None:
    (out / IMAGES).mkdir()
    (out / MASKS).mkdir()
    for done, one in enumerate(planned, start=1):
        rendered = _render_planned(one, size, seed)
        Image.fromarray(rendered.image).save(out / IMAGES / f"{one.image}.jpg", quality=95)
        Image.fromarray(rendered.mask.astype(np.uint8) * 255).save(out / MASKS / f"{one.image}.png")
        if progress is not None:
            progress(done, len(planned))


def _render_planned(one: PlannedImage, size: int, seed: int) -> Rendered:
    appearance = draw_appearance(one.code, generator_of(seed, 1, one.lesion))
    rendered = render(appearance, draw_photo(generator_of(seed, 2, one.lesion, one.photo)), size)
    return _near_duplicate(rendered, generator_of(seed, 3, one.lesion, one.photo)) if one.copy_of else rendered


def _near_duplicate(rendered: Rendered, generator: np.random.Generator) -> Rendered:
    """The same photograph as another hand would store it: shifted by up to 1 % and encoded once more."""
    most = max(1, rendered.image.shape[0] // 100)
    down, along = (int(step) for step in generator.integers(-most, most + 1, 2))

    def shifted(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, [(most, most), (most, most)] + [(0, 0)] * (values.ndim - 2), mode="edge")
        height, width = values.shape[:2]
        return padded[most + down : most + down + height, most + along : most + along + width]

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shifted(rendered.image))).save(buffer, "JPEG", quality=75)
    buffer.seek(0)
    with Image.open(buffer) as stored:
        return Rendered(np.asarray(stored.convert("RGB")), shifted(rendered.mask))


def _write_tables(out: Path, planned: list[PlannedImage]) -> None:
    with (out / TRUTH).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", *_TRUTH_COLUMNS))
        for one in planned:
            own = BY_CODE[one.code].isic
            writer.writerow((one.image, *("1.0" if column == own else "0.0" for column in _TRUTH_COLUMNS)))
    with (out / METADATA).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "age_approx", "anatom_site_general", "lesion_id", "sex"))
        writer.writerows((one.image, one.age, one.site, one.lesion_id, one.sex) for one in planned)


def _write_marker(out: Path, planned: list[PlannedImage], size: int, seed: int) -> None:
    """What made the set, and the truth that its tables hide: which lesion each image shows, which are copies."""
    marker = {
        "source": "synthetic",
        "licence": LICENCE,
        "seed": seed,
        "size": size,
        "images": len(planned),
        "images_by_class": dict(sorted(Counter(one.code for one in planned).items())),
        "lesions_by_class": dict(sorted(Counter(code for _, code in {(p.lesion, p.code) for p in planned}).items())),
        "near_duplicates": {one.image: one.copy_of for one in planned if one.copy_of},
        "lesion_of": {one.image: one.lesion for one in planned},
    }
    (out / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


def _write_contact_sheet(out: Path, planned: list[PlannedImage], columns: int = 8) -> None:
    """A row a class: of its first lesions one photograph each, then more of the same where lesions are few."""
    shown: list[PlannedImage] = []
    for code in CODES:
        of_class = sorted((one for one in planned if one.code == code and not one.copy_of), key=lambda one: one.photo)
        shown += [of_class[k % len(of_class)] for k in range(columns)]
    pictures = []
    for one in shown:
        with Image.open(out / IMAGES / f"{one.image}.jpg") as picture:
            pictures.append(np.asarray(picture))
    captions = [f"{one.code}, lesion {one.lesion + 1}" for one in shown]
    Image.fromarray(contact_sheet(pictures, columns, captions)).save(out / SHEET)
