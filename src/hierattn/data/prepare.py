"""Prepare a data set: the one place that orders the steps.

list -> decode -> crop -> resize -> pack -> join groups -> folds -> check for leaks -> manifest, audit.

Everything is made in a temporary folder beside the wanted one and renamed at the end: a folder that has the name is
whole. A bad image is left out, listed with its reason, and the rest goes on; ``strict`` stops instead.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hierattn.data.adaptive_crop import Box, find_crop
from hierattn.data.adaptive_crop import crop as cut
from hierattn.data.folds import check_leaks, join_groups, make_folds, refuse_small_classes
from hierattn.data.layouts import read_source
from hierattn.data.listing import Listing
from hierattn.data.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.packed import AUDIT, IMAGES, INFO, MANIFEST, PackedWriter
from hierattn.data.preparation_report import (
    AuditRow,
    PreparationReport,
    count_classes,
    imbalance,
    notes_on_copies,
    write_audit,
    write_info,
)
from hierattn.data.workspace import check_out, final_folder, relative_path, workspace
from hierattn.errors import DataError, ImageError, UsageError
from hierattn.image_spec import CropRule, ImageSpec
from hierattn.photograph import read_image_bytes, read_photograph

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number in all."""


@dataclass(frozen=True)
class _Decoded:
    """One image after its worker: pixels, or the reason why there are none."""

    record: Record
    pixels: np.ndarray | None = None
    box: Box | None = None
    reason: str = ""


@dataclass
class _Kept:
    """What the decoding leaves behind, row by row."""

    records: list[Record] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)
    dropped: list[AuditRow] = field(default_factory=list)
    images_sha256: str = ""


def prepare(
    source: Path,
    out: Path,
    *,
    layout: str = "auto",
    images: Path | None = None,
    size: int = 256,
    crop: CropRule = "surround",
    folds: int = 10,
    seed: int = 0,
    strict: bool = False,
    overwrite: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> PreparationReport:
    """Turn a data set, as its authors publish it, into a folder that training and evaluation read.

    Parameters
    ----------
    source
        The data set's folder, in any layout of ``layouts.LAYOUTS``.
    out
        The folder to make.
    layout
        The layout's name; ``auto`` tells it by the files.
    images
        Where the images are, if not in ``source``.
    size
        Pixels a side, 32 to 2048. The paper: 256.
    crop
        ``surround`` crops where there is a dark surround, ``paper`` by §3.2.1's literal rule, ``none`` never.
    folds, seed
        Of the grouped, stratified folds.
    strict
        Stop at images that cannot be used instead of leaving them out.
    overwrite
        Replace ``out`` where it is a prepared folder; it stays until the new one is whole.
    jobs
        Images decoded at once; None: one a core.
    progress
        Called after every image with (done, all).

    Returns
    -------
    PreparationReport
        Counts, what was left out, and notes.

    Raises
    ------
    UsageError
        For an option out of range, a missing source, or an ``out`` that must not be replaced.
    DataError
        For tables that do not fit, a class with fewer lesions than folds, a full disk, and under ``strict`` any
        image that cannot be used. ``out`` is then as it was.
    """
    began = time.perf_counter()
    source, out = Path(source), Path(out)
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    spec = ImageSpec(size=size, crop=crop)
    check_out(out, overwrite)
    found, listing = read_source(source, layout, images)
    if strict and listing.dropped:
        raise _strict_error([f"{row.image}: {row.reason}" for row in listing.dropped])
    refuse_small_classes(join_groups(listing.records), folds)  # now, not after an hour of decoding

    with workspace(out, expected_bytes=len(listing.records) * size * size * 3) as folder:
        kept = _pack(listing.records, folder, spec, strict=strict, jobs=jobs, progress=progress)
        records = make_folds(join_groups(kept.records), folds, seed)
        check_leaks(records)
        final = final_folder(out)
        records = [replace(record, image=relative_path(record.image, final)) for record in records]
        write_manifest(folder / MANIFEST, records)
        dropped = [replace(row, image=relative_path(row.image, final)) for row in _left_out(listing, kept)]
        write_audit(folder / AUDIT, records, kept.boxes, dropped)
        report = PreparationReport(
            out=out,
            source=listing.source,
            licence=listing.licence,
            citation=listing.citation,
            layout=found.name,
            image_spec=spec,
            images=len(records),
            cropped=sum(box is not None for box in kept.boxes),
            classes=count_classes(records, folds),
            imbalance=imbalance(records),
            folds=folds,
            seed=seed,
            dropped=dropped,
            notes=listing.notes + notes_on_copies(records),
            manifest_sha256=manifest_sha256(folder / MANIFEST),
            seconds=time.perf_counter() - began,
        )
        write_info(folder / INFO, report, kept.images_sha256)
    return report


def _left_out(listing: Listing, kept: _Kept) -> list[AuditRow]:
    """Every image of the source that is not in the set: its row lacks a file, its file is bad or lacks a row."""
    rows = [AuditRow(row.image, "dropped", row.reason) for row in listing.dropped]
    unnamed = [AuditRow(str(path), "dropped", "no row of the table names it") for path in listing.unnamed]
    return rows + kept.dropped + unnamed


def _pack(
    records: Sequence[Record],
    folder: Path,
    spec: ImageSpec,
    *,
    strict: bool,
    jobs: int | None,
    progress: Progress | None,
) -> _Kept:
    """Decode all images into ``folder/images.npy``, in order; keep the rows of those that can be read."""
    kept = _Kept()
    with PackedWriter(folder / IMAGES, spec.size, at_most=len(records)) as writer:
        decoded = _in_parallel(lambda record: _decode(record, spec), records, jobs or _cores())
        for done, one in enumerate(decoded, start=1):
            if one.pixels is None:
                kept.dropped.append(AuditRow(one.record.image, "dropped", one.reason))
                if strict and len(kept.dropped) >= 3:
                    break
            else:
                writer.append(one.pixels)
                kept.records.append(one.record)
                kept.boxes.append(one.box)
            if progress is not None:
                progress(done, len(records))
    if strict and kept.dropped:
        raise _strict_error([row.reason for row in kept.dropped])
    if not kept.records:
        raise DataError(f"none of {len(records)} images can be used; the first: {kept.dropped[0].reason}")
    kept.images_sha256 = writer.sha256
    return kept


def _decode(record: Record, spec: ImageSpec) -> _Decoded:
    """One image from its file to the pixels that are packed."""
    path = Path(record.image)
    try:
        content = read_image_bytes(path, name=path.name)
        photograph = read_photograph(content, name=path.name)
    except ImageError as error:
        return _Decoded(record, reason=str(error))
    box = find_crop(photograph, spec.crop)
    height, width = photograph.shape[:2]
    record = replace(record, width=width, height=height, sha256=hashlib.sha256(content).hexdigest())
    return _Decoded(record, spec.resize(cut(photograph, box)), box)


def _in_parallel(work: Callable[[Record], _Decoded], records: Iterable[Record], jobs: int) -> Iterator[_Decoded]:
    """``map`` over threads, in order, with a bounded number of results in memory.

    Threads do: decoding, resizing, hashing and contours all leave Python's lock. Stopped from outside (Ctrl-C, a full
    disk), what has not begun is not begun.
    """
    waiting: deque[Future[_Decoded]] = deque()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="prepare")
    try:
        for record in records:
            waiting.append(pool.submit(work, record))
            if len(waiting) >= 4 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _strict_error(reasons: list[str]) -> DataError:
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return DataError(
        f"{'; '.join(reasons[:3])}{more}: --strict wants every image usable; leave it out to go on without"
    )
