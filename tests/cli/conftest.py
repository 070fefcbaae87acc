"""The ``hierattn`` command in this process, from its words to its exit code, as the console script runs it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from hierattn.cli.main import main


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote on standard output and standard error."""

    code: int
    out: str
    err: str


def call(*words: object) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["hierattn", *map(str, words)]),
        patch.dict(os.environ, {"COLUMNS": "120", "HIERATTN_MODEL": ""}),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Result(int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def hierattn() -> Callable[..., Result]:
    """``hierattn(*words)`` runs the command in a terminal of 120 columns."""
    return call


@pytest.fixture(scope="session")
def refused() -> Callable[..., str]:
    """``refused(code, *words)`` is the one line on standard error of a command that ends with ``code``."""

    def line(code: int, *words: object) -> str:
        result = call(*words)
        assert (result.code, result.out.strip()) == (code, ""), result
        assert result.err.startswith("hierattn: ")
        assert result.err.count("\n") == 1, result.err
        return result.err

    return line


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, bytes]]:
    """``content(folder)`` is every file under it with its bytes: equal before and after where nothing was touched."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
