"""Console and shell: any character, figures never cut, nothing of the user's read as markup, values completed.

========================= =========================================================================
:func:`use_any_console`   makes standard output and error take any character, once, when we start
:func:`terminal`          the console for text: Rich without markup, so that a path stays as it is
:func:`print_table`       a table, or its rows one below the other where the terminal is too narrow
:func:`step_bars`         progress bars of a command whose work has named steps
:func:`print_json`        JSON that is ASCII or UTF-8, whatever the console's own encoding is
:func:`print_file`        text that is meant for a file: UTF-8 unless somebody looks at it
:func:`completing`        completes a value of an option or an argument
========================= =========================================================================
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from hierattn.files import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

    from hierattn.progress import Progress

LOOKALIKES: Mapping[str, str] = {
    "→": "->", "–": "-", "—": "-", "…": "...", "•": "*", "·": "-", "×": "x", "±": "+-", "≥": ">=", "≤": "<=", "★": "*",
    "‘": "'", "’": "'", "“": '"', "”": '"', "\u202f": " ", "\xa0": " ",
    "█": "#", **dict.fromkeys("▏▎▍▌", " "), **dict.fromkeys("▋▊▉", "#"),
    **dict.fromkeys("─━═╌", "-"), **dict.fromkeys("│┃║╎", "|"), **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╷╵╸╺╶╴", "+"),
}  # fmt: skip
"""What stands for a sign that the console does not have; a letter gets its number instead (``\\xe6``)."""

_ERRORS = "hierattn"
_HALF = re.compile("[\ud800-\udfff]")


def _escaped(character: str) -> str:
    return LOOKALIKES.get(character) or shown(character).encode("ascii", "backslashreplace").decode("ascii")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escaped, error.object[error.start : error.end])), error.end


codecs.register_error(_ERRORS, _replace)


def use_any_console() -> None:
    """Let both streams take any character; where one was closed, let what is written there go nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)
        elif stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
            if name == "stdout":
                print("hierattn: standard output is closed: what is printed there is lost", file=sys.stderr or None)


def terminal(*, stderr: bool = False) -> Console:
    """The console that text is written to. Styles are given by ``style=``: a bracket in a path is a bracket."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def waiting(console: Console, text: str) -> AbstractContextManager[object]:
    """A line with something that moves, for the time of the block."""
    from rich.text import Text

    return console.status(Text(text))


def print_table(console: Console, table: Table) -> None:
    """Print a table whose figures must be whole: those that stand at the right, and columns that do not wrap.

    Names wrap where the terminal is narrow. Where the figures do not fit even so, each row becomes a block of lines.
    """
    for column in table.columns:
        if column.justify == "right" or column.no_wrap:
            column.min_width = _width(column)
    if console.measure(table, options=console.options.update(width=10_000)).minimum <= console.width:
        console.print(table)
        return
    if table.title:
        console.print(table.title, style="bold", soft_wrap=True)
    names = [str(column.header).replace("-\n", "").replace("\n", " ").strip() for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        for place, (name, cell) in enumerate(zip(names, map(str, cells), strict=True)):
            if place == 0:
                console.print(cell, style="bold", soft_wrap=True)
            elif cell:
                console.print(f"  {name}: {cell}" if name else f"  {cell}", soft_wrap=True)


def _width(column: Column) -> int:
    from rich.cells import cell_len

    lines = (line for cell in (column.header, *column.cells) for line in str(cell).split("\n"))
    return max(map(cell_len, lines), default=0)


@contextmanager
def step_bars(console: Console, quiet: bool, *, of_bytes: bool = False) -> Iterator[Progress | None]:
    """A bar for each step, added when it is first reported; none where a program reads the output (``quiet``) or nobody
    sees it (no terminal).

    ``of_bytes`` shows sizes and speed instead of counts.
    """
    if quiet:
        yield None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    adding = Lock()  # downloads report from several threads
    amount: tuple[ProgressColumn, ...] = (
        (DownloadColumn(), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(),)
    )
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *amount, TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def show(step: str, done: int, total: int | None) -> None:
            with adding:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show


def print_json(values: Any, *, indent: int | None = 1) -> None:
    """Print values as JSON, for programs.

    Letters stay as they are only where standard output is UTF-8, and are escaped elsewhere: the same values, in ASCII.
    A file name that is no text is as :func:`~hierattn.files.shown`.
    """
    text = json.dumps(values, indent=indent, ensure_ascii=False) + "\n"
    text = _HALF.sub(lambda half: "\\" + shown(half[0]), text)
    if not _is_utf8():
        text = "".join(letter if letter.isascii() else json.dumps(letter)[1:-1] for letter in text)
    print_file(text)


def print_json_file(path: Path) -> None:
    """Print a file that we wrote, as :func:`print_json` does."""
    print_json(json.loads(path.read_text(encoding="utf-8")), indent=2)


def print_file(text: str) -> None:
    """Print text that programs read, or that is meant to be saved: in UTF-8, but for a terminal that has another."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or _is_utf8() or sys.stdout.isatty():
        sys.stdout.write(text)
    else:
        sys.stdout.flush()
        buffer.write(text.encode("utf-8", _ERRORS))


def _is_utf8() -> bool:
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"


def completing(*names: str | Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What completes a value in the user's shell: one of the names, also after ``NAME=`` or a comma.

    Parameters
    ----------
    names
        Or functions that give them, called when somebody asks: they must not import torch.
    """

    def complete(incomplete: str) -> list[str]:
        known = [each for name in names for each in ([name] if isinstance(name, str) else name())]
        before = incomplete[: 1 + max(incomplete.rfind("="), incomplete.rfind(","))]
        return [before + name for name in known if (before + name).startswith(incomplete)]

    return complete
