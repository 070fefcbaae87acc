"""Prepare a data set: the one place that orders the steps.

list -> decode -> crop, clean -> resize -> pack -> near-duplicates -> join groups -> folds -> check for leaks ->
manifest, audit, splits, pictures.

Everything is made in a folder beside the final one and renamed at the end: a folder that has the name is whole. Killed
anywhere, the same call resumes where it was, and ends with the same bytes. A bad image is left out and listed with its
reason; ``strict`` stops instead.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hierattn.data.hdf5_images import image_bytes
from hierattn.data.near_duplicates.comparison_picture import BYTES
from hierattn.data.near_duplicates.search import Pair, find_near_duplicates
from hierattn.data.prepare.audit_pictures import write_pictures
from hierattn.data.prepare.decisions import Decided, decide, read_decisions
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.packing import COMPARISON, Packed, pack, strict_error
from hierattn.data.prepare.report import (
    AuditRow,
    PreparationReport,
    count_classes,
    imbalance,
    notes_on_classes,
    notes_on_copies,
    notes_on_hair,
    notes_on_near_duplicates,
    notes_on_sources,
    notes_on_ungrouped,
    read_report,
    template_beside,
    write_audit,
    write_near_duplicates,
    write_report,
)
from hierattn.data.prepare.sources import Source, as_used, count_sources, read_sources, uses_of
from hierattn.data.prepare.unchanged import what_changed
from hierattn.data.prepared_set.asked import answerable
from hierattn.data.prepared_set.folds import JUDGED_ONLY, check_leaks, join_groups, make_folds, refuse_small_classes
from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import (
    AUDIT,
    MANIFEST,
    NEAR_DUPLICATES,
    PICTURES,
    PREPARED_SET,
    SPLITS,
    check_out,
    is_prepared,
)
from hierattn.data.prepared_set.splits import (
    FrozenSplits,
    across_folds,
    apply_splits,
    extend_splits,
    folds_in,
    read_splits,
    refuse_parts,
    write_splits,
)
from hierattn.data.sets.listing import Dropped, Listing
from hierattn.data.source_table import first_few
from hierattn.errors import DataError, UsageError
from hierattn.files import Workspace, cores, recover, relative_path, whole_folder
from hierattn.preprocessing.photo_files import is_printable, printable
from hierattn.progress import Progress, silent
from hierattn.taxonomy.toml_file import write_taxonomy

_JOINING = "belongs to images in several folds of the split file"


@dataclass(frozen=True)
class Job:
    """One preparation: sources, where to and how, and the folds and decisions that files give, once they are read."""

    sources: Sequence[Source]
    out: Path
    options: PrepareOptions
    splits: FrozenSplits | None
    progress: Progress
    decided: Decided | None = None

    @property
    def folds(self) -> int:
        """How many: the split file's, or those asked for."""
        return self.options.folds if self.splits is None else self.splits.folds


def prepare(
    source: Path | Sequence[Source],
    out: Path,
    options: PrepareOptions | None = None,
    *,
    progress: Progress | None = None,
) -> PreparationReport:
    """Turn a data set, as its authors publish it, into a folder that training and evaluation read.

    Parameters
    ----------
    source
        The data set's folder, in any layout of ``layouts.LAYOUTS``; or several sources to be one set, each with its own
        layout and images, so that those of ``options`` are not read.
    out
        The folder to make. Where it was made before from the same files with the same settings, nothing is done.
    options
        How; None: the defaults.
    progress
        Called after every image read, and after every pair compared that may be near-duplicates.

    Returns
    -------
    PreparationReport
        Counts, what was left out, and notes.

    Raises
    ------
    UsageError
        For a missing source, or an ``out`` that must not be replaced.
    DataError
        For tables that do not fit, a class with fewer lesions than folds, a full disk, and under ``strict`` any
        image that cannot be used. ``out`` is then as it was.
    LeakError
        Where a split file puts what belongs together into several folds.
    """
    began = time.perf_counter()
    options = options or PrepareOptions()
    sources = [Source(Path(source), "", options.layout, options.images)] if isinstance(source, Path) else source
    sources = as_used(sources, options.folds)
    out = Path(out)
    recover(out, PREPARED_SET)
    made_before = is_prepared(out) and not options.overwrite
    if not made_before:
        check_out(out, overwrite=options.overwrite, inputs=inputs_of(sources, options))
    splits = None if options.splits is None else read_splits(options.splits)
    layouts, listing = read_sources(sources, shared_ids=options.shared_ids, taxonomy=options.taxonomy)
    job = choose(Job(sources, out, options, splits, progress or silent), listing)
    if made_before:
        return _unchanged(job, listing)
    if job.splits is None:
        refuse_small_classes(join_groups(listing.records), options.folds)  # now, not after an hour of decoding
    while True:
        try:
            report = _make(job, layouts, listing)
            if listing.guessed and not template_beside(out).exists():
                write_taxonomy(template_beside(out), listing.taxonomy, template=True)
            return replace(report, seconds=time.perf_counter() - began)
        except JoiningError as error:  # by their pixels: known only now
            _leave_out_joining(job, listing, error.records)


