"""Several sources read as one set: each in its own layout, each with its own name, domain and use.

Identifiers count within a source, but for the parts of one published set: these share theirs (``Record.collection``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import cast, get_args

from hierattn.data.any_table.columns import TableOptions
from hierattn.data.any_table.read_table import LAYOUT as TABLE
from hierattn.data.any_table.read_table import read_any_table
from hierattn.data.any_table.understanding import Understanding
from hierattn.data.prepared_set.folds import JUDGED_ONLY
from hierattn.data.prepared_set.manifest import SHARED_IDS, Domain, Record, Use
from hierattn.data.prepared_set.packed import is_prepared
from hierattn.data.sets.catalog import PUBLIC_SETS
from hierattn.data.sets.layouts import read_source
from hierattn.data.sets.listing import Dropped, Listing, check_ids, use_taxonomy
from hierattn.data.source_table import first_few
from hierattn.errors import DataError, TaxonomyError, UsageError
from hierattn.taxonomy.built_in import BUILT_IN
from hierattn.taxonomy.from_labels import Own, own_classes
from hierattn.taxonomy.mapping import mapping
from hierattn.taxonomy.records import Taxonomy

_FORBIDDEN = frozenset('/\\:*?"<>|')
"""A source's name is part of a folder's, on any system."""


@dataclass(frozen=True)
class Source:
    """One source of a set.

    Attributes
    ----------
    folder
        The data set's folder.
    name
        What the manifest calls it; empty where it is the only one, and has its layout's name.
    layout, images
        As ``read_source`` takes them.
    use
        For training only (``train``), for testing only (``test``), or for both.
    domain
        In the place of the layout's own.
    table
        A table that names the images of ``folder`` and their labels, in the place of a layout.
    """

    folder: Path
    name: str = ""
    layout: str = "auto"
    images: Path | None = None
    use: Use = ""
    domain: str = ""
    table: TableOptions | None = None

    @property
    def used(self) -> str:
        """What it is for, in words."""
        return USES[self.use]


USES: Mapping[Use, str] = {"": "training and test", "train": "training only", "test": "testing only"}


@dataclass(frozen=True)
class SourceCount:
    """One source of a prepared set of several.

    Attributes
    ----------
    name, layout, licence, domains, use
        Which it is, and what it is for; ``domains`` of its photographs.
    images, groups
        Counts.
    shared_groups
        Groups that hold photographs of other sources, too.
    labels
        The source's own label -> the class that it was mapped to -> images.
    """

    name: str
    layout: str
    licence: str
    domains: tuple[str, ...]
    use: Use
    images: int
    groups: int
    shared_groups: int
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def used(self) -> str:
        """What it is for, in words."""
        return USES[self.use]


def parse_sources(
    words: Sequence[Path],
    *,
    layouts: Sequence[str] = (),
    images: Sequence[str] = (),
    domains: Sequence[str] = (),
    train_only: Sequence[str] = (),
    test_only: Sequence[str] = (),
    tables: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    sheet: str = "",
    tell: Callable[[Understanding], None] | None = None,
) -> list[Source]:
    """The sources that a command line names.

    Parameters
    ----------
    words
        Folders, each perhaps as ``NAME=FOLDER``; else a source is called as its folder is.
    layouts, images
        ``VALUE`` for all, or ``NAME=VALUE``, which goes before it. In place of a name, here and below, may stand the
        folder as it was typed.
    domains
        ``NAME=DOMAIN``.
    train_only, test_only
        Names.
    tables
        Files, as ``FILE`` for the only source or ``NAME=FILE``.
    columns, sheet, tell
        As ``TableOptions`` takes them.

    Raises
    ------
    UsageError
        For two sources of one name, an option for a source that is not there, or one that cannot be.

    >>> [source.name for source in parse_sources([Path("a/clinic"), Path("b=a/other")])]
    ['clinic', 'b']
    """
    named = [_named(word, alone=len(words) == 1) for word in words]
    sources = [Source(folder, name) for name, folder in named]
    _check_names(sources)
    settings: dict[str, Mapping[int, str]] = {
        "layout": _valued(sources, "--layout", layouts),
        "images": _valued(sources, "--images", images),
        "domain": _valued(sources, "--domain", domains),
        "table": _valued(sources, "--table", tables),
    }
    if (columns or sheet) and not tables:
        raise UsageError("a column or a sheet without --table: wanted the table that has it")
    use = dict.fromkeys(_chosen(sources, "--train-only", train_only), "train")
    for number in _chosen(sources, "--test-only", test_only):
        if number in use:
            raise UsageError(f"{_called(sources[number])} is --train-only and --test-only: wanted one of them")
        use[number] = "test"
    return [
        Source(
            source.folder,
            source.name,
            settings["layout"].get(number, "auto"),
            Path(settings["images"][number]) if number in settings["images"] else None,
            cast(Use, use.get(number, "")),
            _domain(settings["domain"].get(number, "")),
            TableOptions(Path(settings["table"][number]), columns or {}, sheet, tell)
            if number in settings["table"]
            else None,
        )
        for number, source in enumerate(sources)
    ]


def _named(word: Path, *, alone: bool) -> tuple[str, Path]:
    name, equals, folder = str(word).partition("=")
    if equals and name and folder and not word.exists():
        return name.strip(), Path(folder)
    return ("" if alone else word.resolve().name), word


def _called(source: Source) -> str:
    return source.name or str(source.folder)


def _check_names(sources: Sequence[Source]) -> None:
    first: dict[str, Source] = {}
    for source in sources:
        if bad := sorted(_FORBIDDEN & set(source.name)):
            raise UsageError(f"{source.name!r} is no name for a source: wanted NAME=FOLDER without {' '.join(bad)}")
        if source.name.startswith(".") or not (source.name or len(sources) == 1):
            raise UsageError(f"{source.folder} gives no name for a source: say one, NAME={source.folder}")
        other = first.setdefault(source.name.casefold(), source)
        if other is not source:
            raise UsageError(
                f"two sources are called {source.name} ({other.folder} and {source.folder}): name them, for example "
                f"{source.name}-1={other.folder} {source.name}-2={source.folder}"
            )


def _valued(sources: Sequence[Source], option: str, values: Sequence[str]) -> dict[int, str]:
    """Number of a source -> its value."""
    for_all = [value for value in values if "=" not in value]
    if len(for_all) > 1 or (for_all and option in ("--domain", "--table") and len(sources) > 1):
        raise UsageError(f"{option} {' '.join(for_all)}: wanted NAME=VALUE, of the sources {_listed(sources)}")
    found = {number: for_all[0] for number in range(len(sources)) if for_all}
    for value in values:
        name, equals, setting = value.rpartition("=")
        if equals:
            if not setting:
                raise UsageError(f"{option} {value}: wanted NAME=VALUE")
            found[_number(sources, option, name)] = setting
    return found


def _chosen(sources: Sequence[Source], option: str, names: Sequence[str]) -> list[int]:
    if names and len(sources) == 1:
        raise UsageError(f"{option} with one source: wanted another one that is both trained on and judged, by folds")
    return [_number(sources, option, name) for name in names]


def _number(sources: Sequence[Source], option: str, name: str) -> int:
    for number, source in enumerate(sources):
        if name == source.name or Path(name).resolve() == source.folder.resolve():
            return number
    raise UsageError(f"{option} {name}: no such source; wanted one of {_listed(sources)}")


def _listed(sources: Sequence[Source]) -> str:
    return ", ".join(map(_called, sources))


def _domain(value: str) -> str:
    if value and value not in get_args(Domain):
        raise UsageError(f"domain {value!r}: wanted one of {', '.join(get_args(Domain))}")
    return value


def read_sources(
    sources: Sequence[Source], *, shared_ids: bool = False, taxonomy: Taxonomy | Own | None = None
) -> tuple[list[str], Listing]:
    """List sources as one.

    Parameters
    ----------
    sources
        One without a name is read as it always was.
    shared_ids
        Whether lesions and patients of one name are the same ones in all sources that are no published set.
    taxonomy
        The classes to label with. None: those that all sources have, or the one taxonomy of theirs in which each class
        of the others has its place; ``own``: a class a label of folders and tables.

    Returns
    -------
    list[str], Listing
        The layouts, one a source, and what they hold together.

    Raises
    ------
    UsageError
        For a folder that is not there, or lies in another.
    DataError
        Where the tables do not fit, or two sources hold one file.
    """
    check_folders(sources)
    read = [list_source(source, taxonomy) for source in sources]
    return [layout for layout, _ in read], join_sources(sources, [listing for _, listing in read], shared_ids)


def list_source(source: Source, taxonomy: Taxonomy | Own | None) -> tuple[str, Listing]:
    """The name of one source's layout, and what it holds by itself; errors as of :func:`read_sources`."""
    if source.table is None:
        layout, listing = read_source(source.folder, source.layout, source.images, taxonomy)
        return layout.name, listing
    if source.layout not in ("auto", TABLE):
        raise UsageError(f"--layout {source.layout} and --table {source.table.path}: wanted one of them")
    read = read_any_table(source.folder, source.images, source.table, taxonomy)
    if source.table.tell is not None:
        source.table.tell(read.understanding)
    listing = read.usable()
    listing.guessed = not isinstance(taxonomy, Taxonomy) and listing.taxonomy not in BUILT_IN.values()
    if source.name and listing.splits is not None:
        raise UsageError("a fold column with several sources: wanted --splits with the folds of all")
    return TABLE, listing


