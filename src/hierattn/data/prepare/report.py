"""What prepare reports: counts for the screen and ``prepared.json``, and the audit of every image of the source."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hierattn.data.near_duplicates.search import Pair
from hierattn.data.prepare.decisions import DecisionRecord
from hierattn.data.prepare.sources import SourceCount
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import AUDIT, INFO, NEAR_DUPLICATES, PackedSet, write_info
from hierattn.data.prepared_set.record_table import columns_of
from hierattn.data.sets.listing import Listing
from hierattn.data.source_table import first_few
from hierattn.errors import DataError
from hierattn.files import write_table
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box
from hierattn.preprocessing.hair_removal import SMALLEST
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy

_SHOWN = 12


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
    image_spec
        What every image went through, the crop rule among it.
    images, cropped
        How many were kept, and how many of these were cropped.
    taxonomy
        What the classes are.
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
    near_duplicates
        Pairs that were found and joined; None where they were not looked for.
    splits_sha256
        Of the split file that gave the folds; empty where they were made from the seed.
    manifest_sha256
        Of the manifest.
    seconds
        It took.
    extended
        Whether images that the split file does not name were assigned to its folds.
    embedding_sha256
        Of the weights that helped to find near-duplicates; empty where none did.
    decisions
        What people decided on its labels; None where nothing was.
    sources
        Of a set of several; empty where it has one.
    """

    out: Path
    source: str
    licence: str
    citation: str
    layout: str
    image_spec: ImageSpec
    images: int
    cropped: int
    taxonomy: Taxonomy
    classes: dict[str, ClassCount]
    imbalance: float
    folds: int
    seed: int
    dropped: list[AuditRow]
    notes: list[str]
    near_duplicates: int | None
    splits_sha256: str
    manifest_sha256: str
    seconds: float
    extended: bool = False
    embedding_sha256: str = ""
    decisions: DecisionRecord | None = None
    sources: tuple[SourceCount, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {**asdict(self), "out": str(self.out), "taxonomy": self.taxonomy.to_dict(), "leaks": 0}
        if not self.sources:
            del values["sources"]
        return values


def count_classes(records: Sequence[Record], folds: int) -> dict[str, ClassCount]:
    """Code -> counts, in the order of the codes."""
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


def imbalance(records: Sequence[Record]) -> float:
    """Images of the largest class over images of the smallest (§3.2.2)."""
    images = Counter(record.label for record in records).values()
    return max(images) / min(images)


def template_beside(out: Path) -> Path:
    """Where the classes that were taken from labels are written to be edited."""
    named = out if out.name else out.resolve()  # "." has no name
    return named.with_name(f"{named.name}-taxonomy.toml")


def notes_on_classes(listing: Listing, template: Path) -> list[str]:
    """What was understood of the classes, and what follows where nothing is said of which need a doctor."""
    taxonomy, notes = listing.taxonomy, []
    images = Counter(record.label for record in listing.records)
    if listing.guessed:
        shown = [each.code if each.name == each.code else f"{each.code} ({each.name})" for each in taxonomy.classes]
        notes.append(f"{len(taxonomy.codes)} classes taken from the labels: {first_few(shown, _SHOWN)}")
    elif taxonomy != EIGHT:
        doctor = [code for code in taxonomy.codes if code in taxonomy.triage_group]
        need = f"; {first_few(doctor, _SHOWN)} {'need' if len(doctor) > 1 else 'needs'} a doctor" if doctor else ""
        notes.append(f"classes of the taxonomy {taxonomy.name}: {first_few(taxonomy.codes, _SHOWN)}{need}")
    if empty := [code for code in taxonomy.codes if code not in images] if taxonomy != EIGHT else []:
        notes.append(f"no image of {first_few(empty, _SHOWN)}: a model of this set will not know the class")
    if not taxonomy.has_referral:
        where = f"edit {template}" if template.exists() else f"prepare writes {template}: edit it"
        edit = f"{where} and prepare again with --taxonomy" if listing.guessed else "say refer in the taxonomy"
        notes.append(
            "nothing is said of which classes need a doctor: models of this set give probabilities, and no threshold "
            f"or advice; {edit} to change that"
        )
    return notes


def notes_on_ungrouped(records: Sequence[Record], advice: str) -> list[str]:
    """How many images nothing is known of that would keep them together."""
    alone = sum(not record.lesion and not record.patient for record in records)
    images = f"{alone} of {len(records)} images have neither lesion nor patient"
    return [f"{images}: each is its own group{advice}"] * (alone > 0)


def notes_on_copies(records: Sequence[Record]) -> list[str]:
    """Files with the same bytes under several names, and whether their labels agree."""
    labels: dict[str, set[str]] = {}
    for record in records:
        labels.setdefault(record.sha256, set()).add(record.label)
    copies = len(records) - len(labels)
    if not copies:
        return []
    at_odds = sum(len(own) > 1 for own in labels.values())
    note = f"{copies} {'files are copies' if copies > 1 else 'file is a copy'} of another, byte for byte: in one group"
    return [note + (f"; {at_odds} of them with two labels" if at_odds else "")]


def notes_on_sources(records: Sequence[Record]) -> list[str]:
    """Of several sources: files that stand in more than one, and photographs that cannot be trained on, or judge."""
    holders: dict[str, set[str]] = {}
    for record in records:
        holders.setdefault(record.sha256, set()).add(record.source)
    notes = []
    for source in dict.fromkeys(record.source for record in records):
        copied = sum(record.source == source and len(holders[record.sha256]) > 1 for record in records)
        if copied:
            notes.append(f"{copied} photographs of {source} are in another source, too, byte for byte: in one group")
    tested = {record.group for record in records if record.use == "test"}
    if barred := sum(record.use != "test" and record.group in tested for record in records):
        notes.append(f"{barred} photographs belong to those of a source for testing only: they are never trained on")
    judged = {record.label for record in records if not record.use}
    if not judged:  # all of it is for judging
        return notes
    for use, what in (
        ("train", "trained on and never judged"),
        ("test", "never trained on: no figure has them"),
    ):
        if strange := sorted({record.label for record in records if record.use == use} - judged):
            notes.append(f"classes only in sources for {use}ing only: {', '.join(strange)}; they are {what}")
    return notes


def notes_on_hair(records: Sequence[Record], boxes: Sequence[Box | None]) -> list[str]:
    """How many photographs were too small, once cropped, to look for hairs in."""
    sides = [
        min(record.width, record.height) if box is None else min(box.right - box.left, box.bottom - box.top)
        for record, box in zip(records, boxes, strict=True)
    ]
    small = sum(side < SMALLEST for side in sides)
    if not small:
        return []
    return [f"no hair was looked for in {small} of {len(records)} images: under {SMALLEST} pixels a side"]


def notes_on_near_duplicates(records: Sequence[Record], pairs: Sequence[Pair]) -> list[str]:
    """How many pairs, and how many of them the set's own tables take for two lesions, or give two labels."""
    if not pairs:
        return []
    rows = [(records[pair.one], records[pair.other]) for pair in pairs]
    apart = sum(_are_apart(one, other) for one, other in rows)
    at_odds = sum(one.label != other.label for one, other in rows)
    count = f"{len(pairs)} {'pairs' if len(pairs) > 1 else 'pair'} of near-duplicates: in one group"
    details = f"{apart} of them not known by lesion or patient, {at_odds} with two labels"
    return [f"{count}; {details}; {NEAR_DUPLICATES} lists them"]


def _are_apart(one: Record, other: Record) -> bool:
    """Whether nothing but their looks says that two images belong together."""
    same_lesion = bool(one.lesion) and one.lesion == other.lesion
    same_patient = bool(one.patient) and one.patient == other.patient
    return not (same_lesion or same_patient or one.sha256 == other.sha256)


def write_near_duplicates(path: Path, records: Sequence[Record], pairs: Sequence[Pair]) -> None:
    """Write ``near_duplicates.csv``: the pairs, those that nothing else joins first, then by falling likeness."""
    rows = []
    for pair in ranked_pairs(records, pairs):
        one, other = records[pair.one], records[pair.other]
        known = "no" if _are_apart(one, other) else "yes"
        rows.append((one.image, other.image, pair.likeness, pair.turn, one.label, other.label, known))
    write_table(path, ("one", "other", "likeness", "turn", "label", "other_label", "known"), rows)


def read_near_duplicates(path: Path) -> list[tuple[str, str, float]]:
    """The pairs of :func:`write_near_duplicates` and their likeness; none where there is no such file.

    Raises
    ------
    DataError
        Where it is damaged.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [(row["one"], row["other"], float(row["likeness"])) for row in csv.DictReader(file)]
    except (KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is damaged ({error}): prepare the set again") from None


def ranked_pairs(records: Sequence[Record], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in the order in which a person should look at them."""
    return sorted(
        pairs, key=lambda pair: (not _are_apart(records[pair.one], records[pair.other]), -pair.likeness, pair.one)
    )


def write_audit(
    path: Path,
    records: Sequence[Record],
    boxes: Sequence[Box | None],
    dropped: Sequence[AuditRow],
    decided: Mapping[str, str] | None = None,
) -> None:
    """Write ``audit.csv``: the kept images, in the manifest's order, with what was ``decided`` of them; then those left
    out with their reasons.
    """
    rows = [
        AuditRow(
            record.image,
            "kept",
            (decided or {}).get(record.image, ""),
            "no" if box is None else "yes",
            str(box or ""),
            record.width,
            record.height,
        )
        for record, box in zip(records, boxes, strict=True)
    ]
    columns = columns_of(AuditRow)
    write_table(path, columns, ([getattr(row, column) for column in columns] for row in [*rows, *dropped]))


_LATER = ("extended", "embedding_sha256", "decisions", "sources")  # not in folders of before, which did without


def write_report(folder: Path, report: PreparationReport, images_sha256: str) -> None:
    """Write ``prepared.json``: the report without what belongs to this run or this machine, so that the same source
    prepared again gives the same bytes.
    """
    values = {**report.to_dict(), "dropped": len(report.dropped)}  # the audit lists them
    del values["out"], values["seconds"], values["taxonomy"]
    write_info(folder, values, images_sha256, report.taxonomy)


def read_report(out: Path) -> PreparationReport:
    """The report of a prepared folder, from its files; ``seconds`` is 0.

    Raises
    ------
    DataError
        Where a file is missing or damaged.
    """
    try:
        values = json.loads((out / INFO).read_text(encoding="utf-8"))
        with (out / AUDIT).open(newline="", encoding="utf-8") as file:
            dropped = [
                AuditRow(row["image"], "dropped", row["reason"])
                for row in csv.DictReader(file)
                if row["status"] == "dropped"
            ]
        own = {"out", "dropped", "seconds", "image_spec", "classes", "taxonomy", "decisions", "sources"}
        names = set(PreparationReport.__dataclass_fields__) - own
        decisions = values.get("decisions")
        return PreparationReport(
            out=out,
            dropped=dropped,
            seconds=0.0,
            image_spec=ImageSpec.from_dict(values["image_spec"]),
            taxonomy=PackedSet.open(out).taxonomy,
            classes={code: ClassCount(**count) for code, count in values["classes"].items()},
            decisions=None if decisions is None else DecisionRecord(**decisions),
            sources=tuple(
                SourceCount(**{**count, "domains": tuple(count["domains"])}) for count in values.get("sources", ())
            ),
            **{name: values[name] for name in names if name in values or name not in _LATER},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{out} is damaged ({type(error).__name__}: {error}): prepare it again with --overwrite"
        ) from None