def choose(job: Job, listing: Listing) -> Job:
    """Leave out of the listing, in place, what its own tables and the options say: all but what decoding will tell.

    Returns
    -------
    Job
        With the folds of the table, and the decisions.

    Raises
    ------
    UsageError
        Where two things give the folds, or decisions come without them.
    DataError
        Where nothing is left, and under ``strict`` where anything is left out.
    """
    options, out, splits = job.options, job.out, job.splits
    if splits is not None and listing.splits is not None:
        raise UsageError(f"--splits {splits.path} and a fold column of the table: wanted one of them")
    splits = splits or listing.splits
    job = replace(job, splits=splits)
    _leave_out(listing, _unwritable(listing, out), "its path is not UTF-8 or has a line's end in it: rename it")
    if not listing.records:
        first = listing.dropped[-1]
        raise DataError(f"no image can be used, for example {printable(first.image)}: {first.reason}")
    if splits is not None and options.extend:
        refuse_parts(splits)
        _leave_out_joining(job, listing, join_groups(listing.records))
    if splits is not None:
        unnamed = [fold is None for fold in folds_in(listing.records, splits)]
        if unused := len(splits.names) - unnamed.count(False):
            listing.notes.append(f"{unused} of {len(splits.names)} rows of {splits.path.name} name no image")
        if not options.extend:
            _leave_out(listing, unnamed, f"not named by {splits.path.name}")
    if options.strict and listing.dropped:
        raise strict_error([f"{row.image}: {row.reason}" for row in listing.dropped])
    if options.decisions:
        job = replace(job, decided=_decide(listing, splits, options))
    return job


def inputs_of(sources: Sequence[Source], options: PrepareOptions) -> list[Path]:
    """The files and folders that a preparation reads."""
    paths = [path for source in sources for path in (source.folder, source.images)]
    paths += [source.table.path for source in sources if source.table is not None]
    return [path for path in (*paths, options.splits, *options.decisions) if path is not None]


def _decide(listing: Listing, splits: FrozenSplits | None, options: PrepareOptions) -> Decided:
    """Apply the tables of decisions to the listing."""
    if splits is None:
        raise UsageError(
            "--decisions without --splits: wanted the splits.csv of the set that was audited, so that every photograph "
            "stays in its fold"
        )
    decided = decide(
        listing.records,
        folds_in(listing.records, splits),
        [read_decisions(path) for path in options.decisions],
        listing.taxonomy.codes,
        content=image_bytes,
        folds=splits.folds,
        outer_fold=options.outer_fold,
        decide_outer_fold=options.decide_outer_fold,
    )
    listing.records = [record for record in decided.records if record.image not in decided.dropped]
    listing.dropped += [Dropped(image, reason) for image, reason in decided.dropped.items()]
    listing.notes += decided.record.notes()
    return decided


