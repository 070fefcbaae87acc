"""``hierattn export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a .safetensors checkpoint.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The bundle to write.")],
    heatmap: Annotated[bool, typer.Option(help="Let the bundle draw heat maps as well.")] = True,
) -> None:
    """Export a trained model to one ONNX file that needs neither torch nor hierattn.

    In goes a photograph of any size as uint8 RGB; out come calibrated probabilities, the triage risk and a heat map.
    Resize, scaling and temperature are inside the graph; classes, thresholds, figures, licence and provenance are in
    the file's metadata (docs/bundle.md). The temperature and the threshold come from RUN/evaluation, so evaluate first.

    The file appears only after its probabilities were found equal to PyTorch's on rendered lesions.

        hierattn export runs/quicktest model.onnx

        hierattn predict photo.jpg --model model.onnx
    """
    from rich.console import Console

    from hierattn.deploy.onnx import export_run

    console = Console()
    with console.status("Exporting, then comparing with PyTorch"):
        export = export_run(source, out, heatmap=heatmap)
    nodes = sum(export.operators.values())
    console.print(f"{out}: {export.size / 1e6:.2f} MB, {nodes} nodes, {export.bundle.model}", soft_wrap=True)
    console.print(f"Equal to PyTorch: {export.parity}", soft_wrap=True)
    if export.bundle.triage.threshold is None:
        console.print(
            "Not calibrated: no evaluation beside the checkpoint. Run 'hierattn evaluate' and export again; until then "
            "predictions will not advise to wait and watch.",
            soft_wrap=True,
        )
    console.print(f"Next: hierattn predict PHOTO --model {out}", soft_wrap=True)
