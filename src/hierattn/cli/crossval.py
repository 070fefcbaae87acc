"""``hierattn crossval``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal
from hierattn.cli.run_options import (
    Bootstrap,
    Folds,
    FoldThreads,
    Jobs,
    Overrides,
    Prepared,
    RecipeName,
    SaveEvery,
    load_recipe,
)
from hierattn.shares import fraction

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.evaluation.comparison.left_out_sources import LeftOutSource
    from hierattn.evaluation.evaluate import EvaluateOptions
    from hierattn.training.cross_validation.cross_validate import CrossValidation, Engine, FoldOutcome
    from hierattn.training.recipe import Recipe


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    data: Prepared = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Gets fold-0, fold-1, ... [default: runs/<name>]")
    ] = None,
    folds: Folds = "all",
    jobs: Jobs = 1,
    engine: Annotated[
        str,
        typer.Option(
            help="local: processes here. ray: a cluster (RAY_ADDRESS), or Ray here.",
            autocompletion=completing("local", "ray"),
        ),
    ] = "local",
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu or cuda; with several GPUs each job takes its own.",
            autocompletion=completing("auto", "cpu", "cuda"),
        ),
    ] = "auto",
    threads: FoldThreads = 0,
    save_every: SaveEvery = 0,
    leave_one_source_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-source-out",
            help="Leave out each source of the set once, and judge the run on it: how it does in another clinic.",
        ),
    ] = False,
    bootstrap: Bootstrap = 1000,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the state of every fold as JSON, and nothing else.")
    ] = False,
) -> None:
    """Train a recipe once for every fold, in parallel, with a run folder for each.

    The same command again skips finished folds and resumes the others: after Ctrl-C, a crash, or a worker that the
    system killed. OUT/summary.csv says how each fold stands, with the figures of the inner split that selected its
    epoch; they are optimistic. 'hierattn evaluate OUT/fold-K' measures each fold on its held-out outer fold.

    With --leave-one-source-out, each run is trained on all sources of the set but one, and judged on the photographs of
    that one whose lesion, patient or near-duplicate nobody trained on. Fold data.fold of the others stays unseen,
    too. OUT/sources has the figures with intervals, on one page: the honest ones for another clinic. Where OUT also
    holds the recipe's folds, theirs of the same photographs stand beside.

        hierattn crossval quicktest --data out/demo/prepared --jobs 2 --threads 1

        hierattn crossval quicktest --data out/all --leave-one-source-out

        RAY_ADDRESS=head:6379 hierattn crossval isic2019/hierattn_s --data /shared/isic --jobs 10 --engine ray
    """
    from hierattn.evaluation.evaluate import EvaluateOptions
    from hierattn.evaluation.measures.intervals import check_resamples
    from hierattn.evaluation.pages.sources_page import KIND
    from hierattn.files import check_replaceable
    from hierattn.run_folder import FoldsFolder
    from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate

    options = CrossValidationOptions(
        folds=parse_folds(folds),
        jobs=jobs,
        engine=cast("Engine", engine),
        device=device,
        threads=threads,
        save_every=save_every,
        by_source=leave_one_source_out,
    )
    check_resamples(bootstrap)
    resolved = load_recipe(recipe, overrides, data)
    console = terminal(stderr=as_json)
    place = out or Path("runs") / resolved.name
    if leave_one_source_out:
        check_replaceable(FoldsFolder(place).sources, KIND)
    with FoldBars(console, resolved.optimiser.epochs) as bars:
        result = cross_validate(resolved, place, options, listener=bars)
    if leave_one_source_out and result.complete:
        _judge_sources(console, result, resolved, EvaluateOptions(device=device, bootstrap=bootstrap), as_json)
        return
    _print_json(result) if as_json else _print(console, result)
    if not result.complete:
        raise typer.Exit(1)


def _judge_sources(
    console: Console, result: CrossValidation, recipe: Recipe, options: EvaluateOptions, as_json: bool
) -> None:
    """Evaluate each run on the source that it left out, and write the page."""
    from hierattn.cli.console import print_json_file, step_bars
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.comparison.entrant import is_evaluated
    from hierattn.evaluation.comparison.left_out_sources import Measures, judge_left_out_sources, sentences
    from hierattn.evaluation.evaluate import evaluate
    from hierattn.evaluation.pages.sources_page import JSON, PAGE, write_sources
    from hierattn.evaluation.predict import choose_device
    from hierattn.run_folder import FoldsFolder

    folder = FoldsFolder(result.folder)
    packed = PackedSet.open(Path(recipe.data.prepared))
    folds = {fold: run.path for fold, run in folder.runs().items() if run.finished.exists()}
    with step_bars(console, quiet=as_json) as progress:
        for run in [*(fold.run for fold in result.folds), *folds.values()]:
            if not is_evaluated(run):
                evaluate(run, options, prepared=packed.folder, progress=progress)
        measures = Measures(options.bootstrap, options.seed, choose_device(options.device), progress=progress)
        sources = judge_left_out_sources([fold.run for fold in result.folds], folds, packed, measures)
    facts = {
        "Recipe": recipe.name,
        "Model": recipe.model.name,
        "Set": packed.folder.resolve().name,
        "Epochs": recipe.optimiser.epochs,
        "Seed": recipe.seed,
        "Fold that no run has seen": recipe.data.fold,
        "Intervals": f"95 %, {options.bootstrap} resamples of groups, seed {options.seed}",
        "Manifest": packed.manifest_sha256,
    }
    write_sources(folder.sources, f"{recipe.name} in a clinic that it has never seen", sources, facts)
    if as_json:
        print_json_file(folder.sources / JSON)
        return
    _print_sources(console, sources)
    for line in [*sentences(sources), *(f"{each.source}: {note}" for each in sources for note in each.notes)]:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(f"Page: {folder.sources / PAGE}\nNot a medical device.", soft_wrap=True)


def _print_sources(console: Console, sources: Sequence[LeftOutSource]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from hierattn.evaluation.pages.sources_page import HEADINGS, table_rows

    table = Table(title="Sources never seen, 95 % intervals over groups", title_justify="left", box=SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for row in table_rows(sources):
        table.add_row(*row)
    print_table(console, table)


def parse_folds(text: str) -> list[int] | None:
    """``0-9`` or ``0,2,5`` or both as numbers; ``all`` as None.

    Raises
    ------
    UsageError
        For anything else.

    >>> parse_folds("0-2,5")
    [0, 1, 2, 5]
    """
    from hierattn.errors import UsageError

    if text.strip() == "all":
        return None
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(first + last) > 6:
            raise UsageError(f"--folds {text!r}: wanted all, a range such as 0-9, or a list such as 0,2,5")
        numbers += range(int(first), int(last if dash else first) + 1)
    return numbers


class FoldBars:
    """A bar a fold, in epochs."""

    def __init__(self, console: Console, epochs: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.epochs = epochs
        self.bars: dict[str, int] = {}
        self.progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> FoldBars:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def look(self, folds: Sequence[FoldOutcome]) -> None:
        """Move the bars."""
        from rich.progress import TaskID

        for fold in folds:
            if fold.name not in self.bars:
                self.bars[fold.name] = self.progress.add_task(fold.name, total=self.epochs, state="")
            self.progress.update(TaskID(self.bars[fold.name]), completed=fold.epochs, state=fold.status)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self.progress.console.print(text, soft_wrap=True)


def _print(console: Console, result: CrossValidation) -> None:
    from rich.table import Table

    from hierattn.run_folder import FoldsFolder, epoch_number

    table = Table(header_style="bold", title="Inner split, which selected the epoch: these figures are optimistic")
    for heading in ("held out", "status", "best epoch", "top-1", "balanced accuracy", "macro AUC"):
        table.add_column(heading, justify="left" if heading == "status" else "right")
    for fold in result.folds:
        figures = [fraction(fold.figures[name]) if fold.figures else "" for name in _SHOWN]
        best = f"{epoch_number(fold.best_epoch)}/{fold.epochs}" if fold.figures else ""
        table.add_row(fold.name, fold.status, best, *figures)
    means = [result.mean(name) for name in _SHOWN]
    table.add_section()
    table.add_row("mean ± sd", "", "", *(f"{fraction(mean)} ± {fraction(deviation)}" for mean, deviation in means))
    print_table(console, table)
    if result.complete:
        console.print(
            f"{FoldsFolder(result.folder).summary}\nNext: hierattn evaluate {quote(str(result.folds[0].run))}",
            soft_wrap=True,
        )
    else:
        console.print("Not all folds are finished. To resume: the same command again", soft_wrap=True)


_SHOWN = ("validation_top1", "validation_balanced_accuracy", "validation_macro_auc")


def _print_json(result: CrossValidation) -> None:
    from dataclasses import asdict

    folds = [{**asdict(fold), "run": str(fold.run)} for fold in result.folds]
    print_json({"folder": str(result.folder), "complete": result.complete, "folds": folds}, indent=2)
