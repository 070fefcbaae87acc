"""What ``compare`` and ``ablate`` share: train missing folds, evaluate runs, compare them and show the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.evaluation.comparison.entrant import Entrant
    from hierattn.evaluation.comparison.paper_numbers import PaperRow
    from hierattn.training.recipe import Recipe


@dataclass(frozen=True)
class ExperimentOptions:
    """Which folds, and how they are trained and evaluated.

    Attributes
    ----------
    folds
        None: all.
    jobs, threads, device
        As :class:`~hierattn.training.cross_validation.cross_validate.CrossValidationOptions` takes them.
    bootstrap, seed
        Of the resamples for the intervals.
    """

    folds: Sequence[int] | None
    jobs: int
    threads: int
    device: str
    bootstrap: int
    seed: int


@dataclass(frozen=True)
class Page:
    """What the page of a comparison shows beside the figures.

    Attributes
    ----------
    title
        Of the page.
    paper
        The paper's own figures, by entrant.
    ablation
        Whether the entrants are variants of one network.
    """

    title: str
    paper: Mapping[str, PaperRow] = field(default_factory=dict)
    ablation: bool = False


def named(text: str) -> tuple[str, str]:
    """``NAME=PATH`` in two parts; a path alone is called by its last part.

    >>> named("xs=runs/a"), named("runs/b")
    (('xs', 'runs/a'), ('b', 'runs/b'))
    """
    name, equals, path = text.partition("=")
    return (name, path) if equals else (Path(text).name or text, text)


def train_folds(recipe: Recipe, out: Path, options: ExperimentOptions, console: Console) -> None:
    """Train the missing folds of ``out``; finished ones are kept.

    Raises
    ------
    TrainingError
        Where not every fold was finished; the same command continues.
    """
    from hierattn.cli.crossval import FoldBars
    from hierattn.errors import TrainingError
    from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate

    training = CrossValidationOptions(options.folds, options.jobs, device=options.device, threads=options.threads)
    with FoldBars(console, recipe.optimiser.epochs) as bars:
        result = cross_validate(recipe, out, training, listener=bars)
    if not result.complete:
        unfinished = ", ".join(str(fold.fold) for fold in result.folds if fold.status != "finished")
        raise TrainingError(f"{out}: folds {unfinished} are not finished; the same command resumes them")


def evaluate_missing(
    runs: Sequence[Path], options: ExperimentOptions, console: Console, data: Path | None = None
) -> None:
    """Evaluate the runs that have no evaluation of this version."""
    from hierattn.evaluation.comparison.entrant import is_evaluated
    from hierattn.evaluation.evaluate import EvaluateOptions, evaluate

    for run in runs:
        if not is_evaluated(run):
            with console.status(f"evaluating {run}"):
                measures = EvaluateOptions(device=options.device, bootstrap=options.bootstrap, seed=options.seed)
                evaluate(run, measures, prepared=data)


def read(name: str, folder: Path, options: ExperimentOptions, console: Console, data: Path | None = None) -> Entrant:
    """The entrant that a run, or a folder of folds, is; evaluated first where it is not."""
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.entrant import read_entrant, run_folders
    from hierattn.run_folder import FoldsFolder

    if not folder.is_dir():
        raise UsageError(f"no run folder at {folder}: wanted one from 'hierattn train' or 'crossval'; run that first")
    runs = run_folders(folder)
    if options.folds is not None and runs != [folder]:
        runs = [run.path for fold, run in FoldsFolder(folder).runs().items() if fold in options.folds]
        if len(runs) < len(set(options.folds)):
            raise UsageError(
                f"{folder} lacks some of the folds {options.folds}: train them with 'hierattn crossval' first"
            )
    evaluate_missing(runs, options, console, data)
    return read_entrant(name, runs)


def publish(
    out: Path, entrants: Sequence[Entrant], options: ExperimentOptions, console: Console, page: Page, protocol: str = ""
) -> dict[str, Any]:
    """Compare, write everything to ``out``, and return the comparisons. Without a protocol it is the runs' own."""
    from hierattn.cli.progress_bars import step_bars
    from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
    from hierattn.evaluation.comparison.page import write_comparison

    protocol = protocol or entrants[0].protocol
    sides = _sides(entrants, protocol)
    with step_bars(console, quiet=console.stderr) as progress:
        comparisons = [
            compare(
                side,
                paper=page.paper,
                title=page.title,
                resamples=options.bootstrap,
                seed=options.seed,
                progress=progress,
            )
            for side in sides
        ]
        gaps = protocol_gaps(comparisons[0], comparisons[1]) if protocol == "both" else []
        write_comparison(out, comparisons, sides, gaps, ablation=page.ablation)
    return {"comparisons": comparisons, "gaps": gaps}


def _sides(entrants: Sequence[Entrant], protocol: str) -> list[list[Entrant]]:
    """The entrants of the protocol; with ``both``, those of the honest one and those of the paper's."""
    from hierattn.errors import UsageError

    kinds = ("honest", "paper") if protocol == "both" else (protocol,)
    sides = [[entrant for entrant in entrants if entrant.protocol == kind] for kind in kinds]
    for kind, side in zip(kinds, sides, strict=True):
        if not side:
            raise UsageError(f"no run of the {kind} protocol: wanted one, or another --protocol (honest, paper, both)")
    if protocol != "both" and len(sides[0]) < len(entrants):
        others = ", ".join(entrant.name for entrant in entrants if entrant.protocol != protocol)
        raise UsageError(f"{others}: not evaluated by the {protocol} protocol; leave them out, or use --protocol both")
    return sides


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
