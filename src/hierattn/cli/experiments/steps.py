"""What ``compare`` and ``ablate`` share: train missing folds, evaluate runs, compare them and show the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hierattn.cli.console import print_table, waiting

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.evaluation.comparison.entrant import Entrant
    from hierattn.evaluation.comparison.paper_numbers import PaperRow
    from hierattn.training.cross_validation.cross_validate import CrossValidationOptions
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

    def __post_init__(self) -> None:
        from hierattn.evaluation.measures.intervals import check_resamples

        check_resamples(self.bootstrap)

    @property
    def training(self) -> CrossValidationOptions:
        """What training reads of them."""
        from hierattn.training.cross_validation.cross_validate import CrossValidationOptions

        return CrossValidationOptions(self.folds, self.jobs, device=self.device, threads=self.threads)


@dataclass(frozen=True)
class Training:
    """One entrant's training.

    Attributes
    ----------
    name
        Of the entrant.
    recipe
        With its prepared set, in which ``{fold}`` may stand for the fold's number.
    folder
        Gets ``fold-K``.
    """

    name: str
    recipe: Recipe
    folder: Path

    @property
    def protocol(self) -> str:
        """By which its run will be evaluated: the prepared set says so."""
        from hierattn.data.balance.protocol import is_paper_protocol
        from hierattn.training.fit import open_prepared

        return "paper" if is_paper_protocol(open_prepared(self.recipe.with_fold(0)).info) else "honest"


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
        Its name, where the entrants are variants of one network.
    """

    title: str
    paper: Mapping[str, PaperRow] = field(default_factory=dict)
    ablation: str = ""


def named(text: str) -> tuple[str, str]:
    """``NAME=PATH`` in two parts; a path alone is called by its last part.

    >>> named("xs=runs/a"), named("runs/b")
    (('xs', 'runs/a'), ('b', 'runs/b'))

    Raises
    ------
    UsageError
        Where the name or the path is empty.
    """
    from hierattn.errors import UsageError

    name, equals, path = text.partition("=")
    if not (name and (path or not equals)):
        raise UsageError(f"{text!r}: wanted NAME=PATH, both of them, or a path alone")
    return (name, path) if equals else (Path(text).name or text, text)


