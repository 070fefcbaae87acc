"""What ``compare`` and ``ablate`` share: train missing folds, evaluate runs that are not evaluated, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.evaluation.comparison.entrant import Entrant
    from hierattn.evaluation.comparison.paper_numbers import PaperRow
    from hierattn.training.recipe import Recipe


@dataclass(frozen=True)
class How:
    """What every experiment is asked: which folds (None: all), and how they are trained and evaluated."""

    folds: Sequence[int] | None
    jobs: int
    threads: int
    device: str
    bootstrap: int
    seed: int


def named(text: str) -> tuple[str, str]:
    """``NAME=PATH`` in two parts; a path alone is called by its last part.

    >>> named("xs=runs/a"), named("runs/b")
    (('xs', 'runs/a'), ('b', 'runs/b'))
    """
    name, found, path = text.partition("=")
    return (name, path) if found else (Path(text).name or text, text)


def train_folds(recipe: Recipe, out: Path, how: How, console: Console) -> None:
    """Train what is missing of ``out/fold-K``; what is finished is left as it is.

    Raises
    ------
    TrainingError
        Where not every fold was finished; the same command continues.
    """
    from hierattn.cli.crossval import FoldBars
    from hierattn.errors import TrainingError
    from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate

    training = CrossValidationOptions(how.folds, how.jobs, device=how.device, threads=how.threads)
    with FoldBars(console, recipe.optimiser.epochs) as bars:
        result = cross_validate(recipe, out, training, listener=bars)
    if not result.complete:
        unfinished = ", ".join(str(fold.fold) for fold in result.folds if fold.status != "finished")
        raise TrainingError(f"{out}: folds {unfinished} are not finished; the same command continues them")


def evaluate_missing(runs: Sequence[Path], how: How, console: Console, data: Path | None = None) -> None:
    """Evaluate the runs that have no evaluation of this version."""
    from hierattn.evaluation.comparison.entrant import is_evaluated
    from hierattn.evaluation.evaluate import EvaluateOptions, evaluate

    for run in runs:
        if not is_evaluated(run):
            with console.status(f"evaluating {run}"):
                options = EvaluateOptions(device=how.device, bootstrap=how.bootstrap, seed=how.seed)
                evaluate(run, options, prepared=data)


def read(name: str, folder: Path, how: How, console: Console, data: Path | None = None) -> Entrant:
    """The entrant that a run, or a folder of folds, is; evaluated first where it is not."""
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.entrant import read_entrant, run_folders

    if not folder.is_dir():
        raise UsageError(f"no run folder at {folder}: wanted one from 'hierattn train' or 'crossval'; run that first")
    runs = run_folders(folder)
    if how.folds is not None and runs != [folder]:
        runs = [run for run in runs if int(run.name.removeprefix("fold-")) in how.folds]
        if len(runs) < len(set(how.folds)):
            raise UsageError(f"{folder} lacks some of the folds {how.folds}: train them with 'hierattn crossval' first")
    evaluate_missing(runs, how, console, data)
    return read_entrant(name, runs)


def publish(
    out: Path,
    entrants: Sequence[Entrant],
    console: Console,
    how: How,
    *,
    title: str,
    protocol: str = "",
    paper: Mapping[str, PaperRow] | None = None,
    ablation: bool = False,
) -> dict[str, Any]:
    """Compare, write everything to ``out``, and return what was found. Without a protocol it is the runs' own."""
    from hierattn.cli.progress_bars import step_bars
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
    from hierattn.evaluation.comparison.page import write_comparison

    protocol = protocol or entrants[0].protocol
    wanted = ("honest", "paper") if protocol == "both" else (protocol,)
    sides = [[one for one in entrants if one.protocol == kind] for kind in wanted]
    for kind, side in zip(wanted, sides, strict=True):
        if not side:
            raise UsageError(f"no run of the {kind} protocol: wanted one, or another --protocol (honest, paper, both)")
    if protocol != "both" and len(sides[0]) < len(entrants):
        others = ", ".join(one.name for one in entrants if one.protocol != protocol)
        raise UsageError(f"{others}: not evaluated by the {protocol} protocol; leave them out, or use --protocol both")
    with step_bars(console, quiet=console.stderr) as progress:
        found = [
            compare(side, paper=paper, title=title, resamples=how.bootstrap, seed=how.seed, progress=progress)
            for side in sides
        ]
        gaps = protocol_gaps(found[0], found[1]) if protocol == "both" else []
        write_comparison(out, found, sides, gaps, ablation=ablation)
    return {"comparisons": found, "gaps": gaps}


def show(console: Console, found: Mapping[str, Any], out: Path) -> None:
    """The tables, what differs, and where the page is."""
    from rich.table import Table

    from hierattn.evaluation.comparison.page import PAGE
    from hierattn.evaluation.comparison.tables import cells, footnotes, measured_on, pair_sentences

    for comparison in found["comparisons"]:
        console.print(measured_on(comparison), soft_wrap=True)
        table = Table(header_style="bold")
        for heading in ("model", "M", "balanced accuracy, %", "difference", "p", "paper, %"):
            table.add_column(heading, justify="left" if heading == "model" else "right")
        for row in comparison["rows"]:
            cell = cells(row)
            table.add_row(*(cell[place] for place in (0, 1, 3, 7, 8, 9)))
        console.print(table)
        for line in (*pair_sentences(comparison), *footnotes(comparison)):
            console.print(line, soft_wrap=True)
    for gap in found["gaps"]:
        console.print(f"[bold]{gap['sentence']}[/]", soft_wrap=True)
    console.print(f"Report: [bold]{out / PAGE}[/]", soft_wrap=True, highlight=False)
