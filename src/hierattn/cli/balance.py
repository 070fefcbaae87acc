"""``hierattn balance``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from hierattn.data.balance.report import BalanceReport
    from hierattn.progress import Progress


def run(
    prepared: Annotated[Path, typer.Argument(help="The folder that 'hierattn prepare' made.")],
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    target: Annotated[
        str,
        typer.Option(
            help="Images a class: a number, or the paper's isic2019 (2500) or pad (500).",
            autocompletion=completing("isic2019", "pad"),
        ),
    ] = "",
    variant: Annotated[
        str,
        typer.Option(
            help="IHISIC, RandISIC, IHPAD or RandPAD: under-sampling and target by the paper's name.",
            autocompletion=completing("IHISIC", "RandISIC", "IHPAD", "RandPAD"),
        ),
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(
            help="honest: balance the training part only; paper: balance everything, then fold.",
            autocompletion=completing("honest", "paper"),
        ),
    ] = "honest",
    fold: Annotated[int, typer.Option(help="The outer fold of the honest protocol (data.fold of the recipe).")] = 0,
    under_sampling: Annotated[
        str,
        typer.Option(
            help="hardness: keep the easiest (Eq. 1); random. [default: hardness]",
            autocompletion=completing("hardness", "random"),
        ),
    ] = "",
    feature: Annotated[
        str,
        typer.Option(
            help="What hardness is computed from: colour-texture, pixels, embedding, or an array in a .npy file.",
            autocompletion=completing("colour-texture", "pixels", "embedding"),
        ),
    ] = "colour-texture",
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --feature embedding: a run folder or its checkpoint.")
    ] = None,
    learners: Annotated[
        str,
        typer.Option(
            help="Averaged: forest, extra-trees, boosting, logistic, neighbours, bayes; with commas.",
            autocompletion=completing("forest", "extra-trees", "boosting", "logistic", "neighbours", "bayes"),
        ),
    ] = "forest",
    hardness_folds: Annotated[int, typer.Option(help="Of the cross-fitting of hardness.")] = 5,
    grouped: Annotated[
        bool | None,
        typer.Option(
            "--grouped/--ungrouped",
            help="Predict a lesion only by learners that saw none of its images. [default: grouped if honest]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of hardness, ties, copies and, in the paper's protocol, folds.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Cores; 0: all.")] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="threads or processes of this machine, or ray: the cluster of RAY_ADDRESS.",
            autocompletion=completing("threads", "processes", "ray"),
        ),
    ] = "threads",
    cache: Annotated[
        Path | None, typer.Option(help="Where features and hardness are cached. [default: .hierattn-hardness by OUT]")
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw what was done.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it is a prepared folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")] = False,
) -> None:
    """Balance a prepared set: under-sample large classes by instance hardness, copy the images of small ones.

    Every class ends with exactly the target. honest (the default) balances only what trains when --fold is left out:
    the outer fold and the inner one stay as they are. paper balances the whole set and folds it afterwards, as the
    paper did; scores on it compare with the paper's and with nothing else.

    OUT is a prepared folder: train and evaluate take it unchanged, with data.fold set to --fold. It also holds
    hardness.csv (every image and its hardness), copies.csv (each copy's parent and how it was changed) and pictures/.
    Features and hardness are cached in .hierattn-hardness beside OUT: a stopped run resumes from there, and another
    target starts at once.

        hierattn balance out/isic out/isic-fold0 --target isic2019 --fold 0

        hierattn balance out/pad out/IHPAD3000 --variant IHPAD --protocol paper

        hierattn balance out/isic out/small --target 200 --learners forest,logistic --feature pixels
    """
    from typing import cast

    from hierattn.cli.console import step_bars
    from hierattn.data.balance.balance import balance
    from hierattn.data.balance.options import BalanceOptions
    from hierattn.data.balance.protocol import Protocol, UnderSampling
    from hierattn.data.engines import Engine

    way, images_a_class = _choice(variant, under_sampling, target)
    console = terminal(stderr=json)
    with step_bars(console, quiet=json) as progress:
        options = BalanceOptions(
            target=images_a_class,
            protocol=cast(Protocol, protocol),  # balance refuses unknown ones
            fold=fold,
            under_sampling=cast(UnderSampling, way),
            feature=feature,
            features=_given_features(feature, checkpoint, prepared, progress) if way == "hardness" else None,
            learners=tuple(name.strip() for name in learners.split(",") if name.strip()),
            hardness_folds=hardness_folds,
            grouped=grouped,
            seed=seed,
            jobs=jobs,
            engine=cast(Engine, engine),
            cache=cache,
            pictures=pictures,
        )
        report = balance(prepared, out, options, overwrite=overwrite, progress=progress)
    if json:
        print_json(report.to_dict(), indent=2)
    else:
        _show(console, report)


def _choice(variant: str, under_sampling: str, target: str) -> tuple[str, int]:
    """Under-sampling and images a class, from a variant's name or from the two options."""
    from hierattn.data.balance.protocol import VARIANTS, target_of
    from hierattn.errors import UsageError

    if not variant:
        if not target:
            raise UsageError("no target: say how many images a class, --target 500 for instance, or a --variant")
        return under_sampling or "hardness", target_of(target)
    if variant not in VARIANTS:
        raise UsageError(f"variant {variant!r}: wanted one of {', '.join(VARIANTS)}")
    chosen = VARIANTS[variant]
    if under_sampling not in ("", chosen.under_sampling):
        raise UsageError(f"{variant} is under-sampled by {chosen.under_sampling}: leave out --under-sampling")
    return chosen.under_sampling, target_of(target) if target else chosen.target


def _given_features(
    feature: str, checkpoint: Path | None, prepared: Path, progress: Progress | None
) -> np.ndarray | None:
    """The features that balance does not make itself: a network's embedding, or an array in a file."""
    from hierattn.errors import DataError, UsageError

    if checkpoint is not None and feature != "embedding":
        raise UsageError(f"--checkpoint with --feature {feature}: wanted --feature embedding, or no checkpoint")
    if feature == "embedding":
        if checkpoint is None:
            raise UsageError("--feature embedding: wanted --checkpoint too, whose network makes the embedding")
        from hierattn.data.prepared_set.packed import PackedSet
        from hierattn.evaluation.embedding import embed

        packed = PackedSet.open(prepared)
        return embed(checkpoint, packed, progress=progress)
    if not feature.endswith(".npy"):
        return None
    import numpy as np

    try:
        features = np.load(feature, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{feature} is no array ({error}): wanted a .npy file of floats, (images, columns)") from None
    return np.asarray(features)


def _show(console: Console, report: BalanceReport) -> None:
    from rich.table import Table

    from hierattn.cli.recipes import next_training
    from hierattn.data.prepared_set.packed import PackedSet

    packed = PackedSet.open(report.out)
    part = "whole set" if report.fold is None else f"training part of fold {report.fold}"
    table = Table(title=f"{part}, {report.target} a class, {report.under_sampling}", title_justify="left")
    table.add_column("class")
    table.add_column("name")
    for heading in ("before", "dropped", "copies", "after", "held out"):
        table.add_column(heading, justify="right")
    for code, count in report.classes.items():
        table.add_row(
            code,
            packed.taxonomy.by_code[code].name,
            *map(str, (count.before, count.dropped, count.copies, count.after, count.untouched)),
        )
    print_table(console, table)
    for note in report.notes:
        console.print(f"{note[:1].upper()}{note[1:]}.", style="bold yellow", soft_wrap=True)
    steps = " · ".join(f"{name} {seconds:.1f} s" for name, seconds in report.seconds.items())
    console.print(
        f"Imbalance {report.imbalance_before:.1f} → {report.imbalance_after:.1f} · leaks 0 · {steps}", soft_wrap=True
    )
    chosen = f"data.fold={report.fold}" if report.fold else ""  # fold 0 is the recipes' own
    console.print(next_training(report.out, len(packed), packed.image_spec.size, chosen), soft_wrap=True)