def join_sources(sources: Sequence[Source], listings: Sequence[Listing], shared_ids: bool) -> Listing:
    """The listings of :func:`list_source`, one a source, as one; errors as of :func:`read_sources`."""
    if len(sources) == 1 and not sources[0].name:
        return replace(listings[0], records=_as_one_source(listings[0].records))
    named = [of_source(source, listing, shared_ids) for source, listing in zip(sources, listings, strict=True)]
    _refuse_one_file_twice(named)
    _share_taxonomy(named)
    return _joined(named)


def _share_taxonomy(listings: Sequence[Listing]) -> None:
    """Label all listings by the one taxonomy of theirs that has a place for each class; or by all their own labels."""
    own = [listing.taxonomy for listing in listings]
    if all(listing.guessed for listing in listings) and any(taxonomy != own[0] for taxonomy in own):
        joined = own_classes(each.name for taxonomy in own for each in taxonomy.classes)
        for listing in listings:
            use_taxonomy(listing, joined)
            listing.guessed = True
        return
    reasons = []
    for taxonomy in own:
        try:
            for listing in listings:
                images = {record.label for record in listing.records}
                mapping(listing.taxonomy, taxonomy, [code for code in listing.taxonomy.codes if code in images])
        except TaxonomyError as error:
            reasons.append(str(error))
            continue
        for listing in listings:
            use_taxonomy(listing, taxonomy)
        return
    raise TaxonomyError(f"the sources have different classes ({reasons[0]}): say which are meant with --taxonomy FILE")


