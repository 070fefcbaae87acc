"""``hierattn paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import terminal


def run(
    folder: Annotated[Path, typer.Argument(help="What reproduce/paper.sh or reproduce/quick.sh fills.")],
) -> None:
    """Fill the paper's Tables 1 to 6 and its figures' numbers with what FOLDER holds, on one page.

    The paper's value stands beside ours, with the protocol and the budget of each. It reads every comparison of
    'compare' and 'ablate', every prepared set in FOLDER, and inference.json of 'benchmark inference'; a dash is what
    was not measured. FOLDER/paper.html is written again each time.

        hierattn paper out/paper
    """
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.paper_page import write_paper_page

    if not folder.is_dir():
        raise UsageError(f"no folder at {folder}: wanted the one that reproduce/paper.sh fills")
    path = write_paper_page(folder)
    terminal().print(f"Report: {path}", soft_wrap=True)
