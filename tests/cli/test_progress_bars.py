"""Progress bars: one for each step, none for programs."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from hierattn.cli.progress_bars import step_bars


def test_a_program_gets_no_bars() -> None:
    with step_bars(Console(), quiet=True) as progress:
        assert progress is None


@pytest.mark.parametrize("of_bytes", [False, True])
def test_every_step_has_one_bar_whatever_thread_reports_it(of_bytes: bool) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with step_bars(console, quiet=False, of_bytes=of_bytes) as progress:
        assert progress is not None
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda done: progress("reading images", done, 8), range(9)))
        progress("a.zip", 5, None)
    last = screen.getvalue().split("\x1b[2K")[-1]
    assert screen.getvalue().count("\n") < 60
    assert "reading images" in screen.getvalue()
    assert "a.zip" not in last or not last.strip()
