"""``hierattn card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import print_json, terminal


def run(
    run_folder: Annotated[
        Path,
        typer.Argument(help="A run folder that 'hierattn evaluate' has evaluated, or the folder of an evaluation."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="[default: RUN/MODEL_CARD.md; EVALUATION-MODEL_CARD.md beside an evaluation]"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the filled checklists as JSON, and nothing else.")
    ] = False,
) -> None:
    """Write a model card from a run's evaluation: use, data and licences, figures by class and subgroup, limits.

    It fills in the items of the CLEAR Derm and STARD-AI checklists that files can answer, and names those that only
    people can. Every figure comes from RUN/evaluation/report.json.

        hierattn card runs/quicktest
    """
    from hierattn.evaluation.folder import find_evaluation
    from hierattn.evaluation.pages.checklists import checklists
    from hierattn.evaluation.pages.model_card import write_card
    from hierattn.evaluation.report import report_of

    evaluation = find_evaluation(run_folder)
    report = report_of(evaluation)
    if as_json:
        print_json(checklists(report), indent=2)
        return
    if evaluation.path == run_folder:  # a file of one's own in it would keep the next evaluation from replacing it
        beside = run_folder.resolve()
        path = out or beside.with_name(f"{beside.name}-MODEL_CARD.md")
    else:
        path = out or run_folder / "MODEL_CARD.md"
    write_card(path, report)
    rows = [row for rows in checklists(report).values() for row in rows]
    filled = sum(not row["open"] for row in rows)
    partly = sum(bool(row["open"]) and row["answer"] is not None for row in rows)
    terminal().print(
        f"{path}: {filled} of {len(rows)} checklist items filled in and {partly} in part; it names what is open, "
        "for people to answer.",
        soft_wrap=True,
    )
