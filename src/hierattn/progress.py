"""How long work tells how far it is: one protocol for all that takes more than a second.

The command line shows it as bars (``cli/console.py``); a library user passes any function of this form, or none.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work proceeds. Must not change anything; may be called from several threads.

    >>> def show(step: str, done: int, total: int | None) -> None:
    ...     print(f"{step}: {done} of {total}")
    >>> progress: Progress = show
    >>> progress("decoding", 3, 10)
    decoding: 3 of 10
    """

    def __call__(self, step: str, done: int, total: int | None, /) -> None:
        """``done`` of ``total`` units of ``step`` are done; ``total`` is None where nobody knows it."""


def silent(step: str, done: int, total: int | None, /) -> None:
    """Show nothing."""
