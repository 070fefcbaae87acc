"""``hierattn models``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import print_json, print_table, terminal

if TYPE_CHECKING:
    from hierattn.models.complexity import Complexity
    from hierattn.models.registry import ModelSpec


def run(
    size: Annotated[
        int | None, typer.Option(min=32, max=1024, help="Side of the image in pixels. [default: each model's own]")
    ] = None,
    classes: Annotated[int, typer.Option(min=1, max=100_000, help="Number of classes.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """List every network with its parameters, multiply-adds and memory.

    Counted on one blank image; nothing is downloaded. "Paper" is Table 1's number of parameters in millions, at eight
    classes; only ShuffleNetV2's 2.28 is the network with its 1000 ImageNet classes.

        hierattn models

        hierattn models --size 128 --classes 6 --json
    """
    from dataclasses import asdict

    from hierattn.models.complexity import measure_complexity
    from hierattn.models.registry import list_models, model_spec

    specs = [model_spec(name) for name in list_models()]
    costs = [measure_complexity(spec.name, num_classes=classes, size=size or spec.input_size) for spec in specs]
    if as_json:
        rows = [
            {
                "name": spec.name,
                "title": spec.title,
                "classes": classes,
                "paper_parameters_millions": spec.paper_parameters,
                **asdict(cost),
            }
            for spec, cost in zip(specs, costs, strict=True)
        ]
        print_json(rows, indent=2)
    else:
        _print(specs, costs, classes)


def _print(specs: Sequence[ModelSpec], costs: Sequence[Complexity], classes: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # Seven columns in 80 characters: units stand in the headings, and no number is ever cut.
    table = Table(
        title=f"Models, {classes} classes, one image in float32", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("name", no_wrap=True)
    for heading in ("side", "para-\nmeters", "paper,\nM", "multiply-\nadds, M", "weights,\nMB", "largest\ntensor, MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for spec, cost in zip(specs, costs, strict=True):
        table.add_row(
            spec.name,
            str(cost.size),
            f"{cost.parameters:,}",
            "" if spec.paper_parameters is None else f"{spec.paper_parameters:.2f}",
            f"{cost.multiply_adds / 1e6:.0f}",
            f"{cost.weight_bytes / 1e6:.2f}",
            f"{cost.largest_activation_bytes / 1e6:.2f}",
        )
    print_table(terminal(), table)
