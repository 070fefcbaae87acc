"""Text between two marks in a page: what a command wrote there, and writes again, so that no figure is typed in.

The marks name the command: ``<!-- made by 'python -m tools.results.publish table': begin -->``, and the same with
``end``. What stands around them is for people to write.
"""

from __future__ import annotations

from pathlib import Path

from hierattn.errors import UsageError
from hierattn.files import write_text


def marks(command: str) -> tuple[str, str]:
    """The mark before and the mark after what ``command`` writes.

    >>> marks("python -m x")
    ("<!-- made by 'python -m x': begin -->", "<!-- made by 'python -m x': end -->")
    """
    begin, end = (f"<!-- made by '{command}': {edge} -->" for edge in ("begin", "end"))
    return begin, end


def write_between_marks(page: Path, command: str, text: str) -> None:
    """Replace what stands between the marks of ``command`` in ``page`` by ``text``; all else stays.

    Raises
    ------
    UsageError
        Where the page has not each mark once, the first before the second.
    """
    begin, end = marks(command)
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    content = page.read_text(encoding="utf-8")
    if content.count(begin) != 1 or rest.count(end) != 1 or content.count(end) != 1:
        raise UsageError(f"{page} lacks the marks {begin} and {end}: wanted each once, where the text is to stand")
    write_text(page, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
