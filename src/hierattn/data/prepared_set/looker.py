"""Which command looks at an outer fold; apart from the looks, so that a command that looks at none loads none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_command: ContextVar[str] = ContextVar("command", default="Python")


@contextmanager
def looking_by(command: str) -> Iterator[None]:
    """For the time of the block, looks are those of this command; otherwise they are ``Python``'s."""
    token = _command.set(command)
    try:
        yield
    finally:
        _command.reset(token)


def looker() -> str:
    """The command.

    >>> looker()
    'Python'
    """
    return _command.get()
