"""``hierattn train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a built-in one: see below.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the recipe, by its dotted keys.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", "-d", help="The prepared folder (data.prepared).")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder. [default: runs/<name>]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    save_every: Annotated[int, typer.Option(help="Also save the state every N steps within an epoch.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Train a model as a recipe says, and leave a run folder.

    The run folder holds the resolved recipe, a log with a row an epoch, TensorBoard events, the state to resume from
    and best.safetensors: the weights of the epoch that was best on the inner split. The outer fold is not looked at.

    Ctrl-C keeps what was learnt; --resume goes on at the same step and ends with the same bits.

        hierattn train quicktest --data out/demo

        hierattn train quicktest optimiser.epochs=5 data.fold=3 --data out/ham --out runs/ham-fold3
    """
    import torch
    from rich.console import Console

    from hierattn.cli.recipes import find_recipe
    from hierattn.training.fit import fit
    from hierattn.training.progress import Bar
    from hierattn.training.recipe import Recipe

    changes = list(overrides or ())
    if data is not None:
        changes.append(f"data.prepared={data}")
    chosen = Recipe.load(find_recipe(recipe), changes)
    if threads:
        torch.set_num_threads(threads)
    folder = out or Path("runs") / chosen.name
    console = Console()
    result = fit(
        chosen,
        folder,
        resume=resume,
        device=device,
        listener=Bar(console, chosen.optimiser.epochs),
        save_every=save_every,
    )
    if result.interrupted:
        console.print(f"Stopped in epoch {result.epochs + 1}. Continue: the same command with --resume", soft_wrap=True)
        raise typer.Exit(1)
    console.print(
        f"Best epoch {result.best_epoch + 1} of {result.epochs}: validation {chosen.choose_by.replace('_', ' ')} "
        f"{result.best:.3f}\nNext: hierattn evaluate {folder}",
        soft_wrap=True,
    )
