"""``hierattn benchmark inference``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.benchmarks.runtimes import Contender

PAPER_ROUNDS = 1000
REFERENCE = ("mobilenet_v2", "onnx")
"""What ratios are taken to: MobileNetV2, exported by the plain route."""


@dataclass(frozen=True)
class Measured:
    """One contender under one setting; times in milliseconds an image."""

    model: str
    way: str
    threads: int
    batch: int
    median_ms: float
    p95_ms: float
    ratio: float | None
    bytes: int
    peak_bytes: int | None


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Which; without any, all. See: hierattn models")
    ] = None,
    ways: Annotated[
        str, typer.Option(help="Some of pytorch,onnx,bundle,int8,executorch; executorch builds for minutes.")
    ] = "pytorch,onnx,bundle",
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the images in pixels.")] = 256,
    threads: Annotated[str, typer.Option(help="CPU threads, one or several.")] = "1,2",
    batch: Annotated[str, typer.Option(help="Images at a time, one or several.")] = "1,64",
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="How often each is timed.")] = 30,
    paper: Annotated[
        bool, typer.Option("--paper", help="As the paper measures (§4.1.2): 1000 rounds of one image, one setting.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Measure memory too, in a fresh process each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Time HierAttn and its rivals in every runtime, in one run, on the same image.

    All contenders of a setting take turns, round by round. "ratio" is the median over the rounds of a contender's time
    over that of MobileNetV2, exported by the plain route, in the same round: it holds on a busy machine too,
    milliseconds do not. Times are for one image, also where a batch was given.

    pytorch is the model itself; onnx the plain export; bundle what 'hierattn export' writes; int8 that in 8 bits;
    executorch the phone's program, which takes one image at a time and chooses its own threads.

        hierattn benchmark inference hierattn_xs mobilenet_v2 --batch 1

        hierattn benchmark inference hierattn_xs mobilenet_v2 --ways onnx,bundle,int8,executorch --memory

        hierattn benchmark inference --paper --json > inference.json
    """
    from rich.console import Console

    from hierattn.models.registry import list_models

    console = Console(stderr=as_json)
    if paper:
        rounds, batch, threads = PAPER_ROUNDS, "1", threads.split(",")[0]
    contenders = _build(console, names or list_models(), _listed(ways), size)
    rows = []
    for count in _numbers(threads, "threads"):
        for images in _numbers(batch, "batch"):
            rows += _measure(console, contenders, count, images, rounds)
    peaks = _peaks(console, contenders, size) if memory else {}
    from dataclasses import replace

    rows = [replace(row, peak_bytes=peaks.get((row.model, row.way))) for row in rows]
    if as_json:
        _print_json(rows, size, rounds)
    else:
        _print_tables(console, rows, memory)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str, what: str) -> list[int]:
    from hierattn.errors import UsageError

    parts = _listed(text)
    if not parts or not all(part.isdigit() and 1 <= int(part) <= 1024 for part in parts):
        raise UsageError(
            f"--{what} {text!r}: wanted whole numbers from 1 to 1024, with commas between; 1,2 for instance"
        )
    return [int(part) for part in parts]


def _build(console: Console, names: list[str], ways: list[str], size: int) -> list[Contender]:
    from rich.progress import Progress

    from hierattn.benchmarks.runtimes import WAYS, build_contender
    from hierattn.errors import UsageError
    from hierattn.models.registry import model_spec

    strange = [way for way in ways if way not in WAYS]
    if strange or not ways:
        raise UsageError(f"--ways {','.join(ways)}: wanted some of {','.join(WAYS)}")
    names = [model_spec(name).name for name in names]
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("building", total=len(names) * len(ways))
        found = []
        for name in names:
            for way in ways:
                bar.update(task, description=f"building {name}, {way}")
                found.append(build_contender(name, way, size))
                bar.advance(task)
    return found


def _measure(console: Console, contenders: list[Contender], threads: int, batch: int, rounds: int) -> list[Measured]:
    import numpy as np
    from rich.progress import Progress

    from hierattn.benchmarks.timing import take_turns

    steps = {f"{one.way}|{one.model}": one.make(threads, batch) for one in contenders}
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"{threads} threads, batch {batch}", total=rounds)
        taken = take_turns(steps, rounds, device="cpu", progress=lambda: bar.advance(task))
    reference = taken.get(f"{REFERENCE[1]}|{REFERENCE[0]}")
    rows = []
    for one in contenders:
        times = np.asarray(taken[f"{one.way}|{one.model}"]) / batch
        ratio = None if reference is None else float(np.median(times / (np.asarray(reference) / batch)))
        median, p95 = float(np.median(times)), float(np.percentile(times, 95))
        rows.append(Measured(one.model, one.way, threads, batch, median, p95, ratio, one.size, None))
    return rows


def _peaks(console: Console, contenders: list[Contender], size: int) -> dict[tuple[str, str], int | None]:
    from hierattn.benchmarks.runtimes import peak_memory

    with console.status("Measuring memory, each in a fresh process"):
        return {(one.model, one.way): peak_memory(one, size) for one in contenders}


def _print_tables(console: Console, rows: list[Measured], memory: bool) -> None:
    from itertools import groupby

    from rich.table import Table

    for (threads, batch), group in groupby(rows, key=lambda row: (row.threads, row.batch)):
        title = f"{threads} thread{'s' if threads > 1 else ''}, batch {batch}; milliseconds an image"
        table = Table(title=title, box=None, header_style="bold", title_justify="left")
        table.add_column("model", no_wrap=True)
        table.add_column("way", no_wrap=True)
        for heading in ("median", "p95", "ratio", "MB", *(["memory MB"] if memory else [])):
            table.add_column(heading, justify="right")
        for row in sorted(group, key=lambda row: row.median_ms):
            cells = [f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", "" if row.ratio is None else f"{row.ratio:.2f}"]
            cells.append(f"{row.bytes / 1e6:.2f}")
            if memory:
                cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f}")
            table.add_row(row.model, row.way, *cells)
        console.print(table, "")


def _print_json(rows: list[Measured], size: int, rounds: int) -> None:
    import json
    import platform
    from dataclasses import asdict

    import onnxruntime
    import torch

    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "machine": platform.machine()}
    facts = {
        "size": size,
        "rounds": rounds,
        **versions,
        "reference": list(REFERENCE),
        "rows": [asdict(r) for r in rows],
    }
    typer.echo(json.dumps(facts, indent=2))
