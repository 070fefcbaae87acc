"""Prepare a data set: the one place that orders the steps.

list -> decode -> crop -> resize -> pack -> join groups -> folds -> check for leaks -> manifest, audit.

Everything is made in a temporary folder beside the wanted one and renamed at the end: a folder that has the name is
whole. A bad image is left out, listed with its reason, and the rest goes on; ``strict`` stops instead.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

import hierattn
from hierattn.data.adaptive_crop import Box, CropRule, find_crop
from hierattn.data.adaptive_crop import crop as cut
from hierattn.data.folds import check_leaks, join_groups, make_folds, refuse_small_classes
from hierattn.data.layouts import read_source
from hierattn.data.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.packed import AUDIT, FORMAT, IMAGES, INFO, MANIFEST, PackedWriter, is_prepared
from hierattn.errors import DataError, ImageError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.photograph import read_image_bytes, read_photograph

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number in all."""


@dataclass(frozen=True)
class AuditRow:
    """What became of one image of the source."""

    image: str
    status: str
    reason: str = ""
    cropped: str = "no"
    box: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class ClassCount:
    """One class of a prepared set.

    Attributes
    ----------
    images, lesions, patients, groups
        Counts. An image without a lesion id counts as one lesion; ``patients`` is 0 where the set names none.
    per_fold
        Images in each fold.
    """

    images: int
    lesions: int
    patients: int
    groups: int
    per_fold: list[int]


@dataclass(frozen=True)
class PreparationReport:
    """What prepare did; :meth:`to_dict` for ``--json``.

    Attributes
    ----------
    out
        The prepared folder.
    source, licence, citation, layout
        Which set, and how it was read.
    image_spec, crop
        What every image went through.
    images, cropped
        How many were kept, and how many of these were cropped.
    classes
        Code -> counts.
    imbalance
        Images of the largest class over images of the smallest (§3.2.2).
    folds, seed
        As asked for.
    dropped
        The images left out, each with its reason.
    notes
        Anything else worth knowing, a line each.
    manifest_sha256
        Of the manifest.
    seconds
        It took.
    """

    out: Path
    source: str
    licence: str
    citation: str
    layout: str
    image_spec: ImageSpec
    crop: str
    images: int
    cropped: int
    classes: dict[str, ClassCount]
    imbalance: float
    folds: int
    seed: int
    dropped: list[AuditRow]
    notes: list[str]
    manifest_sha256: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "out": str(self.out), "leaks": 0}


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
    if crop not in get_args(CropRule):
        raise UsageError(f"crop {crop!r}: wanted one of {', '.join(get_args(CropRule))}")
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    spec = ImageSpec(size=size, crop=crop != "none")
    _check_out(out, overwrite)
    found, listing = read_source(source, layout, images)
    if strict and listing.dropped:
        raise _strict_error([f"{row.image}: {row.reason}" for row in listing.dropped])
    refuse_small_classes(join_groups(listing.records), folds)  # now, not after an hour of decoding

    with _workspace(out, expected_bytes=len(listing.records) * size * size * 3) as folder:
        kept = _pack(listing.records, folder, spec, crop, strict=strict, jobs=jobs, progress=progress)
        records = make_folds(join_groups(kept.records), folds, seed)
        check_leaks(records)
        final = _final_folder(out)
        records = [replace(record, image=_relative(record.image, final)) for record in records]
        write_manifest(folder / MANIFEST, records)
        dropped = [AuditRow(row.image, "dropped", row.reason) for row in listing.dropped] + kept.dropped
        dropped += [AuditRow(str(path), "dropped", "no row of the table names it") for path in listing.unnamed]
        dropped = [replace(row, image=_relative(row.image, final)) for row in dropped]
        _write_audit(folder / AUDIT, records, kept.boxes, dropped)
        report = PreparationReport(
            out=out,
            source=listing.source,
            licence=listing.licence,
            citation=listing.citation,
            layout=found.name,
            image_spec=spec,
            crop=crop,
            images=len(records),
            cropped=sum(box is not None for box in kept.boxes),
            classes=_count(records, folds),
            imbalance=_imbalance(records),
            folds=folds,
            seed=seed,
            dropped=dropped,
            notes=listing.notes + _notes_on_copies(records),
            manifest_sha256=manifest_sha256(folder / MANIFEST),
            seconds=time.perf_counter() - began,
        )
        _write_info(folder / INFO, report, kept.images_sha256)
    return report


# --- decoding ---------------------------------------------------------------------------------------------------


