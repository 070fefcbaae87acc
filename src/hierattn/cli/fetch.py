"""``hierattn fetch``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, terminal, waiting

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.sets.catalog import PublicSet


def set_names() -> list[str]:
    """Names of the public sets."""
    from hierattn.data.sets.catalog import PUBLIC_SETS

    return list(PUBLIC_SETS)


def run(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A public set of --list; or networks, with commas, for their ImageNet weights; or imagenet for those "
            "of all networks of Table 1.",
            autocompletion=completing(set_names, "imagenet"),
        ),
    ] = None,
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
    jobs: Annotated[int, typer.Option(min=1, help="Parallel downloads.")] = 4,
    check: Annotated[
        bool, typer.Option("--check", help="For networks: download nothing, list the files that DIR lacks.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was done (or --list) as JSON.")] = False,
) -> None:
    """Download a public data set into a folder that prepare reads, or the weights that the paper's recipes start from.

    Shows the licence first. Resumes interrupted downloads, also in a later call. Every file is checked against the
    size and checksum that its archive publishes; ISIC publishes none, and there the zip's own checksums are checked.
    Where an address is dead, or a set has none that a program may use, it says on which page the files are, and where
    to put them.

        hierattn fetch --list

        hierattn fetch pad-ufes-20 data/pad

        hierattn prepare data/pad out/pad

        hierattn fetch hierattn_s,mobilenet_v2 weights
    """
    from hierattn.cli.console import step_bars
    from hierattn.data.sets.fetch import fetch, from_mirror, public_set
    from hierattn.errors import UsageError

    console = terminal(stderr=json)
    if show:
        _list(console, json)
        return
    if name is None or folder is None:
        raise UsageError("fetch wants a set's name and a folder: hierattn fetch pad-ufes-20 data/pad; see --list")
    if networks := _networks(name):
        _fetch_weights(console, networks, folder, mirror, check, json)
        return
    if check:
        raise UsageError(f"--check is for networks' weights, and {name} is none; 'fetch' checks a set's files itself")
    chosen = public_set(name)
    if mirror is not None:
        chosen = from_mirror(chosen, mirror)
    if not chosen.files:
        _describe(console, chosen)
        fetch(chosen, folder)  # says how to get it
    _accept(console, chosen, yes)
    with step_bars(console, quiet=False, of_bytes=True) as progress:
        done = fetch(chosen, folder, jobs=jobs, keep_archives=keep_archives, progress=progress)
    if json:
        by_hand = {"by_hand": chosen.by_hand} if chosen.by_hand else {}
        print_json({"folder": str(done.folder), "files": done.files, "unpacked": done.unpacked, **by_hand})
    elif chosen.by_hand:
        how = chosen.by_hand.replace("FOLDER", str(folder))
        console.print(f"{chosen.name}: {how}; then: hierattn prepare {quote(str(folder))} OUT", soft_wrap=True)
    else:
        console.print(f"Ready: {folder}  Next: hierattn prepare {quote(str(folder))} OUT", soft_wrap=True)


def _networks(name: str) -> list[str]:
    """The networks that are asked for; none where it is a data set, or unknown."""
    from hierattn.data.sets.catalog import PUBLIC_SETS
    from hierattn.errors import UsageError

    if name in PUBLIC_SETS:  # which needs no torch
        return []
    from hierattn.models.registry import SPECS

    if name == "imagenet":
        return [model for model, spec in SPECS.items() if spec.paper_parameters is not None and model != "hierattn_m"]
    names = [part.strip() for part in name.split(",") if part.strip()]
    unknown = [part for part in names if part not in SPECS and not part.startswith("timm:")]
    if unknown and "," in name:
        raise UsageError(f"no network {', '.join(unknown)}: wanted some of {', '.join(SPECS)}, or timm:NAME")
    return [] if unknown else names


def _fetch_weights(
    console: Console, networks: Sequence[str], folder: Path, mirror: str | None, check: bool, json: bool
) -> None:
    """Bring the networks' ImageNet weights; with ``check`` say which are missing and how to get each, and fail."""
    from hierattn.errors import CheckpointError
    from hierattn.models.weights.weight_files import fetch_published, published_weights

    wanted = {published.file: published for published in map(published_weights, networks)}
    missing = [published for published in wanted.values() if not (folder / published.file).is_file()]
    if check and missing:
        lines = [f"{folder / one.file}: {one.fetch_command(folder)}, or put there {one.url}" for one in missing]
        for line in lines:
            console.print(f"missing {line}", soft_wrap=True)
        raise CheckpointError(
            f"{len(missing)} of {len(wanted)} files of weights are missing: 'hierattn fetch "
            f"{','.join(one.name for one in missing)} {folder}' downloads them"
        )
    for published in missing:
        console.print(f"{published.file}  licence: {published.licence}  {published.url}", soft_wrap=True)
        place = None if mirror is None else f"{mirror.rstrip('/')}/{published.file}"
        with waiting(console, f"downloading {published.file}"):
            fetch_published(published.name, folder, url=place)
    if json:
        print_json({"folder": str(folder), "files": list(wanted)})
    else:
        console.print(f"Ready: {', '.join(str(folder / file) for file in wanted)}", soft_wrap=True, highlight=False)


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
    console.print(f"{public.title} ({public.name})", style="bold")
    images = "any number" if public.images is None else f"{public.images:,}"
    console.print(f"  {public.holds}", soft_wrap=True)
    console.print(
        f"  licence: {public.licence}  images: {images}  download: {public.download or 'by hand'}", soft_wrap=True
    )
    console.print(f"  cite: {public.citation}", soft_wrap=True)
    console.print(f"  page: {public.homepage}", soft_wrap=True)


def _list(console: Console, json: bool) -> None:
    from dataclasses import asdict

    from hierattn.data.sets.catalog import PUBLIC_SETS

    if json:
        rows = [
            {
                **vars(public),
                "classes": dict(public.classes),
                "columns": dict(public.columns),
                "files": [asdict(file) for file in public.files],
            }
            for public in PUBLIC_SETS.values()
        ]
        print_json(rows)
        return
    for public in PUBLIC_SETS.values():
        _describe(console, public)
        for file in public.files:
            size = "size not published" if file.bytes is None else f"{file.bytes:,} bytes"
            console.print(f"    {file.name}  {size}  {file.checksum or 'no checksum published'}", soft_wrap=True)
        if public.by_hand:
            console.print(f"  by hand: {public.by_hand}", soft_wrap=True)
