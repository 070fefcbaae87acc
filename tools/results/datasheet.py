"""Write the counts of a datasheet from the prepared set itself; no number is typed in.

    python -m tools.results.datasheet out/ham128 docs/datasheets/isic2019-ham.md
    python -m tools.results.datasheet out/pad128 docs/datasheets/pad-ufes-20.md

The counts stand between two marks in the page; what is written around them is for people to write. Ids, photographs and
patients are not in them, and a count under five is not given.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record, read_manifest
from hierattn.errors import HierAttnError
from hierattn.taxonomy.built_in import EIGHT
from tools.marked_text import write_between_marks

COMMAND = "python -m tools.results.datasheet"
FEWEST = 5
"""Smaller counts are given as "under 5": with other columns they could point at a person."""

UNKNOWN = "not recorded"


def counts(records: Sequence[Record]) -> str:
    """The tables of one set, Markdown."""
    originals = [record for record in records if record.role == "original"]
    folds = Counter(record.fold for record in originals)
    lines = [
        f"{len(originals):,} images, {len({record.group for record in originals}):,} groups that may not be parted "
        f"(same lesion, patient, bytes or near-duplicates), {_persons(originals)}{len(folds)} folds of "
        f"{min(folds.values())} to {max(folds.values())} images.",
        "",
        "| class | images | groups |",
        "|---|---:|---:|",
    ]
    for code in sorted({record.label for record in originals}):
        of_class = [record for record in originals if record.label == code]
        groups = len({record.group for record in of_class})
        lines.append(f"| {code} {EIGHT.by_code[code].name} | {len(of_class):,} | {groups:,} |")
    attributes: tuple[tuple[str, Callable[[Record], str]], ...] = (
        ("sex", lambda record: record.sex),
        ("age", lambda record: _age(record.age)),
        ("body site", lambda record: record.site),
        ("skin type (Fitzpatrick)", lambda record: record.skin_type),
        ("pixels as stored", lambda record: f"{record.width} x {record.height}"),
    )
    for title, read in attributes:
        lines += [
            "",
            f"| {title} | images |",
            "|---|---:|",
            *_rows(Counter(read(record) or UNKNOWN for record in originals)),
        ]
    return "\n".join(lines) + "\n"


def _persons(records: Sequence[Record]) -> str:
    patients = {record.patient for record in records if record.patient}
    return f"{len(patients):,} patients, " if patients else "patients not recorded, "


def _rows(counter: Counter[str]) -> list[str]:
    """By count, what is not recorded last; the small ones in one row."""
    recorded = [(name, count) for name, count in counter.most_common() if name != UNKNOWN]
    rows = [f"| {name} | {count:,} |" for name, count in recorded[:12] if count >= FEWEST]
    left = sum(count for _, count in recorded[len(rows) :])
    names = len(recorded) - len(rows)
    if names:
        rows.append(f"| {names} others together | {left if left >= FEWEST else f'under {FEWEST}'} |")
    if counter[UNKNOWN]:
        rows.append(f"| {UNKNOWN} | {counter[UNKNOWN]:,} |")
    return rows


def _age(text: str) -> str:
    """In bands of twenty years; text as the manifest has it."""
    if not text:
        return ""
    low = min(int(float(text)) // 20 * 20, 80)
    return "80 and over" if low == 80 else f"{low} to {low + 19}"


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    match words:
        case [prepared, page]:
            write_between_marks(Path(page), COMMAND, counts(read_manifest(Path(prepared) / "manifest.csv")))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HierAttnError as error:
        raise SystemExit(f"datasheet: {error}") from None
