"""``hierattn benchmark inference``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal
from hierattn.cli.run_options import MODELS

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.benchmarks.inference import InferenceTiming

PAPER_ROUNDS = 1000


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Names from 'hierattn models', hierattn_s:attention=se, or timm:NAME. [default: all]",
            autocompletion=completing(*MODELS),
        ),
    ] = None,
    runtimes: Annotated[
        str,
        typer.Option(
            help="Some of pytorch,onnx,bundle,int8,openvino,executorch; executorch takes minutes to build.",
            autocompletion=completing("pytorch", "onnx", "bundle", "int8", "openvino", "executorch"),
        ),
    ] = "pytorch,onnx,bundle",
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the images in pixels.")] = 256,
    threads: Annotated[str, typer.Option(help="CPU threads, one or several.")] = "1,2",
    batch: Annotated[str, typer.Option(help="Images at a time, one or several.")] = "1,64",
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="How often each is timed.")] = 30,
    paper: Annotated[
        bool, typer.Option("--paper", help="As the paper measures (§4.1.2): 1000 rounds of one image, one setting.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Measure memory too, in a fresh process each.")] = False,
    processor_time: Annotated[
        bool, typer.Option("--processor-time", help="Count processor time, which a busy machine hardly moves.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Time HierAttn and its rivals in every runtime, in one run, on the same image.

    Under one setting all models take turns, round by round. "ratio" is the median over the rounds of a model's time
    over that of MobileNetV2, exported by the plain route, in the same round: it holds on a busy machine too,
    milliseconds do not. Times are for one image, also where a batch was given.

    pytorch is the model itself; onnx the plain export; bundle what 'hierattn export' writes; int8 that in 8 bits;
    openvino the bundle by OpenVINO, one image at a time, as predict --runtime openvino runs it; executorch the phone's
    program, which takes one image at a time and chooses its own threads.

        hierattn benchmark inference hierattn_xs mobilenet_v2 --batch 1

        hierattn benchmark inference hierattn_xs mobilenet_v2 --runtimes onnx,bundle,int8,executorch --memory

        hierattn benchmark inference hierattn_xs mobilenet_v2 timm:mobilenetv4_conv_small --batch 1,8,32

        hierattn benchmark inference --paper --json > inference.json
    """
    from hierattn.benchmarks.inference import InferenceOptions, measure_inference, to_dict
    from hierattn.cli.console import step_bars
    from hierattn.models.registry import list_models

    if paper:
        rounds, batch, threads = PAPER_ROUNDS, "1", threads.split(",")[0]
    counts = _numbers(threads, "threads"), _numbers(batch, "batch")
    options = InferenceOptions(
        _words(runtimes), size, *counts, rounds=rounds, memory=memory, processor_time=processor_time
    )
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=False) as progress:
        rows = measure_inference(names or list_models(), options, progress)
    if as_json:
        print_json(to_dict(rows, options), indent=2)
    else:
        _print_tables(console, rows, memory)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str, what: str) -> tuple[int, ...]:
    from hierattn.errors import UsageError

    parts = _words(text)
    if not parts or not all(part.isdigit() and 1 <= int(part) <= 1024 for part in parts):
        raise UsageError(
            f"--{what} {text!r}: wanted whole numbers from 1 to 1024, with commas between; 1,2 for instance"
        )
    return tuple(int(part) for part in parts)


def _print_tables(console: Console, rows: list[InferenceTiming], memory: bool) -> None:
    from itertools import groupby

    from rich.table import Table

    for (threads, batch), group in groupby(rows, key=lambda row: (row.threads, row.batch)):
        title = f"{threads} thread{'s' if threads > 1 else ''}, batch {batch}; milliseconds an image"
        table = Table(title=title, box=None, header_style="bold", title_justify="left")
        table.add_column("model", no_wrap=True)
        table.add_column("runtime", no_wrap=True)
        for heading in ("median", "p95", "images/s", "ratio", "MB", *(["memory MB"] if memory else [])):
            table.add_column(heading, justify="right")
        for row in sorted(group, key=lambda row: row.median_ms):
            cells = [f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.images_per_second:.0f}"]
            cells.append("" if row.ratio is None else f"{row.ratio:.2f}")
            cells.append(f"{row.bytes / 1e6:.2f}")
            if memory:
                cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f}")
            table.add_row(row.model, row.runtime, *cells)
        print_table(console, table)
        console.print()