def _pack(
    records: Sequence[Record],
    folder: Path,
    spec: ImageSpec,
    rule: CropRule,
    *,
    strict: bool,
    jobs: int | None,
    progress: Progress | None,
) -> _Kept:
    """Decode all images into ``folder/images.npy``, in order; keep the rows of those that can be read."""
    kept = _Kept()
    with PackedWriter(folder / IMAGES, spec.size, at_most=len(records)) as writer:
        decoded = _in_parallel(lambda record: _decode(record, spec, rule), records, jobs or _cores())
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


def _decode(record: Record, spec: ImageSpec, rule: CropRule) -> _Decoded:
    """One image from its file to the pixels that are packed."""
    path = Path(record.image)
    try:
        content = read_image_bytes(path, name=path.name)
        photograph = read_photograph(content, name=path.name)
    except ImageError as error:
        return _Decoded(record, reason=str(error))
    box = find_crop(photograph, rule)
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


# --- folders ----------------------------------------------------------------------------------------------------


def _check_out(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file: wanted a folder to make; choose another name")
    if not is_prepared(out):
        raise UsageError(f"{out} is not empty and not a prepared set: nothing in it is touched; choose another folder")
    if not overwrite:
        raise UsageError(f"{out} is a prepared set already: choose another folder, or replace it with --overwrite")


@contextmanager
def _workspace(out: Path, expected_bytes: int) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` at the end, or vanishes."""
    folder = out.with_name(f".{out.name}.part-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if free < expected_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        folder.mkdir()
        yield folder
        _put_in_place(folder, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"no space for {out} ({error.strerror}): about {expected_bytes / 1e9:.2g} GB are wanted; "
                "free some, or choose another disk or a smaller --size; nothing was left there"
            ) from None
        raise DataError(f"{out} cannot be written ({error.strerror or error}): choose another folder") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, out: Path) -> None:
    """Rename; a former ``out`` steps aside first and comes back if that fails."""
    if not out.exists():
        folder.rename(out)
        return
    former = out.with_name(f".{out.name}.former-{os.getpid()}")
    out.rename(former)
    try:
        folder.rename(out)
    except BaseException:
        former.rename(out)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _final_folder(out: Path) -> Path:
    """``out`` as an absolute path without links, so that relative paths from it lead where they should."""
    return out.parent.resolve() / out.name


def _relative(image: str, folder: Path) -> str:
    """An image's path relative to the manifest's folder, with forward slashes; an id that is no path as it is."""
    path = Path(image)
    if not path.is_absolute():
        return image
    path = path.parent.resolve() / path.name
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return path.as_posix()


# --- what is told -----------------------------------------------------------------------------------------------


def _count(records: Sequence[Record], folds: int) -> dict[str, ClassCount]:
    counts = {}
    for label in sorted({record.label for record in records}):
        own = [record for record in records if record.label == label]
        place = Counter(record.fold for record in own)
        counts[label] = ClassCount(
            images=len(own),
            lesions=len({record.lesion or f"image {record.image}" for record in own}),
            patients=len({record.patient for record in own if record.patient}),
            groups=len({record.group for record in own}),
            per_fold=[place[fold] for fold in range(folds)],
        )
    return counts


def _imbalance(records: Sequence[Record]) -> float:
    images = Counter(record.label for record in records).values()
    return max(images) / min(images)


def _notes_on_copies(records: Sequence[Record]) -> list[str]:
    """Files with the same bytes under several names, and whether their labels agree."""
    labels: dict[str, set[str]] = {}
    for record in records:
        labels.setdefault(record.sha256, set()).add(record.label)
    copies = len(records) - len(labels)
    if not copies:
        return []
    at_odds = sum(len(found) > 1 for found in labels.values())
    told = f"{copies} {'files are copies' if copies > 1 else 'file is a copy'} of another, byte for byte: in one group"
    return [told + (f"; {at_odds} of them with two labels" if at_odds else "")]


def _write_audit(
    path: Path, records: Sequence[Record], boxes: Sequence[Box | None], dropped: Sequence[AuditRow]
) -> None:
    rows = [
        AuditRow(record.image, "kept", "", "no" if box is None else "yes", str(box or ""), record.width, record.height)
        for record, box in zip(records, boxes, strict=True)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(AuditRow.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in [*rows, *dropped])


def _write_info(path: Path, report: PreparationReport, images_sha256: str) -> None:
    values = report.to_dict()
    for local in ("out", "dropped", "seconds"):  # of this run or this machine, and the audit has the second
        del values[local]
    values |= {
        "format": FORMAT,
        "hierattn": hierattn.__version__,
        "dropped": len(report.dropped),
        "images_sha256": images_sha256,
    }
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