def _unchanged(job: Job, listing: Listing) -> PreparationReport:
    """The report of the folder that is there.

    Raises
    ------
    UsageError
        Where its source or settings are not those asked for.
    """
    if changed := what_changed(job.out, listing, job.options, job.splits, job.decided, uses_of(job.sources)):
        check_out(job.out, overwrite=True, inputs=inputs_of(job.sources, job.options))  # as with --overwrite
        raise UsageError(
            f"{job.out} is a prepared set already, of another source or other settings ({changed}): choose another "
            "folder, or replace it with --overwrite"
        )
    report = read_report(job.out)
    return replace(report, notes=[*report.notes, "prepared before from the same files and settings: nothing was done"])


def _make(job: Job, layouts: Sequence[str], listing: Listing) -> PreparationReport:
    options = job.options
    bytes_an_image = options.size**2 * 3 + (BYTES if options.near_duplicates else 0)
    with whole_folder(
        job.out,
        PREPARED_SET,
        inputs=inputs_of(job.sources, options),
        expected_bytes=len(listing.records) * bytes_an_image,
        resumable=True,
    ) as place:
        packed = pack(
            listing.records,
            place,
            options.image_spec,
            comparison=options.near_duplicates,
            strict=options.strict,
            jobs=options.jobs or cores(),
            progress=job.progress,
        )
        pairs = _near_duplicates(job, place.folder)
        rows = {record.image: row for row, record in enumerate(packed.records)}
        decided = [] if job.decided is None else job.decided.pairs
        joined = [(rows[one], rows[other]) for one, other in decided if one in rows and other in rows]
        groups = join_groups(packed.records, [*((pair.one, pair.other) for pair in pairs), *joined])
        originals = with_folds(job, groups)
        records, dropped = _as_seen_from(job.out, originals, _left_out(listing, packed))
        _write_tables(job, place, records, packed, dropped, pairs)
        if options.pictures:
            write_pictures(place.folder, originals, packed.boxes, pairs, options.image_spec)
        notes = notes_on_classes(listing, template_beside(job.out))
        notes += notes_on_ungrouped(records, listing.advice)
        notes += [*notes_on_copies(records), *notes_on_near_duplicates(records, pairs)]
        if any(source.name for source in job.sources):
            notes += notes_on_sources(records)
        if options.hair_removal:
            notes += notes_on_hair(packed.records, packed.boxes)
        report = PreparationReport(
            out=job.out,
            source=listing.source,
            licence=listing.licence,
            citation=listing.citation,
            layout=" + ".join(dict.fromkeys(layouts)),
            image_spec=options.image_spec,
            images=len(records),
            cropped=sum(box is not None for box in packed.boxes),
            taxonomy=listing.taxonomy.asking(answerable(records)),
            classes=count_classes(records, 0 if job.folds == JUDGED_ONLY else job.folds),
            imbalance=imbalance(records),
            folds=job.folds,
            seed=options.seed,
            dropped=dropped,
            notes=[printable(note) for note in (*listing.notes, *notes)],
            near_duplicates=len(pairs) if options.near_duplicates else None,
            splits_sha256="" if job.splits is None else job.splits.sha256,
            extended=options.extend,
            embedding_sha256=options.embedding_sha256,
            decisions=None if job.decided is None else job.decided.record,
            sources=count_sources(job.sources, layouts, records),
            manifest_sha256=manifest_sha256(place.folder / MANIFEST),
            seconds=0.0,
        )
        write_report(place.folder, report, packed.images_sha256)
        (place.folder / COMPARISON).unlink(missing_ok=True)
    return report


def _as_seen_from(
    out: Path, records: Sequence[Record], dropped: Sequence[AuditRow]
) -> tuple[list[Record], list[AuditRow]]:
    """Both with the images' paths relative to ``out``."""
    final = out.resolve()
    return (
        [replace(record, image=relative_path(record.image, final)) for record in records],
        [
            replace(row, image=printable(relative_path(row.image, final)), reason=printable(row.reason))
            for row in dropped
        ],
    )


