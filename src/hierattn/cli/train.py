"""``hierattn train``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import print_json, terminal, waiting
from hierattn.cli.run_options import Device, Overrides, Prepared, RecipeName, SaveEvery, load_recipe
from hierattn.shares import percent

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.training.recipe import Recipe


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    data: Prepared = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder. [default: runs/<name>]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    device: Device = "auto",
    save_every: SaveEvery = 0,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0 leaves the choice to torch.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train two batches, print expected time and memory, write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print it as JSON, and nothing else.")
    ] = False,
) -> None:
    """Train a model from a recipe, and write a run folder.

    The run folder holds the resolved recipe, a log with one row an epoch, TensorBoard events (or what the recipe key
    trackers names: MLflow, Weights & Biases), the state to resume from and the weights of the epoch that was best on
    the inner split. The outer fold is not used.

    Ctrl-C saves the state; --resume continues at the same step and ends with the same bits.

        hierattn train quicktest --data out/demo

        hierattn train quicktest optimiser.epochs=5 data.fold=3 --data out/ham --out runs/ham-fold3

        hierattn train isic2019/hierattn_s --data out/IHISIC20000 --dry-run

    Several GPUs: torchrun --nproc-per-node 4 -m hierattn train ... (docs/training.md; nodes and SLURM too).
    """
    import torch

    from hierattn.errors import UsageError

    resolved = load_recipe(recipe, overrides, data)
    if threads:
        torch.set_num_threads(threads)
    folder = out or Path("runs") / resolved.name
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: wanted a folder for the run; choose another --out")
    console = terminal(stderr=as_json)
    if dry_run:
        _dry_run(console, resolved, folder, device, as_json)
    else:
        _train(console, resolved, folder, resume, device, save_every)


def _train(console: Console, recipe: Recipe, folder: Path, resume: bool, device: str, save_every: int) -> None:
    import os

    from hierattn.run_folder import epoch_number
    from hierattn.training.fit import fit
    from hierattn.training.listener import Bar

    bar = Bar(console, recipe.optimiser.epochs)
    result = fit(recipe, folder, resume=resume, device=device, listener=bar, save_every=save_every)
    if os.environ.get("RANK", "0") != "0":  # one of torchrun's processes; the first speaks for all
        return
    if result.interrupted:
        console.print(
            f"Stopped in epoch {epoch_number(result.epochs)}. Resume: the same command with --resume", soft_wrap=True
        )
        raise typer.Exit(1)
    console.print(
        f"Best epoch {epoch_number(result.best_epoch)} of {result.epochs}: validation "
        f"{recipe.choose_by.replace('_', ' ')} {result.best:.3f}\nNext: hierattn evaluate {quote(str(folder))}",
        soft_wrap=True,
    )


def _dry_run(console: Console, recipe: Recipe, folder: Path, device: str, as_json: bool) -> None:
    from datetime import timedelta

    from hierattn.training.dry_run import dry_run

    with waiting(console, "training and validating two batches ..."):
        trial = dry_run(recipe, folder, device=device)
    if as_json:
        print_json(trial.to_dict(), indent=2)
        return
    epochs = recipe.optimiser.epochs
    console.print(
        f"{recipe.model.name}, {trial.parameters:,} parameters, on {trial.device}: it works.\n"
        f"{trial.images_per_second:.0f} images/s training, {trial.validation_images_per_second:.0f} validating; "
        f"{percent(trial.waiting_share)} of a step is waiting for data\n"
        f"{trial.memory_bytes / 1e9:.2f} GB of memory with batches of {recipe.optimiser.batch_size}; "
        f"{3 * trial.state_bytes / 1e6:.0f} MB of disk, {trial.free_bytes / 1e9:.1f} GB are free\n"
        f"{trial.training_images} images to train on, {trial.steps} steps an epoch, "
        f"{trial.validation_images} images to select the epoch\n"
        f"Expected: {timedelta(seconds=round(trial.seconds_per_epoch))} an epoch, "
        f"{timedelta(seconds=round(trial.seconds))} for {epochs} epochs (measured on one batch: rough)",
        soft_wrap=True,
    )
