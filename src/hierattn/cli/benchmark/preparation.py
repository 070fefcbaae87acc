"""``hierattn benchmark preparation``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from hierattn.benchmarks.preparation import StepCost, WholeCost


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
    import json
    import tempfile

    from rich.console import Console
    from rich.progress import Progress

    from hierattn.benchmarks.preparation import measure_steps, to_dict
    from hierattn.data.sets.catalog import ISIC2019

    sizes = _sizes(scale)
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory() as scratch, Progress(console=console, transient=True, disable=as_json) as bars:
        task = bars.add_task("timing", total=1)
        steps = measure_steps(
            Path(scratch),
            photograph=photograph,
            size=size,
            images=images,
            rounds=rounds,
            progress=lambda _, done, total: bars.update(task, completed=done, total=total),
        )
        bars.update(task, visible=False)
        folder = work or Path(scratch)
        sets = [(str(count), _shares(count)) for count in sizes]
        if isic2019:
            sets.append(("isic2019", dict(ISIC2019.classes)))
        wholes = [_balance(folder, name, counts, rendered_size, jobs, bars) for name, counts in sets]
    if as_json:
        setting = {
            "photograph": photograph,
            "size": size,
            "rounds": rounds,
            "jobs": jobs,
            "rendered_size": rendered_size,
            "machine": _machine(),
        }
        typer.echo(json.dumps(to_dict(steps, wholes, setting), indent=2))
        return
    _show(console, steps, wholes, f"JPEG of {photograph} pixels a side to {size}; {_machine()}")


def _sizes(scale: str) -> list[int]:
    from hierattn.errors import UsageError

    words = [word.strip() for word in scale.split(",") if word.strip()]
    if any(not word.isdecimal() or not 1000 <= int(word) <= 10_000_000 for word in words):
        raise UsageError(f"--scale {scale!r}: wanted whole numbers of images, 1000 or more, with commas")
    return [int(word) for word in words]


def _shares(images: int) -> dict[str, int]:
    """ISIC 2019's classes in a set of so many images, at least 40 of each."""
    from hierattn.data.sets.catalog import ISIC2019

    counts = {code: max(40, round(images * count / ISIC2019.images)) for code, count in ISIC2019.classes.items()}
    counts["NV"] += images - sum(counts.values())
    return counts


def _balance(folder: Path, name: str, counts: dict[str, int], size: int, jobs: int, bars: Progress) -> WholeCost:
    """Render the set unless it is there, and balance it to a tenth of its images a class."""
    import shutil

    from hierattn.benchmarks.preparation import measure_balance
    from hierattn.data.prepared_set.packed import is_prepared
    from hierattn.data.rendered.prepared import render_prepared

    total = sum(counts.values())
    prepared, out, cache = (folder / f"{part}-{name}" for part in ("rendered", "balanced", "cache"))
    if not is_prepared(prepared):
        task = bars.add_task(f"rendering {total}", total=total)
        render_prepared(
            prepared,
            counts,
            size=size,
            folds=5,
            jobs=jobs,
            progress=lambda _, done, __: bars.update(task, completed=done),
        )
        bars.update(task, visible=False)
    task = bars.add_task(f"balancing {total}", total=None)
    options = ["--target", str(total // 10), "--protocol", "paper", "--grouped", "--jobs", str(jobs)]
    cost = measure_balance(prepared, out, total, [*options, "--cache", str(cache)])
    bars.update(task, visible=False)
    for made in (out, cache):
        shutil.rmtree(made)
    return cost


def _machine() -> str:
    import platform

    from hierattn.files import cores

    return f"{cores()} cores, {platform.machine()}, Python {platform.python_version()}"


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
    console.print(table)
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
