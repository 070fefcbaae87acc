"""``hierattn export``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import completing, print_json, terminal, waiting
from hierattn.shares import percent

if TYPE_CHECKING:
    from hierattn.deploy.export.export import Exported


def run(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a .safetensors checkpoint.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="What to write: *.onnx, or *.pte or *.tflite for a phone.")
    ],
    heatmap: Annotated[bool, typer.Option(help="Give the bundle a heat map as an output.")] = True,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            "-p",
            help="float32, float16, mixed, int8-weights or int8; .onnx only.",
            autocompletion=completing("float32", "float16", "mixed", "int8-weights", "int8"),
        ),
    ] = "float32",
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="The prepared set of the run, if it has moved.")
    ] = None,
    reject: Annotated[
        list[Path] | None,
        typer.Option(
            "--reject",
            help="A prepared set of photographs of another kind, to be rejected: of phones for a model of dermoscopy, "
            "say. May be repeated.",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Fixed batch size of the .onnx; any number of images without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON, and nothing else.")] = False,
) -> None:
    """Export a trained model to one file that needs neither torch nor hierattn.

    It takes a photograph of any size as uint8 RGB and gives calibrated probabilities, the triage risk, a heat map and
    the novelty, which is high for pictures of other things. Resize, scaling and temperature are inside the graph;
    classes, thresholds, figures, licence and provenance are in the file's metadata (docs/bundle.md). The temperature
    and the threshold come from RUN/evaluation, so evaluate first.

    A name that ends in .pte gives an ExecuTorch program for Android and iOS, one that ends in .tflite a LiteRT model.
    Both take one image already resized to the network's own size. That takes a minute or two.

    The file is published only after its probabilities were found equal to PyTorch's on rendered lesions. In a lower
    precision 99 % of the photographs of the outer fold must keep their answer, and the loss of balanced accuracy on
    them is printed and stored.

        hierattn export runs/quicktest model.onnx

        hierattn export runs/quicktest small.onnx --precision int8

        hierattn export runs/quicktest model.pte

        hierattn export runs/isic dermoscopy.onnx --reject out/phone-photographs

        hierattn predict photo.jpg --model model.onnx
    """
    from hierattn.deploy.export.export import export
    from hierattn.processes import keep_freed_memory

    keep_freed_memory()
    console = terminal(stderr=as_json)
    with waiting(console, "Exporting, then comparing with PyTorch"):
        exported = export(
            source, out, precision=precision, heatmap=heatmap, data=data, reject=reject or (), batch=batch
        )
    if as_json:
        print_json(_plain(exported))
        return
    for line in _lines(exported):
        console.print(line, soft_wrap=True)
    if out.suffix == ".onnx":
        console.print(f"Next: hierattn predict PHOTO --model {quote(str(out))}", soft_wrap=True)


def _lines(exported: Exported) -> list[str]:
    export = exported.export
    nodes = sum(export.operators.values())
    lines = [f"{export.path}: {export.size / 1e6:.2f} MB, {nodes} nodes, {export.bundle.model}"]
    cost = export.bundle.precision
    if cost:
        now, before = cost["balanced_accuracy"], cost["balanced_accuracy_float32"]
        lines.append(
            f"{cost['name']}: balanced accuracy {percent(now, 1)}, in float32 {percent(before, 1)}, on "
            f"{cost['images']} images that training never saw; {percent(cost['agreement'], 1)} keep their answer"
        )
        if cost.get("kept_in_float32"):
            lines.append(f"{len(cost['kept_in_float32'])} sensitive layers stay in float32, {cost['layers']} do not")
        lines.append(f"Compared with PyTorch: {export.parity}")
    else:
        lines.append(f"Equal to PyTorch: {export.parity}")
    if export.bundle.novelty:
        rejected = export.bundle.novelty.get("rejected")
        share = "" if rejected is None else f" (of lesions that training never saw, {percent(rejected, 1)})"
        lines.append(f"Photographs unlike the training images are rejected{share}")
        lines += [
            f"Of the photographs of {kind['name']}, {percent(kind['rejected'], 1)} are rejected ({kind['images']} that "
            "it was not fitted to)"
            for kind in export.bundle.novelty.get("other_kinds", ())
        ]
    return [*lines, *exported.notes]


def _plain(exported: Exported) -> dict[str, Any]:
    from dataclasses import asdict

    export = exported.export
    return {
        "path": str(export.path),
        "bytes": export.size,
        "operators": dict(export.operators),
        "parity": asdict(export.parity),
        "precision": dict(export.bundle.precision) or {"name": "float32"},
        "novelty": dict(export.bundle.novelty),
        "notes": list(exported.notes),
    }
