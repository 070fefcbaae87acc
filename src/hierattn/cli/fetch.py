"""``hierattn fetch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.sets.catalog import PublicSet


def run(
    name: Annotated[str | None, typer.Argument(help="isic2019, ham10000 or pad-ufes-20.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder to download into; made if it is missing.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the sets, their licences and sizes, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licence without being asked.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Download from URL/<file name> instead; the files are checked all the same."),
    ] = None,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep zip files once unpacked.")] = False,
    jobs: Annotated[int, typer.Option(help="Parallel downloads.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print what was done (or --list) as JSON.")] = False,
) -> None:
    """Download a public data set into a folder that prepare reads.

    Shows the licence first. Resumes interrupted downloads, also in a later call. Every file is checked against the
    size and checksum that its archive publishes; ISIC publishes none, and there the zip's own checksums are checked.
    Where an address is dead, it says on which page the files are, and where to put them.

        hierattn fetch --list

        hierattn fetch pad-ufes-20 data/pad

        hierattn prepare data/pad out/pad
    """
    from rich.console import Console

    from hierattn.cli.progress_bars import step_bars
    from hierattn.data.sets.fetch import fetch, from_mirror, public_set
    from hierattn.errors import UsageError

    console = Console(stderr=json)
    if show:
        _list(console, json)
        return
    if name is None or folder is None:
        raise UsageError("fetch wants a set's name and a folder: hierattn fetch pad-ufes-20 data/pad; see --list")
    chosen = public_set(name)
    if mirror is not None:
        chosen = from_mirror(chosen, mirror)
    _accept(console, chosen, yes)
    with step_bars(console, quiet=False, of_bytes=True) as progress:
        done = fetch(chosen, folder, jobs=jobs, keep_archives=keep_archives, progress=progress)
    if json:
        from json import dumps

        typer.echo(dumps({"folder": str(done.folder), "files": done.files, "unpacked": done.unpacked}, indent=1))
    else:
        console.print(f"Ready: [bold]{folder}[/]  Next: hierattn prepare {folder} OUT", soft_wrap=True)


def _accept(console: Console, chosen: PublicSet, yes: bool) -> None:
    """Show the licence and ask; without a terminal, require --yes."""
    from hierattn.errors import UsageError

    _describe(console, chosen)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{chosen.name} is under {chosen.licence}: accept it with --yes")
    typer.confirm("Do you accept the licence and want to download?", abort=True, err=True)


def _describe(console: Console, public: PublicSet) -> None:
    from rich.markup import escape

    console.print(f"[bold]{public.title}[/] ({public.name})")
    console.print(f"  licence: [bold]{public.licence}[/]  images: {public.images:,}  download: {public.download}")
    console.print(f"  cite: {escape(public.citation)}", soft_wrap=True)
    console.print(f"  page: {public.homepage}", soft_wrap=True)


def _list(console: Console, json: bool) -> None:
    from dataclasses import asdict
    from json import dumps

    from hierattn.data.sets.catalog import PUBLIC_SETS

    if json:
        rows = [
            {**vars(public), "classes": dict(public.classes), "files": [asdict(file) for file in public.files]}
            for public in PUBLIC_SETS.values()
        ]
        typer.echo(dumps(rows, indent=1))
        return
    for public in PUBLIC_SETS.values():
        _describe(console, public)
        for file in public.files:
            size = "size not published" if file.bytes is None else f"{file.bytes:,} bytes"
            console.print(f"    {file.name}  {size}  {file.checksum or 'no checksum published'}", soft_wrap=True)
