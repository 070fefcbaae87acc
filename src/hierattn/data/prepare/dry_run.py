"""What ``prepare`` understands of its sources, before it decodes a photograph or writes a byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hierattn.data.any_table.understanding import Understanding
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import Job, choose, inputs_of, with_folds
from hierattn.data.prepare.report import (
    ClassCount,
    count_classes,
    notes_on_classes,
    notes_on_ungrouped,
    template_beside,
)
from hierattn.data.prepare.sources import (
    Source,
    SourceCount,
    as_used,
    check_folders,
    count_sources,
    join_sources,
    list_source,
    of_source,
)
from hierattn.data.prepared_set.folds import join_groups, refuse_small_classes
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import check_out, is_prepared
from hierattn.data.prepared_set.splits import read_splits
from hierattn.data.sets.listing import Dropped, Listing
from hierattn.errors import DataError, UsageError
from hierattn.preprocessing.photo_files import printable
from hierattn.progress import silent
from hierattn.taxonomy.records import Taxonomy


@dataclass
class DryRun:
    """What would be prepared.

    Only tables and names of files are read: damaged photographs and near-duplicates are found when it is prepared.

    Attributes
    ----------
    sources
        One a source: layout, images, groups, and how its own labels are mapped. Empty where one cannot be read.
    tables
        What was understood of each ``--table``.
    taxonomy
        The classes; None where they are not known.
    classes
        Code -> counts, without folds.
    images, groups
        How many; images of a group, those of one lesion or patient, stay in one fold.
    left_out
        Images and rows that would be left out, each with its reason.
    notes
        Worth knowing, a line each.
    problems
        Why nothing can be prepared of it, a line each.
    several
        Whether there are several sources.
    """

    sources: Sequence[SourceCount] = ()
    tables: list[Understanding] = field(default_factory=list)
    taxonomy: Taxonomy | None = None
    classes: dict[str, ClassCount] = field(default_factory=dict)
    images: int = 0
    groups: int = 0
    left_out: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    several: bool = False

    @property
    def all_problems(self) -> list[str]:
        """Those of the tables, too."""
        return [*(problem for table in self.tables for problem in table.problems), *self.problems]

    @property
    def of_a_table(self) -> bool:
        """Whether the only source is a table: what was understood of it says all, but for some problems."""
        return bool(self.tables) and not self.several

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; of a single table, those of what was understood of it."""
        if self.of_a_table:
            return {**self.tables[0].to_dict(), "problems": self.all_problems}
        values = {**asdict(self), "taxonomy": None if self.taxonomy is None else self.taxonomy.to_dict()}
        for counts in values["classes"].values():
            del counts["per_fold"]
        return values


def dry_run(sources: Sequence[Source], out: Path, options: PrepareOptions) -> DryRun:
    """Read what ``prepare`` would read before its first photograph, and say what it would do.

    Parameters
    ----------
    sources, out, options
        As ``prepare`` takes them. Nothing is written.

    Returns
    -------
    DryRun
        With all problems that can be seen, where ``prepare`` would stop at the first.

    Raises
    ------
    UsageError
        For a folder that is not there, or options that cannot be.
    """
    check_folders(sources)
    sources = as_used(sources, options.folds)
    seen = DryRun(several=len(sources) > 1)
    splits = None if options.splits is None else read_splits(options.splits)
    layouts, listings = [], []
    for source in sources:
        asked = source.table and replace(source.table, tell=seen.tables.append)
        before = len(seen.tables)
        try:
            layout, listing = list_source(replace(source, table=asked), options.taxonomy)
        except DataError as error:
            if not any(table.problems for table in seen.tables[before:]):
                seen.problems.append(f"{source.name}: {error}" if source.name else str(error))
            continue
        layouts.append(layout)
        listings.append(listing)
    _check_out(seen, sources, out, options)
    if len(listings) == len(sources):
        _join(seen, Job(sources, out, options, splits, silent), layouts, listings)
    seen.notes, seen.problems = list(map(printable, seen.notes)), list(map(printable, seen.problems))
    return seen


def _check_out(seen: DryRun, sources: Sequence[Source], out: Path, options: PrepareOptions) -> None:
    if is_prepared(out) and not options.overwrite:
        seen.notes.append(
            f"{out} is a prepared set already: where it was made of this in this way, nothing is done; else choose "
            "another folder, or replace it with --overwrite"
        )
        return
    try:
        check_out(out, overwrite=options.overwrite, inputs=inputs_of(sources, options))
    except UsageError as error:
        seen.problems.append(str(error))


def _join(seen: DryRun, job: Job, layouts: Sequence[str], listings: Sequence[Listing]) -> None:
    """The listings as one set, and what speaks against it."""
    names = [source.name or listing.source for source, listing in zip(job.sources, listings, strict=True)]
    named = [replace(source, name=name) for source, name in zip(job.sources, names, strict=True)]
    own = {} if job.sources[0].name else _own_words(named[0], listings[0])
    try:
        listing = join_sources(job.sources, listings, job.options.shared_ids)
    except DataError as error:
        seen.problems.append(str(error))
        return
    records: list[Record] = []
    try:
        job = choose(job, listing)
        records = join_groups(listing.records)
        if job.splits is None:
            refuse_small_classes(records, job.folds)
        else:
            with_folds(job, records)
    except DataError as error:
        seen.problems.append(str(error))
    told = {note for table in seen.tables for note in (table.in_short(), *table.notes)}
    told |= {f"{name}: {note}" for name in names for note in told}
    notes = [*listing.notes, *notes_on_ungrouped(records, listing.advice)]
    if not seen.of_a_table:
        notes += notes_on_classes(listing, template_beside(job.out))
    seen.notes += [note for note in notes if note not in told]
    seen.sources = count_sources(named, layouts, [_in_words(record, own) for record in records])
    seen.taxonomy = listing.taxonomy
    seen.classes = count_classes(records, 0)
    seen.images, seen.groups = len(records), len({record.group for record in records})
    seen.left_out = [Dropped(printable(row.image), printable(row.reason)) for row in listing.dropped]
    seen.left_out += [Dropped(printable(str(path)), "no row of the table names it") for path in listing.unnamed]


def _own_words(source: Source, listing: Listing) -> dict[str, Record]:
    """Image -> its record as one of several sources has it: a set of one source does not keep its own labels."""
    return {record.image: record for record in of_source(source, listing, False).records}


def _in_words(record: Record, own: dict[str, Record]) -> Record:
    if record.image not in own:
        return record
    said = own[record.image]
    return replace(record, own_label=said.own_label, source=said.source, domain=said.domain)
