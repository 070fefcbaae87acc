"""``hierattn audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import print_json, print_table, terminal
from hierattn.cli.run_options import Device

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.audit.audit import Audit


def run(
    prepared: Annotated[Path, typer.Argument(help="The prepared set.")],
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run", "-r", help="A run folder, or a cross-validation's; repeatable. None: labels stay unjudged."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to make. [default: PREPARED-audit]")
    ] = None,
    most: Annotated[int, typer.Option(help="Findings of a kind on the page; the table lists all.")] = 100,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Images in one forward pass.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print audit.json, and nothing else.")] = False,
) -> None:
    """List photographs of a prepared set whose labels a person should look at again. Nothing is changed.

    Three kinds are found: labels that are likely wrong (confident learning, by cleanlab); pictures of something else
    than the rest; and copies of one photograph with two labels. Labels are judged only by networks that have not seen
    the photograph, nor others of its lesion or patient. So give a cross-validation, or runs whose outer and inner folds
    cover the set; how many photographs no run may judge is said.

    OUT then holds audit.html to look through, decisions.csv to decide in, and audit.json. The page holds photographs.
    Write into the table's column 'decision': keep, relabel:CODE, drop, same_group, or nothing. 'hierattn prepare
    --decisions' applies it, on the same folds.

    No other command asks for an audit. Labels that were changed because a model disagreed with them flatter that
    model; so the outer fold's stay as they are given, unless that is said.

        hierattn crossval quicktest --data out/mine --out runs/mine

        hierattn audit out/mine --run runs/mine

        hierattn prepare my_photos out/decided --splits out/mine/splits.csv --decisions decisions.csv --outer-fold 0
    """
    from hierattn.audit.audit import AuditOptions, audit
    from hierattn.cli.console import step_bars

    options = AuditOptions(most=most, device=device, batch_size=batch_size)
    folder = out or prepared.with_name(f"{prepared.resolve().name}-audit")
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        result = audit(prepared, runs or [], folder, options, progress=progress)
    print_json(result.summary, indent=2) if as_json else _show(console, result, prepared)


def _show(console: Console, result: Audit, prepared: Path) -> None:
    from rich.table import Table

    from hierattn.audit.audit import DECISIONS, PAGE
    from hierattn.audit.findings import KINDS
    from hierattn.data.prepared_set.packed import SPLITS

    summary = result.summary
    title = f"{summary['set']}: {summary['photographs']} photographs, the labels of {summary['judged']} judged"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("finding")
    table.add_column("number", justify="right")
    table.add_column("first of them")
    for kind, heading in KINDS.items():
        first = next((one.finding for one in result.found if one.finding.kind == kind), None)
        table.add_row(heading, str(summary["findings"][kind]), "" if first is None else f"{first.image}: {first.why}")
    print_table(console, table)
    for note in summary["notes"]:
        console.print(f"Note: {note}", style="yellow", soft_wrap=True)
    console.print(f"To look through: {result.folder / PAGE}", soft_wrap=True)
    console.print(
        f"To decide in: {result.folder / DECISIONS}  Then: hierattn prepare SOURCE OUT --splits {prepared / SPLITS} "
        f"--decisions {result.folder / DECISIONS} --outer-fold K",
        soft_wrap=True,
    )
