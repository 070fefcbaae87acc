"""Write the counts of a datasheet from the prepared set itself; no number is typed in.

    python -m tools.results.datasheet out/ham128 docs/datasheets/isic2019-ham.md
    python -m tools.results.datasheet out/pad128 docs/datasheets/pad-ufes-20.md

The counts stand between two marks in the page; what is written around them is for people to write. Ids, photographs and
patients are not in them, and a count under five is not told.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record, read_manifest
from hierattn.taxonomy import BY_CODE

BEGIN, END = "<!-- made by tools/results/datasheet.py: begin -->", "<!-- made by tools/results/datasheet.py: end -->"
FEWEST = 5
"""Smaller counts are told as "under 5": with other columns they could point at a person."""

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
        chosen = [record for record in originals if record.label == code]
        lines.append(f"| {code} {BY_CODE[code].name} | {len(chosen):,} | {len({one.group for one in chosen}):,} |")
    attributes: tuple[tuple[str, Callable[[Record], str]], ...] = (
        ("sex", lambda record: record.sex),
        ("age", lambda record: _age(record.age)),
        ("body site", lambda record: record.site),
        ("skin type (Fitzpatrick)", lambda record: record.skin_type),
        ("pixels as stored", lambda record: f"{record.width} x {record.height}"),
    )
    for title, read in attributes:
        lines += ["", f"| {title} | images |", "|---|---:|", *_rows(Counter(read(one) or UNKNOWN for one in originals))]
    return "\n".join(lines) + "\n"


def _persons(records: Sequence[Record]) -> str:
    patients = {record.patient for record in records if record.patient}
    return f"{len(patients):,} patients, " if patients else "patients not recorded, "


def _rows(found: Counter[str]) -> list[str]:
    """By count, what is not recorded last; the small ones in one row."""
    known = [(name, count) for name, count in found.most_common() if name != UNKNOWN]
    rows = [f"| {name} | {count:,} |" for name, count in known[:12] if count >= FEWEST]
    left = sum(count for _, count in known[len(rows) :])
    names = len(known) - len(rows)
    if names:
        rows.append(f"| {names} others together | {left if left >= FEWEST else f'under {FEWEST}'} |")
    if found[UNKNOWN]:
        rows.append(f"| {UNKNOWN} | {found[UNKNOWN]:,} |")
    return rows


def _age(text: str) -> str:
    """In bands of twenty years; text as the manifest has it."""
    if not text:
        return ""
    low = min(int(float(text)) // 20 * 20, 80)
    return "80 and over" if low == 80 else f"{low} to {low + 19}"


def write_counts(page: Path, text: str) -> None:
    """Put the counts between their marks."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no marks for the counts: wanted {BEGIN} and {END}")
    temporary = page.with_name(page.name + ".part")
    temporary.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
    temporary.replace(page)


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    match words:
        case [prepared, page]:
            write_counts(Path(page), counts(read_manifest(Path(prepared) / "manifest.csv")))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
