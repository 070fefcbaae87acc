"""A prepared folder of rendered lesions, straight from the renderer: large sets for measurements, without files.

Rendering to JPEG and preparing would measure the disk; here pixels go straight into ``images.npy``. Class counts are
whatever is asked for, ISIC 2019's 25,331 images for instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from hierattn.data.engines import Engine, run_in_waves
from hierattn.data.prepare.report import PreparationReport, count_classes, imbalance, write_audit, write_report
from hierattn.data.prepared_set.folds import make_folds
from hierattn.data.prepared_set.manifest import RENDERED, Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import AUDIT, IMAGES, MANIFEST, PREPARED_SET, PackedWriter, check_out
from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import draw_photo
from hierattn.data.rendered.plan import PHOTOS_OF_A_LESION, generator_of
from hierattn.data.rendered.rendered_set import LICENCE, render
from hierattn.files import whole_folder
from hierattn.image_spec import ImageSpec
from hierattn.progress import Progress, silent
from hierattn.taxonomy.built_in import EIGHT

_AT_ONCE = 64


def render_prepared(
    out: Path,
    counts: Mapping[str, int],
    *,
    size: int = 64,
    folds: int = 10,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Render ``counts`` images a class into a new prepared folder, and return it.

    One to four photographs a lesion, as ``hierattn render`` draws them; no near-duplicates. The same arguments give
    the same bytes, with any number of jobs.

    Parameters
    ----------
    out
        A folder that does not exist yet, or is empty.
    counts
        Code -> images; enough for as many lesions as folds.
    size
        Pixels a side, 32 to 1024.
    folds, seed, jobs
        Of the set; processes.
    progress
        Called with images, for the step ``rendering``.

    Raises
    ------
    UsageError, DataError
        Where ``out`` is taken, a number is out of range, or the disk is full.
    """
    check_out(out, overwrite=False)
    records = make_folds(_plan(counts, seed), folds, seed)
    spec = ImageSpec(size=size, crop="none")
    with whole_folder(out, PREPARED_SET, expected_bytes=len(records) * size * size * 3) as place:
        images_sha256 = _write_images(place.folder / IMAGES, records, size, seed, jobs, progress or silent)
        write_manifest(place.folder / MANIFEST, records)
        write_audit(place.folder / AUDIT, records, [None] * len(records), [])
        report = PreparationReport(
            out=out,
            source=RENDERED,
            licence=LICENCE,
            citation="",
            layout="rendered",
            image_spec=spec,
            images=len(records),
            cropped=0,
            taxonomy=EIGHT,
            classes=count_classes(records, folds),
            imbalance=imbalance(records),
            folds=folds,
            seed=seed,
            dropped=[],
            notes=[],
            near_duplicates=None,
            splits_sha256="",
            manifest_sha256=manifest_sha256(place.folder / MANIFEST),
            seconds=0.0,
        )
        write_report(place.folder, report, images_sha256)
    return out


def _write_images(path: Path, records: list[Record], size: int, seed: int, jobs: int, progress: Progress) -> str:
    """Render every record's image into ``path``; the SHA-256 of all pixels."""
    batches = [records[start : start + _AT_ONCE] for start in range(0, len(records), _AT_ONCE)]
    work = partial(_render_batch, size=size, seed=seed)
    engine: Engine = "processes" if jobs > 1 else "threads"
    with PackedWriter(path, size, at_most=len(records)) as writer:
        for images in run_in_waves(work, batches, engine=engine, jobs=jobs, wave=4):
            for image in images:
                writer.append(image)
            progress("rendering", writer.count, len(records))
    return writer.sha256


def _plan(counts: Mapping[str, int], seed: int) -> list[Record]:
    """Records without folds, shuffled; a record's name holds its lesion and its photograph."""
    records = []
    generator = generator_of(seed, 0)
    lesion = 0
    for code, count in sorted(counts.items()):
        left = count
        while left:
            photos = min(left, 1 + int(generator.choice(len(PHOTOS_OF_A_LESION), p=PHOTOS_OF_A_LESION)))
            for photo in range(photos):
                name, identity = f"SYN_{lesion:07d}_{photo}", f"SYN_L{lesion:07d}"
                records.append(Record(name, code, lesion=identity, group=f"lesion:{identity}", source=RENDERED))
            lesion += 1
            left -= photos
    return [records[row] for row in generator.permutation(len(records))]


def _render_batch(records: list[Record], size: int, seed: int) -> np.ndarray:
    """uint8, (records, size, size, 3)."""
    images = np.empty((len(records), size, size, 3), np.uint8)
    for image, record in zip(images, records, strict=True):
        _, lesion, photo = record.image.split("_")
        appearance = draw_appearance(record.label, generator_of(seed, 1, int(lesion)))
        image[:] = render(appearance, draw_photo(generator_of(seed, 2, int(lesion), int(photo))), size).image
    return images
