"""What to look at: likely label errors, pictures of something else, and copies whose labels contradict one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from hierattn.audit.held_out import HeldOut
from hierattn.audit.label_errors import find_label_errors
from hierattn.data.prepare.decisions import Finding, table_digest, table_label, table_name
from hierattn.data.prepare.report import read_near_duplicates
from hierattn.data.prepared_set.packed import NEAR_DUPLICATES, PackedSet
from hierattn.preprocessing.photo_quality import hidden_problems, judge_photo
from hierattn.progress import Progress, silent

LABEL, OFF_TOPIC, COPIES = "label", "off-topic", "copies"
KINDS = {
    LABEL: "Likely label errors",
    OFF_TOPIC: "Pictures of something else",
    COPIES: "Copies with two labels",
}
"""Kind of finding -> its heading."""

STRANGE = 4.0
"""Robust standard deviations above the median from which a photograph is strange."""
_NOT_SKIN = {"colour": "its colours are not skin's", "flat": "hardly anything in it differs from the skin around"}


@dataclass(frozen=True)
class Found:
    """A finding, with what the page shows of it.

    Attributes
    ----------
    finding
        The row of the table.
    row
        Of the prepared set.
    given, suggested
        Codes; ``suggested`` may be empty.
    """

    finding: Finding
    row: int
    given: str
    suggested: str


def name_images(packed: PackedSet) -> list[str]:
    """Each image's name as the table has it: with its ending, and with as many folders as tell it from others."""
    paths = [PurePosixPath(record.image) for record in packed.records]
    names = [path.name for path in paths]
    depth = 1
    while len(set(names)) < len(set(paths)) and depth < max(len(path.parts) for path in paths):
        depth += 1
        taken = {name for name, count in Counter(names).items() if count > 1}
        names = [
            "/".join(path.parts[-depth:]) if name in taken else name for path, name in zip(paths, names, strict=True)
        ]
    return [table_name(name) for name in names]


@dataclass(frozen=True)
class Auditor:
    """Finds what to look at in one set.

    Attributes
    ----------
    packed
        The set.
    held_out
        Predictions by networks that have not seen the photographs; None where no run was given.
    """

    packed: PackedSet
    held_out: HeldOut | None

    def label_errors(self, names: Sequence[str]) -> list[Found]:
        """Likely label errors, the likeliest first."""
        if self.held_out is None:
            return []
        classes = self.held_out.classes
        records = [self.packed.records[row] for row in self.held_out.rows]
        labels = np.array([classes.index(record.label) for record in records], np.int64)
        errors = find_label_errors(labels, self.held_out.probabilities)
        found = []
        for number, place in enumerate(errors.likely.tolist(), start=1):
            row, given = int(self.held_out.rows[place]), records[place].label
            suggested = classes[errors.suggested[place]]
            why = self._opinion(row, suggested, given)
            if not self.held_out.outer[place]:
                why += "; they chose their epoch by it"
            score = float(errors.scores[place])
            found.append(self._found(LABEL, number, row, names, suggested, score, why))
        return found

    def _opinion(self, row: int, suggested: str, given: str) -> str:
        """What the networks say of a photograph; empty where none may judge it."""
        if self.held_out is None or not {given, suggested} <= set(self.held_out.classes):
            return ""
        said = dict(zip(self.held_out.classes, self._probabilities.get(row, ()), strict=False))
        if not said:
            return ""
        return f"networks that have not seen it say {suggested} {said[suggested]:.2f}, {given} {said[given]:.2f}"

    @cached_property
    def _probabilities(self) -> dict[int, list[float]]:
        """Row -> probabilities, of those that were judged."""
        assert self.held_out is not None
        return dict(zip(self.held_out.rows.tolist(), self.held_out.probabilities.tolist(), strict=True))

    def off_topic(self, names: Sequence[str], progress: Progress | None = None) -> list[Found]:
        """Photographs unlike the others, or of something that is no skin; the strangest first."""
        strange = np.full(len(self.packed), np.nan)
        if self.held_out is not None:
            strange[self.held_out.rows] = self.held_out.strangeness
        rows, hidden = [], hidden_problems(self.packed.image_spec)
        originals = [row for row, record in enumerate(self.packed.records) if record.role == "original"]
        for done, row in enumerate(originals, start=1):
            problems = set(judge_photo(self.packed.images[row]).problems) - hidden
            whys = [text for name, text in _NOT_SKIN.items() if name in problems]
            value = float(np.nan_to_num(strange[row]))
            if value >= STRANGE:
                whys.insert(0, f"unlike the photographs that the networks were trained on ({value:.1f} deviations)")
            if whys:
                even = whys == [_NOT_SKIN["flat"]]  # the weakest sign: pale lesions have it, too
                rows.append((even, -max(value, 0.0), row, "; ".join(whys)))
            (progress or silent)("looking at colours", done, len(originals))
        return [
            self._found(OFF_TOPIC, number, row, names, "", 1 / (1 - minus), why)
            for number, (_, minus, row, why) in enumerate(sorted(rows), start=1)
        ]

    def copies(self, names: Sequence[str]) -> list[Found]:
        """Near-duplicates whose labels contradict one another, two findings a pair; the most alike first.

        Raises
        ------
        DataError
            Where the table of near-duplicates is damaged.
        """
        row_of = {record.image: row for row, record in enumerate(self.packed.records)}
        pairs = []
        for one, other, likeness in read_near_duplicates(self.packed.folder / NEAR_DUPLICATES):
            if one in row_of and other in row_of:
                rows = row_of[one], row_of[other]
                if self.packed.records[rows[0]].label != self.packed.records[rows[1]].label:
                    pairs.append((-likeness, rows))
        found: list[Found] = []
        for minus, rows in sorted(pairs):
            for row, other_row in (rows, rows[::-1]):
                suggested = self.packed.records[other_row].label
                why = f"nearly the same photograph as {names[other_row]} ({-minus:.2f}), which is labelled {suggested}"
                opinion = self._opinion(row, suggested, self.packed.records[row].label)
                why = "; ".join(part for part in (why, opinion) if part)
                place = len(found) + 1
                found.append(self._found(COPIES, place, row, names, suggested, 1 + minus, why, other_row))
        return found

    def _found(
        self,
        kind: str,
        number: int,
        row: int,
        names: Sequence[str],
        suggested: str,
        score: float,
        why: str,
        other_row: int | None = None,
    ) -> Found:
        record = self.packed.records[row]
        classes = self.packed.taxonomy.by_code
        finding = Finding(
            finding=f"{kind}-{number}",
            kind=kind,
            image=names[row],
            given=table_label(record.label, classes[record.label].name),
            suggested=table_label(suggested, classes[suggested].name) if suggested else "",
            score=round(min(max(score, 0.0), 1.0), 6),
            why=why,
            other="" if other_row is None else names[other_row],
            fold=record.fold,
            digest=table_digest(record.sha256),
        )
        return Found(finding, row, record.label, suggested)
