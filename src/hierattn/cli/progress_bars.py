"""Progress bars of a command whose work has named steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.progress import Progress


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
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def show(step: str, done: int, total: int | None) -> None:
            with adding:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show
