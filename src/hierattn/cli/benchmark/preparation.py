"""``hierattn benchmark preparation``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import print_json, print_table, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.benchmarks.balance import WholeCost
    from hierattn.benchmarks.preparation import StepCost


def run(
    photograph: Annotated[
        int, typer.Option(min=64, max=8192, help="Pixels a side of the JPEG files that are decoded.")
    ] = 600,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side of the packed images.")] = 256,
    images: Annotated[int, typer.Option(min=64, max=100_000, help="Images of each step in a round.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each is timed.")] = 3,
    scale: Annotated[
        str, typer.Option(help="Also balance rendered sets of so many images, with commas: 1000,10000,100000.")
    ] = "",
    isic2019: Annotated[
        bool, typer.Option("--isic2019", help="Also balance 25,331 rendered images at ISIC 2019's class counts.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Cores for --scale and --isic2019.")] = 2,
    rendered_size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side of the rendered sets.")] = 64,
    work: Annotated[
        Path | None, typer.Option(help="Where rendered sets are kept and found again. [default: a temporary folder]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Time every step of preparation on rendered lesions, on one core and on two, and whole balanced sets.

    CPU milliseconds an image hold on a busy machine too. Images a second are wall clock: one core and two take turns,
    so that their ratio holds best. --scale and --isic2019 run 'hierattn balance' in a process of its own, whose peak
    memory and CPU time the system tells; rendering takes about five CPU milliseconds an image, once with --work.

        hierattn benchmark preparation

        hierattn benchmark preparation --photograph 3000 --images 64

        hierattn benchmark preparation --isic2019 --scale 1000,10000,100000 --work /tmp/rendered
    """
    import tempfile
    from dataclasses import asdict

    from hierattn.benchmarks.balance import balance_rendered, isic2019_shares
    from hierattn.benchmarks.preparation import StepOptions, machine, measure_steps
    from hierattn.cli.console import step_bars
    from hierattn.data.sets.catalog import ISIC2019

    sets = {str(count): isic2019_shares(count) for count in _sizes(scale)}
    if isic2019:
        sets["isic2019"] = dict(ISIC2019.classes)
    options = StepOptions(photograph, size, images, rounds)
    console = terminal(stderr=as_json)
    with tempfile.TemporaryDirectory() as scratch, step_bars(console, quiet=as_json) as progress:
        steps = measure_steps(Path(scratch), options, progress)
        folder = work or Path(scratch)
        wholes = [
            balance_rendered(folder, name, counts, rendered_size, jobs, progress) for name, counts in sets.items()
        ]
    if as_json:
        setting = {"photograph": photograph, "size": size, "rounds": rounds, "jobs": jobs}
        measured = {
            "setting": {**setting, "rendered_size": rendered_size, "machine": machine()},
            "steps": [asdict(step) for step in steps],
            "balance": [asdict(whole) for whole in wholes],
        }
        print_json(measured, indent=2)
        return
    _show(console, steps, wholes, f"JPEG of {photograph} pixels a side to {size}; {machine()}")


def _sizes(scale: str) -> list[int]:
    from hierattn.errors import UsageError

    words = [word.strip() for word in scale.split(",") if word.strip()]
    if any(not word.isdecimal() or not 1000 <= int(word) <= 10_000_000 for word in words):
        raise UsageError(f"--scale {scale!r}: wanted whole numbers of images, 1000 or more, with commas")
    return [int(word) for word in words]


def _show(console: Console, steps: Sequence[StepCost], wholes: Sequence[WholeCost], title: str) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("step")
    for heading in ("CPU ms an image", "images/s, 1 core", "2 cores", "ratio", "a million, CPU hours"):
        table.add_column(heading, justify="right")
    for step in steps:
        table.add_row(
            step.name,
            f"{step.cpu_ms:.3f}",
            *(f"{rate:,.0f}" for rate in step.per_second.values()),
            f"{step.speed_up:.2f}",
            f"{step.cpu_ms / 3.6:.2f}",
        )
    print_table(console, table)
    if not wholes:
        return
    whole = Table(title="hierattn balance, in a process of its own", title_justify="left")
    whole.add_column("images", justify="right")
    for heading in ("seconds", "CPU seconds", "peak MB", "features", "hardness", "images", "pictures"):
        whole.add_column(heading, justify="right")
    for cost in wholes:
        steps_of = (f"{cost.steps.get(name, 0):.1f}" for name in ("features", "hardness", "images", "pictures"))
        whole.add_row(
            f"{cost.images:,}", f"{cost.seconds:.0f}", f"{cost.cpu_seconds:.0f}", f"{cost.peak_mb:,.0f}", *steps_of
        )
    console.print(whole)
