"""Prepare a data set: the one place that orders the steps.

list -> decode -> crop, clean -> resize -> pack -> near-duplicates -> join groups -> folds -> check for leaks ->
manifest, audit, splits, pictures.

Everything is made in a folder beside the wanted one and renamed at the end: a folder that has the name is whole. Killed
anywhere, the same call goes on where it was, and ends with the same bytes. A bad image is left out, listed with its
reason, and the rest goes on; ``strict`` stops instead.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hierattn.data.near_duplicates.comparison_picture import BYTES
from hierattn.data.near_duplicates.search import Pair, find_near_duplicates
from hierattn.data.prepare.audit_pictures import write_pictures
from hierattn.data.prepare.packing import COMPARISON, Kept, Progress, pack, strict_error
from hierattn.data.prepare.report import (
    AuditRow,
    PreparationReport,
    count_classes,
    imbalance,
    notes_on_copies,
    notes_on_moved,
    notes_on_near_duplicates,
    read_report,
    write_audit,
    write_info,
    write_near_duplicates,
)
from hierattn.data.prepare.splits import FrozenSplits, apply_splits, extend_splits, named_in, read_splits, write_splits
from hierattn.data.prepare.unchanged import what_changed
from hierattn.data.prepared_set.folds import check_leaks, join_groups, make_folds, refuse_small_classes
from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import AUDIT, INFO, MANIFEST, NEAR_DUPLICATES, SPLITS, is_prepared
from hierattn.data.prepared_set.workspace import check_out, final_folder, recover, relative_path, workspace
from hierattn.data.sets.layouts import Layout, read_source
from hierattn.data.sets.listing import Dropped, Listing
from hierattn.errors import UsageError
from hierattn.image_spec import ColourConstancy, CropRule, ImageSpec


@dataclass(frozen=True)
class Embedding:
    """A network that helps to find near-duplicates.

    Attributes
    ----------
    sha256
        Of the file with its weights.
    embed
        Pictures of comparison_picture.py, uint8 (images, 128, 128), perhaps memory-mapped -> float32 (images, columns).
    """

    sha256: str
    embed: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Job:
    """What was asked for, checked."""

    source: Path
    out: Path
    spec: ImageSpec
    folds: int
    seed: int
    strict: bool
    near_duplicates: bool
    embedding: Embedding | None
    pictures: bool
    splits: FrozenSplits | None
    splits_sha256: str
    extend: bool
    jobs: int
    progress: Progress | None
    comparing: Progress | None


def prepare(
    source: Path,
    out: Path,
    *,
    layout: str = "auto",
    images: Path | None = None,
    size: int = 256,
    crop: CropRule = "surround",
    colour_constancy: ColourConstancy = "none",
    hair_removal: bool = False,
    near_duplicates: bool = True,
    embedding: Embedding | None = None,
    folds: int = 10,
    seed: int = 0,
    splits: Path | None = None,
    extend: bool = False,
    pictures: bool = False,
    strict: bool = False,
    overwrite: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    comparing: Progress | None = None,
) -> PreparationReport:
    """Turn a data set, as its authors publish it, into a folder that training and evaluation read.

    Parameters
    ----------
    source
        The data set's folder, in any layout of ``layouts.LAYOUTS``.
    out
        The folder to make. Where it was made before from the same files with the same settings, nothing is done.
    layout
        The layout's name; ``auto`` tells it by the files.
    images
        Where the images are, if not in ``source``.
    size
        Pixels a side, 32 to 2048. The paper: 256.
    crop
        ``surround`` crops where there is a dark surround, ``paper`` by §3.2.1's literal rule, ``none`` never.
    colour_constancy, hair_removal
        Further cleaning (cleaning.py); off by default. It travels with the weights.
    near_duplicates
        Whether to look for near-duplicates and keep them in one fold (search.py).
    embedding
        A network whose view of the photographs gives more candidates; the same in every preparation that is to have
        the same folds.
    folds, seed
        Of the grouped, stratified folds.
    splits
        A split file (splits.py) that gives the folds instead; images that it does not name are left out.
    extend
        With ``splits``: images that it does not name are dealt to its folds instead of being left out.
    pictures
        Whether to write ``pictures/``: cleaning step by step, and near-duplicates to look at.
    strict
        Stop at images that cannot be used instead of leaving them out.
    overwrite
        Replace ``out`` where it is a prepared folder; it stays until the new one is whole.
    jobs
        Images decoded at once; None: one a core.
    progress, comparing
        Called with (done, all): after every image, and after every pair that may be near-duplicates.

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
    LeakError
        Where a split file puts what belongs together into several folds.
    """
    began = time.perf_counter()
    source, out = Path(source), Path(out)
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    spec = ImageSpec(size=size, crop=crop, colour_constancy=colour_constancy, hair_removal=hair_removal)
    if embedding is not None and not near_duplicates:
        raise UsageError("an embedding without near-duplicates: wanted them looked for; leave out --no-near-duplicates")
    if extend and splits is None:
        raise UsageError("--extend without --splits: wanted the split file whose folds are to be kept")
    recover(out)
    check_out(out)
    frozen = None if splits is None else read_splits(splits)
    job = _Job(
        source,
        out,
        spec,
        folds if frozen is None else frozen.folds,
        seed,
        strict,
        near_duplicates,
        embedding,
        pictures,
        frozen,
        "" if splits is None else hashlib.sha256(splits.read_bytes()).hexdigest(),
        extend,
        jobs or _cores(),
        progress,
        comparing,
    )
    found, listing = read_source(source, layout, images)
    if frozen is not None:
        _leave_out_unnamed(listing, frozen, extend)
    if strict and listing.dropped:
        raise strict_error([f"{row.image}: {row.reason}" for row in listing.dropped])
    if is_prepared(out) and not overwrite:
        return _unchanged(job, listing)
    if frozen is None:
        refuse_small_classes(join_groups(listing.records), folds)  # now, not after an hour of decoding
    return replace(_make(job, found, listing), seconds=time.perf_counter() - began)


def _unchanged(job: _Job, listing: Listing) -> PreparationReport:
    """The report of the folder that is there.

    Raises
    ------
    UsageError
        Where its source or settings are not those asked for.
    """
    changed = what_changed(
        job.out,
        listing,
        image_spec=job.spec,
        folds=job.folds,
        seed=job.seed,
        near_duplicates=job.near_duplicates,
        splits_sha256=job.splits_sha256,
        extend=job.extend,
        embedding_sha256=_digest_of(job.embedding),
    )
    if changed:
        raise UsageError(
            f"{job.out} is a prepared set already, of another source or other settings ({changed}): choose another "
            "folder, or replace it with --overwrite"
        )
    report = read_report(job.out)
    return replace(report, notes=[*report.notes, "prepared before from the same files and settings: nothing was done"])


def _make(job: _Job, found: Layout, listing: Listing) -> PreparationReport:
    an_image = job.spec.size**2 * 3 + (BYTES if job.near_duplicates else 0)
    with workspace(job.out, expected_bytes=len(listing.records) * an_image) as place:
        kept = pack(
            listing.records,
            place,
            job.spec,
            comparison=job.near_duplicates,
            strict=job.strict,
            jobs=job.jobs,
            progress=job.progress,
        )
        pairs = _near_duplicates(job, place.folder)
        records, moved = _with_folds(job, join_groups(kept.records, [(pair.one, pair.other) for pair in pairs]))
        originals = records
        final = final_folder(job.out)
        records = [replace(record, image=relative_path(record.image, final)) for record in records]
        dropped = [replace(row, image=relative_path(row.image, final)) for row in _left_out(listing, kept)]
        write_manifest(place.folder / MANIFEST, records)
        write_audit(place.folder / AUDIT, records, kept.boxes, dropped)
        write_splits(place.folder / SPLITS, records)
        if job.near_duplicates:
            write_near_duplicates(place.folder / NEAR_DUPLICATES, records, pairs)
        if job.pictures:
            write_pictures(place.folder, originals, kept.boxes, pairs, job.spec)
        report = PreparationReport(
            out=job.out,
            source=listing.source,
            licence=listing.licence,
            citation=listing.citation,
            layout=found.name,
            image_spec=job.spec,
            images=len(records),
            cropped=sum(box is not None for box in kept.boxes),
            classes=count_classes(records, job.folds),
            imbalance=imbalance(records),
            folds=job.folds,
            seed=job.seed,
            dropped=dropped,
            notes=[
                *listing.notes,
                *notes_on_copies(records),
                *notes_on_near_duplicates(records, pairs),
                *notes_on_moved(moved),
            ],
            near_duplicates=len(pairs) if job.near_duplicates else None,
            splits_sha256=job.splits_sha256,
            extended=job.extend,
            embedding_sha256=_digest_of(job.embedding),
            manifest_sha256=manifest_sha256(place.folder / MANIFEST),
            seconds=0.0,
        )
        write_info(place.folder / INFO, report, kept.images_sha256)
        (place.folder / COMPARISON).unlink(missing_ok=True)
    return report


def _digest_of(embedding: Embedding | None) -> str:
    return "" if embedding is None else embedding.sha256


def _near_duplicates(job: _Job, folder: Path) -> list[Pair]:
    if not job.near_duplicates:
        return []
    pictures = np.load(folder / COMPARISON, mmap_mode="r", allow_pickle=False)
    embeddings = None if job.embedding is None else job.embedding.embed(pictures)
    return find_near_duplicates(pictures, embeddings=embeddings, jobs=job.jobs, progress=job.comparing)


def _with_folds(job: _Job, records: list[Record]) -> tuple[list[Record], list[Record]]:
    """The records with their folds, and those that are not in the fold that the split file gave them."""
    moved: list[Record] = []
    if job.splits is None:
        records = make_folds(records, job.folds, job.seed)
    elif job.extend:
        records, moved = extend_splits(records, job.splits, job.seed)
    else:
        records = apply_splits(records, job.splits, job.seed)
    check_leaks(records)
    return records, moved


def _leave_out_unnamed(listing: Listing, frozen: FrozenSplits, extend: bool) -> None:
    """Drop the records that a split file does not name, unless it is to be extended."""
    named = named_in(listing.records, frozen)
    if extend:
        return
    reason = f"not named by {frozen.path.name}"
    listing.dropped += [
        Dropped(record.image, reason) for record, one in zip(listing.records, named, strict=True) if not one
    ]
    listing.records = [record for record, one in zip(listing.records, named, strict=True) if one]


def _left_out(listing: Listing, kept: Kept) -> Sequence[AuditRow]:
    """Every image of the source that is not in the set: its row lacks a file, its file is bad or lacks a row."""
    rows = [AuditRow(row.image, "dropped", row.reason) for row in listing.dropped]
    unnamed = [AuditRow(str(path), "dropped", "no row of the table names it") for path in listing.unnamed]
    return rows + kept.dropped + unnamed


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
