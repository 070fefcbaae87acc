"""``hierattn push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import terminal, waiting


def run(
    run_folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder that 'hierattn evaluate' has evaluated.")
    ],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hugging Face Hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Let anybody read it; without it a new repository is private.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Of the weights [default: the training data's].")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="The prepared set of the run, if it has moved.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to put what would be pushed [default: RUN-hub].")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only make that folder; ask the hub nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before pushing.")] = False,
) -> None:
    """Push a trained model to the Hugging Face Hub: weights, bundle, model card, and a card of its training data.

    What would be pushed is first put into a folder, for you to read, and you are asked. Photographs, crops, heat maps,
    predictions, the names and digests of images, and paths of this machine are never in it. A new repository is
    private.

    The token is that of 'hf auth login' or HF_TOKEN; hierattn neither stores nor prints it.

        hierattn push runs/quicktest me/lesions --dry-run

        hierattn push runs/quicktest me/lesions
    """
    from rich.filesize import decimal

    from hierattn.deploy.hub.public_copy import make_public_copy
    from hierattn.deploy.hub.push import find_place, push
    from hierattn.hub import PREFIX, PUSHED
    from hierattn.hub import repository as parsed

    console = terminal()
    name, _ = parsed(repository)
    place = None if dry_run else find_place(repository)
    folder = out or run_folder.with_name(f"{run_folder.resolve().name}-hub")
    with waiting(console, "Exporting, then comparing with PyTorch"):
        _, notes = make_public_copy(run_folder, folder, name, data=data, licence=licence)
    for file in PUSHED:
        console.print(f"{folder / file}  {decimal((folder / file).stat().st_size)}", soft_wrap=True)
    for note in notes:
        console.print(note, soft_wrap=True)
    if place is None:
        console.print(f"Nothing was pushed. To push it: hierattn push {run_folder} {name}", soft_wrap=True)
        return
    seen = "ANYBODY will be able to read and keep it" if public or place.public else "a private repository"
    if not yes:
        typer.confirm(f"Push these {len(PUSHED)} files to {name}, {seen}?", abort=True, err=True)
    address = push(folder, place, public=public)
    console.print(f"{address}\nLoad it: hierattn predict PHOTO --model {PREFIX}{name}", soft_wrap=True)
