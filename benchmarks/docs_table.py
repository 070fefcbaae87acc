"""Put what a benchmark measured between its two marks in a page, so that no figure is typed in."""

from __future__ import annotations

from pathlib import Path


def put_between_marks(page: Path, tool: str, text: str) -> None:
    """Replace what stands between ``<!-- made by benchmarks/TOOL: begin -->`` and the mark with ``end``."""
    begin, end = (f"<!-- made by benchmarks/{tool}: {edge} -->" for edge in ("begin", "end"))
    content = page.read_text(encoding="utf-8")
    if content.count(begin) != 1 or content.count(end) != 1:
        raise SystemExit(f"{page} lacks the marks {begin} and {end}: add them where the table is to stand")
    before, after = content.split(begin)[0], content.split(end)[1]
    temporary = page.with_name(page.name + ".part")
    temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    temporary.replace(page)
