"""What balance reports: counts before and after, class by class, and the tables that it writes beside the manifest."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hierattn.data.balance.oversampling import Change
from hierattn.data.balance.protocol import Protocol, UnderSampling
from hierattn.data.prepare.report import ClassCount, count_classes
from hierattn.data.prepared_set.manifest import Record
from hierattn.files import write_table


@dataclass(frozen=True)
class ClassBalance:
    """One class of a balanced set.

    Attributes
    ----------
    before
        Images of the part that was balanced.
    dropped, copies
        How many were left out and how many were made; ``before - dropped + copies`` is ``after``.
    after
        Images of that part now.
    untouched
        Images of the folds that test and validate; 0 in the paper's protocol.
    hardest_kept
        The largest hardness among the kept; None where no hardness was estimated.
    tied
        Dropped images that are as hard as the hardest kept: what the shuffle decided.
    """

    before: int
    dropped: int
    copies: int
    after: int
    untouched: int
    hardest_kept: float | None = None
    tied: int = 0


@dataclass(frozen=True)
class BalanceReport:
    """What :func:`hierattn.data.balance.balance.balance` did; :meth:`to_dict` for ``--json``.

    Attributes
    ----------
    out
        The balanced folder.
    protocol, fold
        The fold is None in the paper's protocol: the set is good for any.
    under_sampling, target, seed
        As asked for.
    feature, learners, hardness_folds, grouped
        How hardness was estimated; empty, 0 and False where it was not.
    classes
        Code -> counts.
    imbalance_before, imbalance_after
        Largest class over smallest, of the part that was balanced (§3.2.2).
    images
        In the whole folder.
    seconds
        Step -> how long it took.
    notes
        Anything else worth knowing, a line each.
    """

    out: Path
    protocol: Protocol
    fold: int | None
    under_sampling: UnderSampling
    target: int
    seed: int
    feature: str
    learners: list[str]
    hardness_folds: int
    grouped: bool
    classes: dict[str, ClassBalance]
    imbalance_before: float
    imbalance_after: float
    images: int
    seconds: dict[str, float]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "out": str(self.out)}

    def to_info(self, source_manifest: str) -> dict[str, Any]:
        """What ``prepared.json`` keeps: nothing of this run or this machine, so that a repetition gives the same."""
        values = self.to_dict()
        for local in ("out", "seconds", "images"):
            del values[local]
        return values | {"source_manifest_sha256": source_manifest}


def count_balance(
    labels: np.ndarray, kept: np.ndarray, copies: Mapping[str, int], untouched: Mapping[str, int], hardness: Any
) -> dict[str, ClassBalance]:
    """Counts of every class.

    Parameters
    ----------
    labels
        (images,), of the part that was balanced.
    kept
        bool, (images,).
    copies, untouched
        Code -> images.
    hardness
        float64, (images,), or None.
    """
    counts = {}
    for label in sorted(set(labels.tolist())):
        own = labels == label
        hardest = float(hardness[own & kept].max()) if hardness is not None else None
        dropped = own & ~kept
        counts[label] = ClassBalance(
            before=int(own.sum()),
            dropped=int(dropped.sum()),
            copies=copies.get(label, 0),
            after=int((own & kept).sum()) + copies.get(label, 0),
            untouched=untouched.get(label, 0),
            hardest_kept=hardest,
            tied=int((hardness[dropped] == hardest).sum()) if hardness is not None else 0,
        )
    return counts


def classes_with_copies(records: Sequence[Record], folds: int) -> dict[str, dict[str, Any]]:
    """``classes`` of ``prepared.json``: images and folds with the copies, lesions and patients without."""
    place = Counter((record.label, record.fold) for record in records)
    counts: dict[str, ClassCount] = count_classes([record for record in records if record.role == "original"], folds)
    return {
        label: asdict(
            replace(
                count,
                images=sum(place[label, fold] for fold in range(folds)),
                per_fold=[place[label, fold] for fold in range(folds)],
            )
        )
        for label, count in counts.items()
    }


def write_hardness(
    path: Path,
    records: Sequence[Record],
    hardness: np.ndarray,
    ranks: np.ndarray,
    kept: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
) -> None:
    """Write ``hardness.csv``: every image, its hardness, its place in its class (1 is the easiest), and the probability
    that each learner gave to its label; in the manifest's order.
    """
    columns = ("image", "label", "group", "hardness", "rank", "kept", *(f"p_{name}" for name in probabilities))
    write_table(
        path,
        columns,
        (
            (
                record.image,
                record.label,
                record.group,
                f"{hardness[row]:.9f}",
                int(ranks[row]) + 1,
                "yes" if kept[row] else "no",
                *(f"{values[row]:.9f}" for values in probabilities.values()),
            )
            for row, record in enumerate(records)
        ),
    )


def write_copies(path: Path, copies: Sequence[Record], changes: Sequence[Change]) -> None:
    """Write ``copies.csv``: every copy, its parent, and what was drawn for it."""
    columns = ("image", "parent", *Change().to_row())
    rows = ((copy.image, copy.parent, *change.to_row().values()) for copy, change in zip(copies, changes, strict=True))
    write_table(path, columns, rows)


def rewrite_audit(source: Path, target: Path, moved: Callable[[str], str], reasons: Mapping[str, str]) -> None:
    """Copy ``audit.csv``, its paths ``moved``; images with a reason to have been dropped since say so.

    Parameters
    ----------
    reasons
        Image, as ``source`` names it, -> why it is not in the balanced set.
    """
    with source.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    for row in rows:
        if row["image"] in reasons and row["status"] == "kept":
            row |= {"status": "dropped", "reason": reasons[row["image"]]}
        row["image"] = moved(row["image"])
    write_table(target, columns, ([row[column] for column in columns] for row in rows))
