"""``hierattn similar``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import completing, print_json, print_table, step_bars, terminal
from hierattn.cli.run_options import Device
from hierattn.cli.which_model import OTHER


def run(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="One photograph: JPEG, PNG or another image file.")],
    prepared: Annotated[
        Path, typer.Option("--data", "-d", help="The prepared set that the model was trained on.", show_default=False)
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="RUN_OR_BUNDLE",
            envvar="HIERATTN_MODEL",
            help="A run folder, a bundle's path, or a released name.",
            autocompletion=completing(*OTHER),
        ),
    ] = "dermoscopy",
    count: Annotated[int, typer.Option("--count", "-n", help="Neighbours, one of each lesion or patient.")] = 12,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PAGE.html", help="Also write a page with the neighbours' pictures."),
    ] = None,
    every_part: Annotated[
        bool,
        typer.Option(
            "--every-part", help="Also search photographs that were not trained on, the outer fold's among them."
        ),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Where features are cached. [default: .hierattn-features beside the set]")
    ] = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Show the training photographs that a network sees most alike to a photograph, with their labels.

    Nothing leaves this machine. Only photographs that the weights were trained on are searched; the photograph itself,
    where the set holds it, is named and not counted. The first call computes the features of the whole set and caches
    them; a stopped one resumes.

    The page holds photographs of patients: keep it as carefully as the set. It replaces nothing.

    Neighbours are no second opinion: they come from the same features as the network's answer.

        hierattn similar photo.jpg --data out/mine --model runs/mine

        hierattn similar photo.jpg --data out/mine --model runs/mine --out page.html

    Not a medical device.
    """
    from rich.table import Table

    from hierattn.deploy.predict.predictor import find_bundle
    from hierattn.evaluation.predict import choose_device
    from hierattn.evaluation.similar.page import (
        KIND,
        NO_SECOND_OPINION,
        facts_of,
        itself_sentence,
        labels_sentence,
        write_similar,
    )
    from hierattn.evaluation.similar.search import find_similar
    from hierattn.files import check_new

    if out is not None:
        check_new(out, KIND)
    weights = find_bundle(model)
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        packed, similar = find_similar(
            photo,
            weights,
            prepared,
            count=count,
            every_part=every_part,
            cache=cache,
            device=choose_device(device),
            progress=progress,
        )
    facts = facts_of(packed, similar)
    if out is not None:
        searched = "every part of the set" if every_part else "what the weights were trained on"
        write_similar(out, packed, similar, searched, weights.name)
    if as_json:
        print_json({**facts, "page": None if out is None else str(out)})
        return
    table = Table(title=f"{photo.name} in {packed.folder.name}", title_justify="left", title_style="bold")
    for heading in ("distance", "label", "lesion or patient", "photograph"):
        table.add_column(heading, justify="right" if heading == "distance" else "left")
    for one in facts["neighbours"]:
        table.add_row(f"{one['distance']:.3f}", one["label"], one["lesion"] or "–", one["image"])
    print_table(console, table)
    for line in (labels_sentence(facts), itself_sentence(facts), NO_SECOND_OPINION):
        console.print(line, soft_wrap=True)
    if out is not None:
        console.print(f"{out} holds photographs of patients: do not share it.", soft_wrap=True)
    console.print("Not a medical device.")
