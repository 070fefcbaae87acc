"""``hierattn freeze``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import print_json, print_table, terminal
from hierattn.shares import fraction

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hierattn.data.prepared_set.looks import LookLog


def run(
    prepared: Annotated[Path, typer.Argument(help="The prepared set.")],
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A TOML file: outer_fold, metric, choice, and more. None: show.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print looks.json, and nothing else.")] = False,
) -> None:
    """Freeze the plan by which models are judged on a set, or show every look at its outer folds.

    Each command that judges photographs of an outer fold records in PREPARED/looks.json when, by which weights, and
    what came out. Reports and model cards say how often the fold has been looked at, by how many models.

    A plan fixes beforehand which fold judges, which figure counts and how the model that is judged is chosen. It is
    known by the SHA-256 of its file, and is not changed again. A look that breaks it says so. These keys are wanted:

        outer_fold = 0, metric = "macro_auc", choice = "the highest macro AUC on the inner fold; if equal, the smaller"

    These may be left out: choose_by (the recipe's, for every run), most_models, left_out_sources.

        hierattn freeze out/prepared --plan plan.toml

        hierattn freeze out/prepared
    """
    from hierattn.data.prepared_set.looks import LOOKS, LookLog, freeze
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.errors import DataError

    packed = PackedSet.open(prepared)
    path = packed.folder / LOOKS
    if plan is None:
        log = LookLog.read(path, packed.manifest_sha256)
    else:
        log = freeze(packed.folder, packed.manifest_sha256, packed.records, plan)
    console = terminal(stderr=as_json)
    print_json(log.to_dict(), indent=1) if as_json else _show(console, log)
    if log.problem:
        raise DataError(f"{path} is not as it was written ({log.problem}): there may have been more looks")


def _show(console: Console, log: LookLog) -> None:
    if log.looks():
        print_table(console, _table(log))
    if log.plan is None:
        console.print("No plan is frozen.")
    else:
        told = ", ".join(f"{name} {log.plan[name]}" for name in ("outer_fold", "inner_fold", "metric"))
        console.print(f"Plan {log.plan['plan_sha256']}, frozen {log.plan['at']}: {told}.", soft_wrap=True)
        console.print(f"Choice: {log.plan['choice']}", soft_wrap=True, markup=False)
    broken = log.broken()
    for entry in log.entries:
        for line in broken.get(entry["sha256"], ()):
            console.print(f"Look {entry['number']} breaks it. {line}", soft_wrap=True, style="bold")
    place = "" if log.problem else ", each in its place"
    count = len(log.looks())
    console.print(f"{count} look{'s' * (count > 1)}{place}." if count else "Nobody has looked.")


def _table(log: LookLog) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from hierattn.data.prepared_set.looks import look_at, read_entry

    metric = "balanced_accuracy" if log.plan is None else log.plan["metric"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("look", "at", "command", "run", "weights", "photographs", metric.replace("_", " ")):
        table.add_column(heading)
    for entry in log.entries:
        if entry["kind"] == "look":
            look = read_entry(entry)
            value = look.figures.get(metric)
            table.add_row(
                *(str(entry["number"]), entry["at"][:16], entry["command"], look.run, look.weights[:8], look_at(look)),
                "–" if value is None else fraction(value),
            )
    return table