def _write_tables(
    job: Job,
    place: Workspace,
    records: Sequence[Record],
    packed: Packed,
    dropped: Sequence[AuditRow],
    pairs: Sequence[Pair],
) -> None:
    for name in (NEAR_DUPLICATES, PICTURES):  # of a process that was stopped, and that had other options
        left = place.folder / name
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    write_manifest(place.folder / MANIFEST, records)
    reasons = {} if job.decided is None else job.decided.reasons
    decided = {relative_path(image, job.out.resolve()): reason for image, reason in reasons.items()}
    write_audit(place.folder / AUDIT, records, packed.boxes, dropped, decided)
    write_splits(place.folder / SPLITS, records)
    if job.options.near_duplicates:
        write_near_duplicates(place.folder / NEAR_DUPLICATES, records, pairs)


def _near_duplicates(job: Job, folder: Path) -> list[Pair]:
    options = job.options
    if not options.near_duplicates:
        return []
    pictures = np.load(folder / COMPARISON, mmap_mode="r", allow_pickle=False)
    embeddings = None if options.embedding is None else options.embedding.embed(pictures)
    return find_near_duplicates(pictures, embeddings=embeddings, jobs=options.jobs or cores(), progress=job.progress)


class JoiningError(Exception):
    """New images would join images in several frozen folds.

    Attributes
    ----------
    records
        All, with the groups that their pixels gave them.
    """

    def __init__(self, records: list[Record]) -> None:
        super().__init__()
        self.records = records


def with_folds(job: Job, records: list[Record]) -> list[Record]:
    """Records, with their groups, in the folds of the split file or of the seed.

    Raises
    ------
    JoiningError
        Where new records join frozen folds.
    DataError
        Where a class is too small for the folds, or a split file parts what belongs together.
    """
    if job.splits is None:
        records = make_folds(records, job.folds, job.options.seed)
    elif not job.options.extend:
        records = apply_splits(records, job.splits, job.options.seed)
    elif across_folds(records, job.splits):
        raise JoiningError(records)
    else:
        records = extend_splits(records, job.splits, job.options.seed)
    if job.splits is None:
        check_leaks(records)
    else:
        check_leaks(records, f"correct {job.splits.path}, or make new folds without --splits")
    return records


def _leave_out(listing: Listing, those: Sequence[bool], reason: str) -> None:
    """Drop records, with the reason."""
    listing.dropped += [
        Dropped(record.image, reason) for record, is_out in zip(listing.records, those, strict=True) if is_out
    ]
    listing.records = [record for record, is_out in zip(listing.records, those, strict=True) if not is_out]


def _leave_out_joining(job: Job, listing: Listing, grouped: Sequence[Record]) -> None:
    """Drop the new images that join images in several frozen folds, for they have no honest place."""
    assert job.splits is not None, "only frozen folds can be joined"
    joining = {record.image for record in across_folds(grouped, job.splits)}
    if not joining:
        return
    if job.options.strict:
        raise strict_error([f"{image}: {_JOINING}" for image in sorted(joining)])
    _leave_out(listing, [record.image in joining for record in listing.records], _JOINING)
    listing.notes.append(
        f"{len(joining)} new {'images are' if len(joining) > 1 else 'image is'} left out "
        f"({first_few([Path(image).name for image in sorted(joining)])}): {_JOINING}, and weights of these "
        "folds may have been trained and tested on one lesion or patient"
    )


def _unwritable(listing: Listing, out: Path) -> list[bool]:
    """Which records have a path that no table in UTF-8 can hold, seen from ``out``."""
    final = out.resolve()
    return [not is_printable(relative_path(record.image, final)) for record in listing.records]


def _left_out(listing: Listing, packed: Packed) -> Sequence[AuditRow]:
    """Every image of the source that is not in the set: its row lacks a file, its file is bad or lacks a row."""
    rows = [AuditRow(row.image, "dropped", row.reason) for row in listing.dropped]
    unnamed = [AuditRow(str(path), "dropped", "no row of the table names it") for path in listing.unnamed]
    return rows + packed.dropped + unnamed
