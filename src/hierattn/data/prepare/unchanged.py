"""Whether a prepared folder is still what its source and settings would give: then nothing has to be done again.

Asked before any image is decoded. Tables are read and compared row by row; an image file is read, and its checksum
compared, only where its time is later than the folder's, as make does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hierattn.data.hdf5_images import image_bytes, image_state
from hierattn.data.prepare.decisions import Decided, DecisionRecord
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.report import PreparationReport, read_report
from hierattn.data.prepare.sources import uses_of
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import INFO, PackedSet
from hierattn.data.prepared_set.splits import FrozenSplits
from hierattn.data.sets.listing import Listing
from hierattn.errors import HierAttnError, ImageError
from hierattn.files import relative_path
from hierattn.preprocessing.photo_files import printable


def what_changed(
    out: Path,
    listing: Listing,
    options: PrepareOptions,
    splits: FrozenSplits | None,
    decided: Decided | None = None,
    uses: str = "",
) -> str:
    """In a few words the first difference between ``out`` and what would be made now; empty where there is none."""
    try:
        packed = PackedSet.open(out)
        report = read_report(out)
    except HierAttnError as error:
        return str(error)
    asked: dict[str, object] = {
        "folds": options.folds,
        "seed": options.seed,
        "near-duplicates": options.near_duplicates,
        "splits": "" if splits is None else splits.sha256,
        "extend": options.extend,
        "embedding": options.embedding_sha256,
        "decisions": _decided(None if decided is None else decided.record),
        "source": listing.source,
        "sources": uses,
        "taxonomy": listing.taxonomy,
        **options.image_spec.to_dict(),
    }
    return _other_setting(_settings_of(report), asked) or _other_source(out, packed.records, report, listing)


def _settings_of(report: PreparationReport) -> dict[str, object]:
    return {
        "folds": report.folds,
        "seed": report.seed,
        "near-duplicates": report.near_duplicates is not None,
        "splits": report.splits_sha256,
        "extend": report.extended,
        "embedding": report.embedding_sha256,
        "decisions": _decided(report.decisions),
        "source": report.source,
        "sources": uses_of(report.sources),
        "taxonomy": report.taxonomy,
        **report.image_spec.to_dict(),
    }


def _decided(record: DecisionRecord | None) -> tuple[object, ...]:
    return () if record is None else (list(record.files.values()), record.outer_fold, record.decide_outer_fold)


def _other_setting(made: dict[str, object], asked: dict[str, object]) -> str:
    if asked["splits"]:  # the split file's own folds count, not what --folds says
        made, asked = {**made, "folds": 0}, {**asked, "folds": 0}
    for name, value in asked.items():
        if made[name] != value:
            files = {"splits": "another split file", "embedding": "another embedding", "decisions": "other decisions"}
            files["taxonomy"] = "other classes"
            return files.get(name, f"{name} {made[name]}, now {value}")
    return ""


def _other_source(out: Path, records: Sequence[Record], report: PreparationReport, listing: Listing) -> str:
    final = out.resolve()
    listed = [replace(record, image=relative_path(record.image, final)) for record in listing.records]
    now = {record.image: record for record in listed}
    gone = {row.image for row in report.dropped}  # as the audit writes them
    made = {record.image: record for record in records}
    new = [image for image in now if image not in made and image not in gone]
    missing = [image for image in made if image not in now]
    if new or missing:
        return f"{len(new)} images more and {len(missing)} fewer, for example {(new + missing)[0]}"
    told = {image for row in listing.dropped if (image := _told(row.image, final)) not in now}
    told |= {_told(str(path), final) for path in listing.unnamed}
    if differing := sorted(told ^ (gone - set(now))):
        return f"other files that are left out, for example {differing[0]}"
    for image, record in made.items():
        if _of_tables(record) != _of_tables(now[image]):
            return f"another row of the table for {image}"
    return _other_file(out, records, gone & set(now))


def _told(image: str, out: Path) -> str:
    """As the audit tells it."""
    return printable(relative_path(image, out))


def _of_tables(record: Record) -> Record:
    """What a listing knows of a record."""
    return replace(record, group="", fold=-1, width=0, height=0, sha256="")


def _other_file(out: Path, records: Sequence[Record], unusable: set[str]) -> str:
    made = (out / INFO).stat().st_mtime_ns
    checksums = {record.image: record.sha256 for record in records}
    for image in [*checksums, *sorted(unusable)]:
        path = out / image
        try:
            state = image_state(path)
            if max(state.st_mtime_ns, state.st_ctime_ns) < made:
                continue
            content = image_bytes(path)
        except (OSError, ImageError):
            return f"{image} is gone"
        if hashlib.sha256(content).hexdigest() != checksums.get(image):
            return f"{image} was changed"
    return ""
