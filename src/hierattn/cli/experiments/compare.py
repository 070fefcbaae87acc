"""``hierattn compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json_file, terminal
from hierattn.cli.recipes import built_in_recipes
from hierattn.cli.run_options import (
    Bootstrap,
    ComparisonJson,
    Device,
    Folds,
    FoldThreads,
    Jobs,
    Prepared,
    ResampleSeed,
    load_recipe,
)

if TYPE_CHECKING:
    from hierattn.cli.experiments.steps import Training


def run(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=RUN",
            help="Run folders, or folders of 'hierattn crossval'. Differences are from the first.",
        ),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            "-r",
            metavar="NAME=RECIPE",
            help="Also train and evaluate this; finished folds are kept.",
            autocompletion=completing(built_in_recipes),
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A change to every --recipe; {name} in it is the name of its run folder."
        ),
    ] = None,
    data: Prepared = None,
    paper_data: Annotated[
        Path | None, typer.Option(help="The set balanced by 'hierattn balance --protocol paper', for --recipe.")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="honest, paper, or both: side by side, with the gap between them.",
            autocompletion=completing("honest", "paper", "both"),
        ),
    ] = "honest",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the tables, figures and the page are written.")
    ] = Path("comparison"),
    runs_folder: Annotated[Path, typer.Option("--runs", help="Where --recipe trains: RUNS/NAME/fold-K.")] = Path(
        "runs"
    ),
    title: Annotated[str, typer.Option(help="Of the page.")] = "Models side by side",
    folds: Folds = "all",
    jobs: Jobs = 1,
    threads: FoldThreads = 0,
    device: Device = "auto",
    bootstrap: Bootstrap = 1000,
    seed: ResampleSeed = 0,
    leave_one_source_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-source-out",
            help="Compare the runs of 'crossval --leave-one-source-out' in each folder, source by source.",
        ),
    ] = False,
    as_json: ComparisonJson = False,
) -> None:
    """Compare models on the same held-out images: Table 1, Figs. 7 and 8, the paper's column beside ours.

    Runs that are not evaluated yet are evaluated first. All must be evaluated on the same photographs, with the same
    folds held out; the differences are tested lesion by lesion and corrected for the number of pairs.

    With --recipe, what is missing is trained first, with each fold held out; interrupted training resumes. All that can
    be known of every training is checked before the first.

    With --leave-one-source-out, each name is the folder of a cross-validation that left sources out: the models are
    compared on each source by itself, on photographs whose clinic neither has seen.

    --protocol both compares the paper's protocol with the honest one and says how much it flatters: give each name
    twice, once with a run on the prepared set and once with a run on the set that was balanced before it was folded.

        hierattn compare xs=runs/xs s=runs/s mobilenet=runs/mobilenet_v2 --out results/table1

        hierattn compare -r xs=quicktest -r v2=quicktest --set optimiser.epochs=5 --data out/demo/prepared

        hierattn compare xs=runs/xs xs=runs/xs-paper --protocol both

        hierattn compare a=runs/a b=runs/b --leave-one-source-out
    """
    from hierattn.cli.crossval import parse_folds
    from hierattn.cli.experiments.steps import (
        ExperimentOptions,
        Page,
        check_comparable,
        check_trainings,
        named,
        publish,
        read,
        read_left_out,
        show,
        train,
    )
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.page import JSON, KIND
    from hierattn.files import check_replaceable

    if protocol not in ("honest", "paper", "both"):
        raise UsageError(f"--protocol {protocol!r}: wanted honest, paper or both")
    check_replaceable(out, KIND)
    console = terminal(stderr=as_json)
    options = ExperimentOptions(parse_folds(folds), jobs, threads, device, bootstrap, seed)
    if not runs and not recipes:
        raise UsageError("nothing to compare: wanted NAME=RUN, or --recipe NAME=RECIPE, at least once")
    if leave_one_source_out:
        if recipes or protocol != "honest" or options.folds is not None:
            raise UsageError("--leave-one-source-out with --recipe, --protocol or --folds: wanted NAME=FOLDER alone")
        pairs = list(map(named, runs or ()))
        if len({name for name, _ in pairs}) < len(pairs):
            raise UsageError("two entrants have one name: wanted NAME=FOLDER, each name once")
        left_out = [one for name, path in pairs for one in read_left_out(name, Path(path), options, console, data)]
        found = publish(out, left_out, options, console, Page(title))
        print_json_file(out / JSON) if as_json else show(console, found, out)
        return
    trainings = _trainings(recipes or (), overrides, _sets(protocol, data, paper_data) if recipes else {}, runs_folder)
    check_trainings(trainings, options, console)
    entrants = [read(name, Path(path), options, console, data) for name, path in map(named, runs or ())]
    check_comparable(entrants, trainings, options, protocol)
    entrants += [train(training, options, console) for training in trainings]
    found = publish(out, entrants, options, console, Page(title), protocol)
    if as_json:
        print_json_file(out / JSON)
    else:
        show(console, found, out)


def _trainings(
    recipes: Sequence[str], overrides: Sequence[str] | None, sets: Mapping[str, Path | None], runs: Path
) -> list[Training]:
    """What each --recipe is to train on each set."""
    from hierattn.cli.experiments.steps import Training, named

    trainings = []
    for mark, prepared in sets.items():
        for name, recipe in map(named, recipes):
            folder = runs / f"{name}{mark}"
            changes = [change.replace("{name}", folder.name) for change in overrides or ()]
            trainings.append(Training(name, load_recipe(recipe, changes, prepared), folder))
    return trainings


def _sets(protocol: str, data: Path | None, paper_data: Path | None) -> dict[str, Path | None]:
    """What to train on, by the mark that its run folders get; None is what the recipe names."""
    from hierattn.errors import UsageError

    if protocol == "honest":
        return {"": data}
    if paper_data is None:
        raise UsageError(f"--protocol {protocol} with --recipe: wanted --paper-data, from 'balance --protocol paper'")
    return {"-paper": paper_data} if protocol == "paper" else {"": data, "-paper": paper_data}