def _as_one_source(records: Sequence[Record]) -> list[Record]:
    """Without what only tells sources apart; a set of both domains keeps them."""
    domains = len({record.domain for record in records}) > 1
    return [replace(record, own_label="", collection="", domain=record.domain * domains) for record in records]


def check_folders(sources: Sequence[Source]) -> None:
    """Refuse folders that cannot be several sources; of one alone, anything may be asked.

    Raises
    ------
    UsageError
        For a prepared set, one folder twice, or a folder in another.
    """
    if len(sources) == 1 and not sources[0].name:
        return
    for source in sources:
        if is_prepared(source.folder):
            raise UsageError(f"{source.folder} is a prepared set: wanted the folder of photographs that it was made of")
    for one, other in combinations(sources, 2):
        first, second = one.folder.resolve(), other.folder.resolve()
        if first == second and (one.layout, one.images) == (other.layout, other.images):
            raise UsageError(f"{one.folder} and {other.folder} are one folder: wanted each source once")
        if first != second and (first.is_relative_to(second) or second.is_relative_to(first)):
            inner, outer = (one, other) if first.is_relative_to(second) else (other, one)
            raise UsageError(
                f"{inner.folder} lies in {outer.folder}, another source: wanted folders beside each other, for "
                "photographs must not be read twice"
            )


def of_source(source: Source, listing: Listing, shared_ids: bool) -> Listing:
    """A listing whose records bear the source's name."""
    published = listing.source in PUBLIC_SETS or bool(listing.collection)
    own = SHARED_IDS if shared_ids else ""
    collection = (listing.collection or listing.source) if published else own
    records = [
        replace(
            record,
            source=source.name,
            own_label=record.own_label or record.label,
            collection=collection,
            domain=source.domain or record.domain or listing.domain,
            use=source.use,
        )
        for record in listing.records
    ]
    notes = [f"{source.name}: {note}" for note in listing.notes]
    return replace(listing, source=source.name, records=records, notes=notes)


