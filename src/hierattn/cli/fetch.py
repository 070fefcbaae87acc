"""``hierattn fetch``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.sets.catalog import PublicSet
    from hierattn.data.sets.download import Progress


def run(
    name: Annotated[str | None, typer.Argument(help="isic2019, ham10000 or pad-ufes-20.")] = None,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where to; made where it is missing.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the sets, their licences and sizes, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licence without being asked.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Take the files from URL/<file name> instead; checked all the same."),
    ] = None,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep zip files once unpacked.")] = False,
    jobs: Annotated[int, typer.Option(help="Files at once.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print what was done (or --list) as JSON.")] = False,
) -> None:
    """Download a public data set into a folder that prepare reads.

    Shows the licence first. A broken transfer goes on where it broke, also in a later call. Every file is checked
    against the size and checksum that its archive publishes; ISIC publishes none, and there the zip's own checksums
    are. A dead address is told with the set's page and where to put the files by hand.

        hierattn fetch --list

        hierattn fetch pad-ufes-20 data/pad

        hierattn prepare data/pad out/pad
    """
    from rich.console import Console

    from hierattn.data.sets.fetch import fetch, from_mirror, public_set
    from hierattn.errors import UsageError

    console = Console(stderr=json)
    if show:
        _list(console, json)
        return
    if name is None or folder is None:
        raise UsageError("fetch wants a set's name and a folder: hierattn fetch pad-ufes-20 data/pad; see --list")
    wanted = public_set(name)
    if mirror is not None:
        wanted = from_mirror(wanted, mirror)
    _accept(console, wanted, yes)
    with _bars(console) as progress:
        done = fetch(wanted, folder, jobs=jobs, keep_archives=keep_archives, progress=progress)
    if json:
        from json import dumps

        typer.echo(dumps({"folder": str(done.folder), "files": done.files, "unpacked": done.unpacked}, indent=1))
    else:
        console.print(f"Ready: [bold]{folder}[/]  Next: hierattn prepare {folder} OUT", soft_wrap=True)


def _accept(console: Console, wanted: PublicSet, yes: bool) -> None:
    """Show the licence; ask, or without a terminal want --yes."""
    from hierattn.errors import UsageError

    _describe(console, wanted)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{wanted.name} is under {wanted.licence}: say that you accept it with --yes")
    typer.confirm("Do you accept the licence and want to download?", abort=True, err=True)


def _describe(console: Console, wanted: PublicSet) -> None:
    from rich.markup import escape

    console.print(f"[bold]{wanted.title}[/] ({wanted.name})")
    console.print(f"  licence: [bold]{wanted.licence}[/]  images: {wanted.images:,}  download: {wanted.download}")
    console.print(f"  cite: {escape(wanted.citation)}", soft_wrap=True)
    console.print(f"  page: {wanted.homepage}", soft_wrap=True)


def _list(console: Console, json: bool) -> None:
    from dataclasses import asdict
    from json import dumps

    from hierattn.data.sets.catalog import PUBLIC_SETS

    if json:
        rows = [
            {**vars(one), "classes": dict(one.classes), "files": [asdict(file) for file in one.files]}
            for one in PUBLIC_SETS.values()
        ]
        typer.echo(dumps(rows, indent=1))
        return
    for one in PUBLIC_SETS.values():
        _describe(console, one)
        for file in one.files:
            size = "size not published" if file.bytes is None else f"{file.bytes:,} bytes"
            console.print(f"    {file.name}  {size}  {file.checksum or 'no checksum published'}", soft_wrap=True)


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    """A bar a file; the callback may be called from several threads."""
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:

        def show(name: str, have: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=have, total=total)

        yield show