def check_trainings(trainings: Sequence[Training], options: ExperimentOptions, console: Console) -> None:
    """Check all that can be known of every training before the first of them, and say how many there are.

    Raises
    ------
    HierAttnError
        Names the entrant whose recipe, set, fold, starting weights, device or run folder does not allow to begin; or
        where two share a folder, or the disk has no room for all.
    """
    from hierattn.cli.console import step_bars
    from hierattn.errors import HierAttnError, UsageError
    from hierattn.training.cross_validation.cross_validate import check_folds, check_space

    folders = [training.folder for training in trainings]
    for training in trainings:
        if folders.count(training.folder) > 1:
            raise UsageError(f"two entrants are called {training.name}: they would share {training.folder}; rename one")
    wanted = 0
    with step_bars(console, quiet=console.stderr) as progress:
        for done, training in enumerate(trainings, start=1):
            try:
                wanted += check_folds(training.recipe, training.folder, options.training)
            except HierAttnError as error:
                raise type(error)(f"{training.name}: {error} (nothing was trained)") from None
            if progress is not None:
                progress("checking", done, len(trainings))
    if trainings:
        check_space(trainings[0].folder, wanted)
        folds = "all folds" if options.folds is None else f"folds {', '.join(map(str, options.folds))}"
        epochs = sorted({training.recipe.optimiser.epochs for training in trainings})
        console.print(
            f"To train or already trained: {', '.join(training.name for training in trainings)}; {folds} of each, "
            f"{' or '.join(map(str, epochs))} epochs. All that can be checked beforehand is in order.",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def check_comparable(
    entrants: Sequence[Entrant], trainings: Sequence[Training], options: ExperimentOptions, protocol: str
) -> None:
    """Refuse, before the trainings, what their comparison with the entrants that are there would refuse after them.

    Raises
    ------
    UsageError, DataError
        For a name that stands twice, another protocol, other folds, or entrants that were evaluated on other images.
    """
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.comparison import check_same_images

    seen: set[tuple[str, str]] = set()
    every = [(each.name, each.protocol) for each in entrants] + [(each.name, each.protocol) for each in trainings]
    check_protocols(every, protocol)
    for name, kind in every:
        if (name, kind) in seen:
            raise UsageError(f"two entrants of the {kind} protocol are called {name}: wanted NAME=..., each once")
        seen.add((name, kind))
    for kind in {kind for _, kind in seen}:
        side = [entrant for entrant in entrants if entrant.protocol == kind]
        if side:
            check_same_images(side)
        to_train = [training for training in trainings if training.protocol == kind]
        if side and to_train and options.folds is not None and set(side[0].folds) != set(options.folds):
            raise UsageError(
                f"{side[0].name} has folds {', '.join(map(str, side[0].folds))} and {to_train[0].name} would have "
                f"{', '.join(map(str, options.folds))}: wanted the same --folds"
            )


def train(training: Training, options: ExperimentOptions, console: Console) -> Entrant:
    """Train the missing folds, which were checked, evaluate them and read the entrant; finished folds are kept.

    Raises
    ------
    TrainingError
        Where not every fold was finished; the same command continues.
    """
    from hierattn.cli.crossval import FoldBars
    from hierattn.errors import TrainingError
    from hierattn.training.cross_validation.cross_validate import cross_validate

    out = training.folder
    with FoldBars(console, training.recipe.optimiser.epochs) as bars:
        result = cross_validate(training.recipe, out, options.training, listener=bars, checked=True)
    if not result.complete:
        unfinished = ", ".join(str(fold.fold) for fold in result.folds if fold.status != "finished")
        raise TrainingError(f"{out}: folds {unfinished} are not finished; the same command resumes them")
    return read(training.name, out, options, console)


def evaluate_missing(
    runs: Sequence[Path], options: ExperimentOptions, console: Console, data: Path | None = None
) -> None:
    """Evaluate the runs that have no evaluation of this version."""
    from hierattn.evaluation.comparison.entrant import is_evaluated
    from hierattn.evaluation.evaluate import EvaluateOptions, evaluate

    for run in runs:
        if not is_evaluated(run):
            with waiting(console, f"evaluating {run}"):
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


def read_left_out(
    name: str, folder: Path, options: ExperimentOptions, console: Console, data: Path | None = None
) -> list[Entrant]:
    """The entrants that the runs of 'crossval --leave-one-source-out' are, one a source; evaluated first if need be.

    Raises
    ------
    UsageError
        Where there are none.
    """
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.entrant import read_entrant
    from hierattn.run_folder import FoldsFolder

    runs = [run.path for run in FoldsFolder(folder).runs_without().values()]
    if not runs:
        raise UsageError(f"no run without a source in {folder}: wanted one from 'crossval --leave-one-source-out'")
    evaluate_missing(runs, options, console, data)
    return [read_entrant(name, [run]) for run in runs]


def _by_source(entrants: Sequence[Entrant]) -> list[list[Entrant]]:
    """The entrants of each source that was left out.

    Raises
    ------
    UsageError
        Where not every model has every source.
    """
    from hierattn.errors import UsageError

    names = dict.fromkeys(entrant.name for entrant in entrants)
    sides = {source: [one for one in entrants if one.left_out == source] for source in
             dict.fromkeys(entrant.left_out for entrant in entrants)}  # fmt: skip
    for source, side in sides.items():
        if [entrant.name for entrant in side] != list(names):
            have = ", ".join(entrant.name for entrant in side)
            raise UsageError(f"source {source} was left out by {have} alone: wanted it of each of {', '.join(names)}")
    return list(sides.values())


def publish(
    out: Path, entrants: Sequence[Entrant], options: ExperimentOptions, console: Console, page: Page, protocol: str = ""
) -> dict[str, Any]:
    """Compare, write everything to ``out``, and return the comparisons. Without a protocol it is the runs' own."""
    from hierattn.cli.console import step_bars
    from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
    from hierattn.evaluation.comparison.page import write_comparison
    from hierattn.evaluation.report import LEFT_OUT_SOURCE

    protocol = protocol or entrants[0].protocol
    check_protocols([(entrant.name, entrant.protocol) for entrant in entrants], protocol)
    if protocol == LEFT_OUT_SOURCE:
        sides = _by_source(entrants)
    else:
        sides = [[entrant for entrant in entrants if entrant.protocol == kind] for kind in _kinds(protocol)]
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


def _kinds(protocol: str) -> tuple[str, ...]:
    return ("honest", "paper") if protocol == "both" else (protocol,)


def check_protocols(entrants: Sequence[tuple[str, str]], protocol: str) -> None:
    """Refuse where the protocol that is asked for has no entrant, or an entrant is of another.

    Parameters
    ----------
    entrants
        Name and protocol.
    protocol
        ``honest``, ``paper`` or ``both``.
    """
    from hierattn.errors import UsageError

    for kind in _kinds(protocol):
        if kind not in [own for _, own in entrants]:
            raise UsageError(f"no run of the {kind} protocol: wanted one, or another --protocol (honest, paper, both)")
    if others := ", ".join(name for name, own in entrants if own not in _kinds(protocol)):
        raise UsageError(f"{others}: not evaluated by the {protocol} protocol; leave them out, or use --protocol both")


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
        print_table(console, table)
        for line in (*pair_sentences(comparison), *footnotes(comparison)):
            console.print(line, soft_wrap=True)
    for gap in found["gaps"]:
        console.print(gap["sentence"], style="bold", soft_wrap=True)
    console.print(f"Report: {out / PAGE}", soft_wrap=True)
