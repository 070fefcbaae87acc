"""``hierattn benchmark training``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import print_json, terminal, waiting
from hierattn.cli.run_options import Device, Overrides, RecipeName, load_recipe
from hierattn.shares import percent


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="A prepared folder whose source files are still there.")
    ] = None,
    device: Device = "auto",
    rounds: Annotated[int, typer.Option(help="Turns of each way.")] = 5,
    steps: Annotated[int, typer.Option(help="Timed steps a turn; on a GPU 40 or more.")] = 10,
    workers: Annotated[int, typer.Option(help="Processes of the plain DataLoader; 0 decodes in this one.")] = 0,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0 leaves the choice to torch.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, and nothing else.")] = False,
) -> None:
    """Measure how fast training is fed, against a plain DataLoader of JPEG files, in one run.

    Three ways take turns with the same model, optimiser and precision: the network alone on one batch; the packed set,
    augmented batched on the device; JPEG files decoded, resized, rotated and flipped by Pillow. Their ratio is the
    median of the turns' own ratios, so that whatever else the machine does meets both sides alike.

        hierattn benchmark training quicktest --data out/demo/prepared --threads 1

        hierattn benchmark training isic2019/hierattn_xs precision=bf16-mixed compile=cuda-graphs transfer.checkpoint=
        transfer.frozen_epochs=0 --data out/isic --device cuda --workers 16 --steps 50
    """
    import torch

    from hierattn.benchmarks.training import measure_feeding

    settings = load_recipe(recipe, overrides, data)
    if threads:
        torch.set_num_threads(threads)
    console = terminal(stderr=as_json)
    with waiting(console, "network alone, packed set, JPEG files, in turns ..."):
        speed = measure_feeding(settings, device=device, rounds=rounds, steps=steps, workers=workers)
    if as_json:
        print_json(speed.to_dict(), indent=2)
        return
    middle, least, most = speed.ratio
    where = "on the device" if speed.packed_resident else "in memory"
    console.print(
        f"{speed.model}, {speed.size} x {speed.size}, batches of {speed.batch_size}, {speed.precision}, compile "
        f"{speed.compile}, on {speed.device}; median of {rounds} turns of {steps} steps\n"
        f"network alone   {speed.network_images_per_second:8.1f} images/s\n"
        f"packed set      {speed.packed_images_per_second:8.1f} images/s, {percent(speed.packed_waiting, 1)} waiting "
        f"for data ({where})\n"
        f"JPEG files      {speed.plain_images_per_second:8.1f} images/s, {percent(speed.plain_waiting, 1)} waiting "
        f"for data ({speed.workers} workers, files of {speed.source_side:.0f} pixels)\n"
        f"packed / JPEG   {middle:.2f} (turns: {least:.2f} to {most:.2f})\n"
        f"arithmetic      {speed.teraflops:.3g} TFLOP/s, {percent(speed.teraflops / speed.matmul_teraflops, 1)} of a "
        f"large matrix product's {speed.matmul_teraflops:.3g}",
        soft_wrap=True,
    )
