"""Cross-validation (§4.1.1: 10-fold): the same recipe with each fold held out once, in parallel; or each source.

Leaves a folder of run folders and a summary (:class:`hierattn.run_folder.FoldsFolder`). Started again, it skips
finished folds and resumes the others; a worker that is killed loses nothing and repeats nothing that was saved.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

from hierattn.data.balance.protocol import check_fold_of_balanced_set
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import sources_of, split
from hierattn.errors import TrainingError, UsageError
from hierattn.files import cores, free_bytes, write_table
from hierattn.run_folder import FoldsFolder, RunFolder
from hierattn.training.cross_validation.fold_cluster import train_on_ray
from hierattn.training.cross_validation.fold_processes import train_in_processes
from hierattn.training.cross_validation.fold_task import Ended, FoldTask
from hierattn.training.dry_run import check_start
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import check_same_run
from hierattn.training.stop_signal import stop_requested
from hierattn.training.validation import standing

Engine = Literal["local", "ray"]
Status = Literal["waiting", "training", "finished", "interrupted", "failed"]
FIGURES = ("validation_loss", "validation_top1", "validation_balanced_accuracy", "validation_macro_auc")
COLUMNS = ("fold", "status", "run", "epochs", "best_epoch", *FIGURES, "seconds", "starts", "error")


@dataclass(frozen=True)
class FoldOutcome:
    """How a fold stands.

    Attributes
    ----------
    fold, run
        Which fold is held out, and the run folder.
    status
        ``finished``, ``interrupted`` (asked to stop), ``failed``, or not yet any of them.
    epochs, best_epoch
        Epochs that the log holds, and the best one, from 0; -1 before the first.
    figures
        The log's validation figures of that epoch, on the inner split, which selected it. Not a test result.
    seconds
        Of training, validation not counted.
    starts
        How often it was started or resumed.
    error
        Why it failed.
    source
        Which source is left out; empty where it is a fold alone.
    """

    fold: int
    run: Path
    status: Status
    epochs: int
    best_epoch: int
    figures: dict[str, float]
    seconds: float
    starts: int
    error: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """What is held out, in words."""
        return f"source {self.source}" if self.source else f"fold {self.fold}"


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation left: the folder, and a record a fold, in their order."""

    folder: Path
    folds: tuple[FoldOutcome, ...]

    @property
    def complete(self) -> bool:
        """Whether every fold is finished."""
        return all(fold.status == "finished" for fold in self.folds)

    def mean(self, figure: str) -> tuple[float, float]:
        """Mean and standard deviation over the finished folds of one of ``FIGURES``; not a number without any."""
        values = [fold.figures[figure] for fold in self.folds if fold.status == "finished"]
        if not values:
            return float("nan"), float("nan")
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else float("nan")


