"""Rendered dermoscopy-like lesions: the embedded default for the demo, the tests and the pictures in the docs.

No photograph and no patient is behind them: they show what the software does, and never how well it would do on skin.

Drawing and rendering are apart. :func:`draw_appearance` draws all that is the lesion, :func:`draw_photo` all that is
the photograph, and :func:`render` draws nothing: several photographs of one lesion are one appearance under several
conditions. :func:`render_set` writes a whole data set in ISIC 2019's own layout.

>>> import numpy as np
>>> lesion = draw_appearance("MEL", np.random.default_rng(0))
>>> first, second = (render(lesion, draw_photo(np.random.default_rng(k)), size=64) for k in (1, 2))
>>> first.image.shape, first.mask.shape
((64, 64, 3), (64, 64))
"""

from __future__ import annotations

import io
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hierattn.data.prepare.contact_sheet import contact_sheet
from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.data.rendered.lesion_appearance import LesionAppearance, draw_appearance
from hierattn.data.rendered.lesion_structures import paint
from hierattn.data.rendered.photo_conditions import PhotoConditions, draw_photo, photograph
from hierattn.data.rendered.plan import PlannedImage, generator_of, plan_set
from hierattn.data.sets.readers.isic2019 import SYNTHETIC, TRUTHS
from hierattn.errors import UsageError
from hierattn.files import FolderKind, check_replaceable, recover, whole_folder, write_json, write_table
from hierattn.processes import undisturbed
from hierattn.progress import Progress, silent
from hierattn.taxonomy.built_in import EIGHT, codes_of

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
IMAGES, MASKS, SHEET = "ISIC_2019_Training_Input", "masks", "contact_sheet.png"
TRUTH, METADATA = TRUTHS["Training"], "ISIC_2019_Training_Metadata.csv"
RENDERED_SET = FolderKind(
    "a rendered set", mark=SYNTHETIC, older=(TRUTH, METADATA, SHEET, f"{IMAGES}/SYN_*.jpg", f"{MASKS}/SYN_*.png")
)
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
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a rendered data set in ISIC 2019's own layout, with masks, and return ``out``.

    The same arguments give the same bytes, with any number of jobs: every lesion and every photograph has a generator
    of its own, derived from the seed and its number. The folder appears whole or not at all.

    Parameters
    ----------
    out
        A folder that does not exist yet, or is empty. Where this very set is there already, nothing is done.
    images
        Number of images; classes are imbalanced about as mildly as ``plan.SHARES`` says.
    size
        Pixels a side.
    seed
        0 or more.
    jobs
        Processes; with more than one a script of your own needs ``if __name__ == "__main__"``.
    progress
        Called after each image, for the step ``rendering``.

    Raises
    ------
    UsageError
        Where ``out`` holds something, or a number is out of range.
    """
    out = Path(out)
    recover(out, RENDERED_SET)
    if _is_made(out, images, size, seed):
        check_replaceable(out, RENDERED_SET)  # whole, and as it was made
        return out
    if out.is_dir() and any(not path.name.startswith(".hierattn.") for path in out.iterdir()):
        raise UsageError(f"{out} is there already and not empty: name a new folder, or remove it first")
    check_replaceable(out, RENDERED_SET)
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"rendered images of {size} pixels: wanted {SMALLEST} to {LARGEST}; set the size accordingly")
    planned = plan_set(images, seed)
    with whole_folder(out, RENDERED_SET) as place:
        _write_images(place.folder, planned, size, seed, jobs, progress or silent)
        _write_tables(place.folder, planned)
        _write_marker(place.folder, planned, size, seed)
        _write_contact_sheet(place.folder, planned)
    return out


def _is_made(out: Path, images: int, size: int, seed: int) -> bool:
    """Whether this set is there already: of a command that was stopped in its last moment, say."""
    try:
        marker = json.loads((out / SYNTHETIC).read_text(encoding="utf-8"))
        return (marker["images"], marker["size"], marker["seed"]) == (images, size, seed)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_images(out: Path, planned: list[PlannedImage], size: int, seed: int, jobs: int, progress: Progress) -> None:
    (out / IMAGES).mkdir()
    (out / MASKS).mkdir()
    work = partial(_encoded, size=size, seed=seed)
    for done, (image, (photo, mask)) in enumerate(zip(planned, _mapped(work, planned, jobs), strict=True), start=1):
        (out / IMAGES / f"{image.image}.jpg").write_bytes(photo)
        (out / MASKS / f"{image.image}.png").write_bytes(mask)
        progress("rendering", done, len(planned))


def _mapped(
    work: Callable[[PlannedImage], tuple[bytes, bytes]], planned: list[PlannedImage], jobs: int
) -> Iterator[tuple[bytes, bytes]]:
    """``map``, in so many processes; by the standard library alone, because rendering needs no extra."""
    if jobs == 1:
        yield from map(work, planned)
        return
    deaf = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is this process's
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=signal.signal, initargs=deaf) as pool:
        try:
            with undisturbed():  # the pool starts its processes when it is given work
                made = pool.map(work, planned, chunksize=16)
            yield from made
        finally:
            pool.shutdown(cancel_futures=True)


def _encoded(image: PlannedImage, size: int, seed: int) -> tuple[bytes, bytes]:
    """The photograph as JPEG, its mask as PNG."""
    rendered = _render_planned(image, size, seed)
    return _encode(rendered.image, "JPEG", quality=95), _encode(rendered.mask.astype(np.uint8) * 255, "PNG")


def _render_planned(image: PlannedImage, size: int, seed: int) -> Rendered:
    appearance = draw_appearance(image.code, generator_of(seed, 1, image.lesion))
    rendered = render(appearance, draw_photo(generator_of(seed, 2, image.lesion, image.photo)), size)
    return _near_duplicate(rendered, generator_of(seed, 3, image.lesion, image.photo)) if image.copy_of else rendered


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
    code_of = codes_of("isic")
    truth = (
        (image.image, *("1.0" if code_of.get(column) == image.code else "0.0" for column in _TRUTH_COLUMNS))
        for image in planned
    )
    write_table(out / TRUTH, ("image", *_TRUTH_COLUMNS), truth)
    metadata = ((image.image, image.age, image.site, image.lesion_id, image.sex) for image in planned)
    write_table(out / METADATA, ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"), metadata)


def _write_marker(out: Path, planned: list[PlannedImage], size: int, seed: int) -> None:
    """What made the set, and the truth that its tables hide: which lesion each image shows, which are copies."""
    marker = {
        "source": RENDERED,
        "licence": LICENCE,
        "seed": seed,
        "size": size,
        "images": len(planned),
        "images_by_class": dict(sorted(Counter(image.code for image in planned).items())),
        "lesions_by_class": dict(sorted(Counter(code for _, code in {(p.lesion, p.code) for p in planned}).items())),
        "near_duplicates": {image.image: image.copy_of for image in planned if image.copy_of},
        "lesion_of": {image.image: image.lesion for image in planned},
    }
    write_json(out / SYNTHETIC, marker, indent=1)


def _write_contact_sheet(out: Path, planned: list[PlannedImage], columns: int = 8) -> None:
    """A row a class: of its first lesions one photograph each, then more of the same where lesions are few."""
    shown: list[PlannedImage] = []
    for code in EIGHT.codes:
        originals = (image for image in planned if image.code == code and not image.copy_of)
        of_class = sorted(originals, key=lambda image: image.photo)
        shown += [of_class[k % len(of_class)] for k in range(columns)]
    pictures = []
    for image in shown:
        with Image.open(out / IMAGES / f"{image.image}.jpg") as picture:
            pictures.append(np.asarray(picture))
    captions = [f"{image.code}, lesion {image.lesion + 1}" for image in shown]
    (out / SHEET).write_bytes(_encode(contact_sheet(pictures, columns, captions), "PNG"))


def _encode(pixels: np.ndarray, kind: str, **options: int) -> bytes:
    """In memory: Pillow does not see that a disk that is filling up took only a part of what it wrote."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