def _refuse_one_file_twice(listings: Sequence[Listing]) -> None:
    first: dict[Path, str] = {}
    twice: list[tuple[str, str, str]] = []
    for listing in listings:
        for record in listing.records:
            other = first.setdefault(Path(record.image).resolve(), listing.source)
            if other != listing.source:
                twice.append((other, listing.source, Path(record.image).name))
    if twice:
        one, other, _ = twice[0]
        names = first_few([name for *_, name in twice])
        raise DataError(
            f"{len(twice)} {'files are' if len(twice) > 1 else 'file is'} in {one} and in {other} ({names}): wanted "
            "each file in one source"
        )


def _joined(listings: Sequence[Listing]) -> Listing:
    whole = Listing(
        " + ".join(listing.source for listing in listings),
        licence="; ".join(dict.fromkeys(listing.licence for listing in listings if listing.licence)),
        citation="; ".join(dict.fromkeys(listing.citation for listing in listings if listing.citation)),
        advice=next((listing.advice for listing in listings if listing.advice), ""),
        taxonomy=listings[0].taxonomy,
        guessed=all(listing.guessed for listing in listings),
    )
    for listing in listings:
        whole.records += listing.records
        whole.dropped += [Dropped(row.image, f"{row.reason} ({listing.source})") for row in listing.dropped]
        whole.unnamed += listing.unnamed
        whole.notes += listing.notes
    collections = defaultdict(list)
    for number, record in enumerate(whole.records):
        if record.collection:
            collections[record.collection].append(number)
    for numbers in collections.values():  # one id in two spellings, in two sources
        if len({whole.records[number].source for number in numbers}) > 1:
            part = Listing("", records=[whole.records[number] for number in numbers])
            check_ids(part)
            for number, record in zip(numbers, part.records, strict=True):
                whole.records[number] = record
            whole.notes += [note for note in part.notes if note not in whole.notes]
    whole.notes += _notes_on_ids(whole.records)
    return whole


def _notes_on_ids(records: Sequence[Record]) -> list[str]:
    """Ids that several sources use and that are taken for different lesions or patients."""
    notes = []
    for kind in ("lesion", "patient"):
        owners: dict[str, set[str]] = defaultdict(set)
        for record in records:
            if (value := getattr(record, kind)) and not record.collection:
                owners[value].add(record.source)
        common = sorted(value for value, sources in owners.items() if len(sources) > 1)
        if common:
            notes.append(
                f"{len(common)} {kind} ids stand in several sources ({first_few(common)}) and are taken for different "
                f"{kind}s: where they are the same ones, say --shared-ids, or folds leak"
            )
    return notes


def as_used(sources: Sequence[Source], folds: int) -> Sequence[Source]:
    """The sources, all of them for testing only where ``folds`` say that the set is only judged.

    Raises
    ------
    UsageError
        Where one is for training only, and the set is only judged.
    """
    if folds != JUDGED_ONLY:
        return sources
    if training := [_called(source) for source in sources if source.use == "train"]:
        raise UsageError(f"--judge-only and --train-only {training[0]}: nothing is trained on the set; leave out one")
    return [replace(source, use="test") for source in sources]


def uses_of(sources: Iterable[Source | SourceCount]) -> str:
    """What several sources are for, in words; empty for one without a name."""
    return ", ".join(f"{source.name} for {source.used}" for source in sources if source.name)


def count_sources(
    sources: Sequence[Source], layouts: Sequence[str], records: Iterable[Record]
) -> tuple[SourceCount, ...]:
    """What a prepared set holds of each source; none where it has one without a name."""
    if not any(source.name for source in sources):
        return ()
    owners: dict[str, set[str]] = defaultdict(set)
    members: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        owners[record.group].add(record.source)
        members[record.source].append(record)
    counts = []
    for source, layout in zip(sources, layouts, strict=True):
        own = members[source.name]
        groups = {record.group for record in own}
        labels: dict[str, Counter[str]] = defaultdict(Counter)
        for record in own:
            labels[record.own_label][record.label] += 1
        counts.append(
            SourceCount(
                source.name,
                layout,
                "; ".join(sorted({record.licence for record in own if record.licence})),
                tuple(sorted({record.domain for record in own})),
                source.use,
                len(own),
                len(groups),
                sum(len(owners[group]) > 1 for group in groups),
                {label: dict(sorted(labels[label].items())) for label in sorted(labels)},
            )
        )
    return tuple(counts)