class FoldListener(Protocol):
    """Is told how the folds stand. Must not change anything."""

    def look(self, folds: Sequence[FoldOutcome]) -> None:
        """About twice a second."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class SilentFolds:
    """Does nothing."""

    def look(self, folds: Sequence[FoldOutcome]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class CrossValidationOptions:
    """How the folds are trained; the recipe says what.

    Attributes
    ----------
    folds
        Which to hold out; None: all that the prepared set has.
    jobs
        Folds at a time.
    engine
        ``local``: processes on this machine. ``ray``: a cluster, or a Ray started here.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads a fold; 0 shares the cores among the jobs.
    save_every
        Steps between states within an epoch, from which a killed worker resumes; 0: at an epoch's end only.
    by_source
        Leave each source out once, and not each fold. The recipe's own fold then stays unseen in all runs.

    Raises
    ------
    UsageError
        For less than one job, an unknown engine, or folds beside sources.
    """

    folds: Sequence[int] | None = None
    jobs: int = 1
    engine: Engine = "local"
    device: str = "auto"
    threads: int = 0
    save_every: int = 0
    by_source: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"{self.jobs} jobs: wanted 1 or more")
        if self.by_source and self.folds is not None:
            raise UsageError(
                "--folds with --leave-one-source-out: each run leaves out one source; which fold all of them leave "
                "unseen says data.fold, e.g. data.fold=0"
            )
        if self.engine not in get_args(Engine):
            raise UsageError(f"engine {self.engine!r}: wanted {' or '.join(get_args(Engine))}")


def cross_validate(
    recipe: Recipe,
    out: Path,
    options: CrossValidationOptions | None = None,
    *,
    listener: FoldListener | None = None,
    checked: bool = False,
) -> CrossValidation:
    """Train ``recipe`` with each fold held out once, several at a time, into ``out/fold-K``; or each source.

    Parameters
    ----------
    recipe
        With ``data.prepared``; its own fold is not read.
    out
        May hold earlier folds of the same recipe: finished ones are skipped, others resumed.
    options
        Which folds, and how they are trained; None: all, one after another.
    listener
        Is told how the folds stand.
    checked
        Whether :func:`check_folds` has been asked already.

    Returns
    -------
    CrossValidation
        Also where folds failed or were interrupted: their status says so.

    Raises
    ------
    UsageError
        Where a summary without folds is there, or another process trains folds there.
    HierAttnError
        Whatever :func:`check_folds` raises. Nothing was started then.
    """
    options, listener = options or CrossValidationOptions(), listener or SilentFolds()
    folder = FoldsFolder(out.resolve())  # absolute: a cluster's workers have another working directory
    if not checked:
        check_space(out, check_folds(recipe, out, options))
    tasks = _tasks(recipe, folder, options)
    if folder.summary.exists() and not folder.runs() and not options.by_source:
        raise UsageError(f"{folder.summary} is there and no folds: it is not touched; choose another --out")
    with folder.lock(), stop_requested(listener.note) as stop:
        progress = _Standing(folder, tasks, listener)
        todo = [task for task in tasks if not RunFolder(task.out).finished.exists()]
        if len(todo) < len(tasks):
            runs = "sources" if options.by_source else "folds"
            listener.note(f"{len(tasks) - len(todo)} of {len(tasks)} {runs} are finished already and are skipped")
        train = train_on_ray if options.engine == "ray" else train_in_processes
        if todo:
            train(todo, options.jobs, progress.ended, progress.look, listener.note, stop)
        progress.write()
    return CrossValidation(folder.path, tuple(progress.outcomes()))


def check_folds(recipe: Recipe, out: Path, options: CrossValidationOptions) -> int:
    """Check all that can be known before anything is trained, for every fold that is not finished.

    Returns
    -------
    int
        Bytes of disk that these folds will take, at most (:func:`check_space`).

    Raises
    ------
    UsageError, DataError, CheckpointError
        Where the recipe, the set, a fold, starting weights, the device or what is in ``out`` does not allow to begin.
    """
    wanted = 0
    sets: dict[str, PackedSet] = {}
    for task in _tasks(recipe, FoldsFolder(out.resolve()), options):
        prepared, run = task.recipe.data.prepared, RunFolder(task.out)
        if prepared not in sets:
            sets[prepared] = PackedSet.open(Path(prepared))
        packed = sets[prepared]
        split(
            packed.records, task.fold, task.source, task.recipe.data.inner_fold
        )  # raises for what is not there, and for leaks
        check_fold_of_balanced_set(packed.info, task.fold, task.source)
        if run.recipe.exists():
            check_same_run(run, task.recipe, packed.digests)
        if not run.finished.exists():
            wanted += check_start(task.recipe, packed, "cpu" if options.engine == "ray" else options.device)
    return wanted


def check_space(out: Path, wanted: int) -> None:
    """Refuse to begin where the disk of ``out`` has no room for ``wanted`` bytes.

    Raises
    ------
    TrainingError
        With both figures.
    """
    free = free_bytes(out)
    if free < wanted:
        raise TrainingError(
            f"{out}: about {wanted / 1e9:.2g} GB are wanted and {free / 1e9:.2g} GB are free: free some, or choose "
            "another disk; nothing was trained"
        )


def _tasks(recipe: Recipe, folder: FoldsFolder, options: CrossValidationOptions) -> list[FoldTask]:
    """A task a fold."""
    recipe = recipe.with_prepared(_prepared_folder(recipe))
    threads = options.threads or max(cores() // options.jobs, 1)
    if options.by_source:
        return [
            FoldTask(
                recipe.with_left_out_source(source),
                folder.without(source).path,
                options.device,
                threads,
                options.save_every,
            )
            for source in _sources(recipe)
        ]
    return [
        FoldTask(recipe.with_fold(fold), folder.run(fold).path, options.device, threads, options.save_every)
        for fold in _chosen_folds(recipe, options.folds)
    ]


def _sources(recipe: Recipe) -> list[str]:
    """The sources that can be left out, of a set of several."""
    packed = PackedSet.open(Path(recipe.with_fold(recipe.data.fold).data.prepared))
    if sources := sources_of(packed.records):
        return sources
    raise UsageError(
        f"{packed.folder} has one source to train on: wanted two or more to leave one out; prepare several as one set: "
        "hierattn prepare A B OUT"
    )


def _prepared_folder(recipe: Recipe) -> Path:
    if not recipe.data.prepared:
        raise UsageError("the recipe names no prepared set: add --data FOLDER or data.prepared=FOLDER")
    return Path(recipe.data.prepared).resolve()


def _chosen_folds(recipe: Recipe, folds: Sequence[int] | None) -> list[int]:
    if folds is not None:
        chosen = list(dict.fromkeys(folds))
    else:
        packed = PackedSet.open(Path(recipe.with_fold(0).data.prepared))
        chosen = list(range(1 + max((record.fold for record in packed.records), default=-1)))
    if not chosen:
        raise UsageError("no folds: wanted at least one, e.g. --folds 0-9")
    return chosen


class _Standing:
    """How the folds stand, read from their folders, so that it is the same for every engine."""

    def __init__(self, folder: FoldsFolder, tasks: Sequence[FoldTask], listener: FoldListener) -> None:
        self.folder, self.tasks, self.listener = folder, tasks, listener
        self.endings: dict[Path, tuple[Ended, str]] = {}

    def ended(self, task: FoldTask, how: Ended, error: str) -> None:
        """Note the end and write the summary."""
        self.endings[task.out] = (how, error)
        if how == "failed":
            self.listener.note(f"{task.held_out} failed: {error}")
        self.write()

    def look(self) -> None:
        """Tell the listener."""
        self.listener.look(self.outcomes())

    def outcomes(self) -> list[FoldOutcome]:
        """A record a fold."""
        outcomes = []
        for task in self.tasks:
            how, error = self.endings.get(task.out, ("finished", ""))
            fold = read_fold(task.recipe, task.out)
            outcomes.append(fold if how == "finished" else replace(fold, status=how, error=error))
        return outcomes

    def write(self) -> None:
        """Write the summary, once there is a fold: alone it would be taken for somebody else's."""
        if not any(task.out.exists() for task in self.tasks):
            return
        by_source = any(task.source for task in self.tasks)
        path, columns = self.folder.summary, COLUMNS
        if by_source:
            path, columns = self.folder.summary_of_sources, ("source", *COLUMNS[1:])
        write_table(path, columns, [_row(fold) for fold in self.outcomes()])


def _row(fold: FoldOutcome) -> list[object]:
    figures = [f"{fold.figures[name]:.6g}" if fold.figures else "" for name in FIGURES]
    standing = [fold.source or fold.fold, fold.status, fold.run.name, fold.epochs, fold.best_epoch]
    return [*standing, *figures, f"{fold.seconds:.1f}", fold.starts, fold.error]


def read_fold(recipe: Recipe, run: Path) -> FoldOutcome:
    """How the fold in the run folder ``run`` stands."""
    folder = RunFolder(run)
    rows = folder.read_log() if folder.log.exists() else []
    # The first of equals, as training keeps it.
    best = max(rows, key=lambda row: standing(row, recipe.choose_by), default=None)
    starts = len(folder.read_starts())
    return FoldOutcome(
        fold=recipe.data.fold,
        run=run,
        status="finished" if folder.finished.exists() else "training" if starts else "waiting",
        epochs=len(rows),
        best_epoch=int(best["epoch"]) if best else -1,
        figures={name: float(best[name]) for name in FIGURES} if best else {},
        seconds=sum(float(row["seconds"]) for row in rows),
        starts=starts,
        source=recipe.data.left_out_source,
    )
