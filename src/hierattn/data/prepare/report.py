"""What prepare reports: counts for the screen and ``prepared.json``, and the audit of every image of the source."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hierattn.data.near_duplicates.search import Pair
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import AUDIT, INFO, NEAR_DUPLICATES, write_info
from hierattn.data.prepared_set.record_table import columns_of
from hierattn.errors import DataError
from hierattn.files import write_table
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box
from hierattn.preprocessing.hair_removal import SMALLEST


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
    """

    out: Path
    source: str
    licence: str
    citation: str
    layout: str
    image_spec: ImageSpec
    images: int
    cropped: int
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "out": str(self.out), "leaks": 0}


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


def ranked_pairs(records: Sequence[Record], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in the order in which a person should look at them."""
    return sorted(
        pairs, key=lambda pair: (not _are_apart(records[pair.one], records[pair.other]), -pair.likeness, pair.one)
    )


def write_audit(
    path: Path, records: Sequence[Record], boxes: Sequence[Box | None], dropped: Sequence[AuditRow]
) -> None:
    """Write ``audit.csv``: the kept images, in the manifest's order, then those left out with their reasons."""
    rows = [
        AuditRow(record.image, "kept", "", "no" if box is None else "yes", str(box or ""), record.width, record.height)
        for record, box in zip(records, boxes, strict=True)
    ]
    columns = columns_of(AuditRow)
    write_table(path, columns, ([getattr(row, column) for column in columns] for row in [*rows, *dropped]))


_LATER = ("extended", "embedding_sha256")  # not in folders of before, which did without


def write_report(folder: Path, report: PreparationReport, images_sha256: str) -> None:
    """Write ``prepared.json``: the report without what belongs to this run or this machine, so that the same source
    prepared again gives the same bytes.
    """
    values = {**report.to_dict(), "dropped": len(report.dropped)}  # the audit lists them
    del values["out"], values["seconds"]
    write_info(folder, values, images_sha256)


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
        names = set(PreparationReport.__dataclass_fields__) - {"out", "dropped", "seconds", "image_spec", "classes"}
        return PreparationReport(
            out=out,
            dropped=dropped,
            seconds=0.0,
            image_spec=ImageSpec.from_dict(values["image_spec"]),
            classes={code: ClassCount(**count) for code, count in values["classes"].items()},
            **{name: values[name] for name in names if name in values or name not in _LATER},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{out} is damaged ({type(error).__name__}: {error}): prepare it again with --overwrite"
        ) from None
