"""``hierattn models``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal
from hierattn.cli.run_options import MODELS

if TYPE_CHECKING:
    from hierattn.models.complexity import Complexity
    from hierattn.models.registry import ModelSpec


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="A network to describe, or several; timm:NAME for any of timm's. [default: list all]",
            autocompletion=completing(*MODELS),
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=32, max=1024, help="Side of the image in pixels. [default: each model's own]")
    ] = None,
    classes: Annotated[int, typer.Option(min=1, max=100_000, help="Number of classes.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """List every network with its parameters, multiply-adds and memory, or describe those that are named.

    A description has the image size and pixel statistics that the network expects, the options that a recipe can set,
    and where its weights may come from.

    Counted on one blank image; nothing is downloaded. "Paper" is Table 1's number of parameters in millions, at eight
    classes; only ShuffleNetV2's 2.28 is the network with its 1000 ImageNet classes.

        hierattn models

        hierattn models timm:mobilenetv4_conv_small

        hierattn models --size 128 --classes 6 --json
    """
    from dataclasses import asdict

    if names:
        _describe_all(names, size, classes, as_json)
        return
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


def _describe_all(names: Sequence[str], size: int | None, classes: int, as_json: bool) -> None:
    described = [_description(name, size, classes) for name in names]
    if as_json:
        print_json(described, indent=2)
        return
    for each in described:
        _print_description(each)


def _description(name: str, size: int | None, classes: int) -> dict[str, Any]:
    """What is known of one network, as plain values."""
    from dataclasses import asdict

    from hierattn.errors import UsageError
    from hierattn.models.complexity import measure_complexity
    from hierattn.models.registry import expected_pixels, fixed_size, model_options, model_spec
    from hierattn.models.weights.weight_files import published_weights

    spec = model_spec(name)
    fixed = fixed_size(name)
    options = {"img_size": size} if fixed and size not in (None, fixed) else {}
    cost = measure_complexity(name, num_classes=classes, size=size or spec.input_size, **options)
    mean, deviation = expected_pixels(name)
    try:
        weights = asdict(published_weights(name))
    except UsageError:  # nobody has published any
        weights = None
    return {
        "name": name,
        "title": spec.title,
        "classes": classes,
        "native_size": spec.input_size,
        "fixed_size": fixed is not None,
        "mean": mean,
        "std": deviation,
        "options": model_options(name),
        "weights": weights,
        **asdict(cost),
    }


def _print_description(known: dict[str, Any]) -> None:
    sizes = "of its weights; other sides need model.options.img_size" if known["fixed_size"] else "or any other side"
    as_they_are = not any(known["mean"]) and set(known["std"]) == {1.0}
    pixels = "as they are, 0 to 1" if as_they_are else f"mean {_three(known['mean'])}, deviation {_three(known['std'])}"
    weights, short = known["weights"], known["name"].removeprefix("timm:")
    largest = known["largest_activation_bytes"] / 1e6
    sources = ["transfer.checkpoint=FILE or package:NAME (an installed package that holds one file of weights)"]
    if weights is None:
        sources.append("nobody has published any that can be fetched")
    else:
        of = "" if weights["name"] == known["name"] else f", those of {weights['name']}"
        sources.append(
            f"hierattn fetch {known['name']} weights{of}: then transfer.checkpoint=weights/{weights['file']}"
        )
        sources.append(f"from {weights['url']}, licence: {weights['licence']}")
    rows = (
        ("parameters", f"{known['parameters']:,} with {known['classes']} classes"),
        ("image", f"{known['native_size']} pixels a side, {sizes}"),
        ("pixels", pixels),
        ("cost", f"{known['multiply_adds'] / 1e6:,.0f} M multiply-adds at {known['size']} pixels"),
        ("memory", f"weights {known['weight_bytes'] / 1e6:.2f} MB, largest tensor {largest:.2f} MB"),
        ("options", ", ".join(f"model.options.{option}" for option in known["options"]) or "none"),
        *(("weights" if not place else "", source) for place, source in enumerate(sources)),
        ("train", f"hierattn train RECIPE model.name={known['name']} --data PREPARED --out runs/{short}"),
    )
    console = terminal()
    console.print(known["name"] if known["title"] == short else f"{known['name']}: {known['title']}", style="bold")
    for name, text in rows:  # whole lines, so that an address and a command can be copied
        console.print(f"  {name:<12}{text}", soft_wrap=True, highlight=False)


def _three(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


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
