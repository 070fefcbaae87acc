"""``hierattn benchmark models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal
from hierattn.cli.run_options import MODELS
from hierattn.shares import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hierattn.benchmarks.models import ModelsOptions, ModelTimings

PROFILED = 15


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Names from 'hierattn models'. [default: all]", autocompletion=completing(*MODELS)
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the images in pixels.")] = 256,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Images at a time.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="How often each is timed.")] = 30,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.", autocompletion=completing("cpu", "cuda"))] = "cpu",
    train: Annotated[bool, typer.Option("--train", help="Time a training step as well.")] = False,
    onnx: Annotated[bool, typer.Option(help="Time the exported graph in ONNX Runtime as well (CPU).")] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Add HierAttn with plain attention and pooling.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Add bfloat16, channels-last and torch.compile.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time goes instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Time every model in one run on the same images: inference, and a training step with --train.

    The models take turns, round by round. "ratio" is the median over the rounds of a model's time over MobileNetV2's in
    the same round and way: it holds on a busy machine too, milliseconds do not. "limit" is the share of what one large
    matrix product reaches in the same runtime and run. Weights are random: speed does not depend on them.

    With --profile: HierAttn's blocks in PyTorch, and each exported graph's operators. A node's fastest round is what
    a quiet machine would give, so the sums compare models even on a busy one.

    ONNX Runtime runs what 'hierattn export' writes, without its heat map, on uint8 photographs of the right size.

        hierattn benchmark models

        hierattn benchmark models hierattn_xs --profile

        hierattn benchmark models --device cuda --batch 64 --train --plain --fast
    """
    from hierattn.benchmarks.models import ModelsOptions, measure_models
    from hierattn.cli.console import step_bars
    from hierattn.models.registry import list_models, model_spec

    models = [model_spec(name).name for name in names or list_models()]
    options = ModelsOptions(size, batch, rounds, threads, device, train, onnx, plain, fast)
    console = terminal(stderr=as_json)
    if profile:
        _profile(console, models, options)
        return
    with step_bars(console, quiet=False) as progress:
        measured = measure_models(models, options, progress)
    if as_json:
        print_json(measured.to_dict(), indent=2)
    else:
        _print_tables(console, measured)


def _profile(console: Console, names: list[str], options: ModelsOptions) -> None:
    """HierAttn's blocks in PyTorch, and every model's operators in ONNX Runtime where that takes part."""
    from hierattn.benchmarks.block_profile import profile_blocks
    from hierattn.benchmarks.onnx_runtime import profile_operators
    from hierattn.errors import UsageError
    from hierattn.models.registry import VARIANTS, create_model

    images = options.images()
    if not options.uses_runtime and not set(names) & set(VARIANTS):
        raise UsageError(f"--profile: none of {', '.join(names)} is a HierAttn; wanted {', '.join(VARIANTS)}")
    for name in names:
        if name in VARIANTS:
            blocks = profile_blocks(create_model(name).to(images.device), images, rounds=options.rounds)
            title = f"{name} in PyTorch; a block holds those inside it"
            cells: list[tuple[str, ...]] = [
                (block.path, f"{block.minimum_ms:.3f}", percent(block.share)) for block in blocks[:PROFILED]
            ]
            _print_columns(console, title, ("block", "ms", "share"), cells)
        if options.uses_runtime:
            operators = profile_operators(name, images, options.rounds, options.threads)
            whole = sum(time for _, time in operators.values())
            nodes = sum(count for count, _ in operators.values())
            title = f"{name} in ONNX Runtime: {whole:.2f} ms"
            dearest = sorted(operators.items(), key=lambda item: -item[1][1])[:PROFILED]
            cells = [(operator, str(n), f"{time:.3f}", percent(time / whole)) for operator, (n, time) in dearest]
            _print_columns(
                console, title, ("operator", "nodes", "ms", "share"), [*cells, ("all", str(nodes), f"{whole:.3f}", "")]
            )


def _print_columns(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    console.print(title, style="italic", soft_wrap=True)  # a title over a table would wrap at its width
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    print_table(console, table)
    console.print()


def _print_tables(console: Console, measured: ModelTimings) -> None:
    from itertools import groupby

    batch = measured.options.batch
    images = "one image" if batch == 1 else f"{batch} images"
    headings = ("model", "min ms", "median", "M madds", "G madds/s", "limit", "ratio")
    for (kind, way), group in groupby(measured.timings, key=lambda timing: (timing.kind, timing.way)):
        cells = [
            (
                timing.model,
                f"{timing.minimum_ms:.2f}",
                f"{timing.median_ms:.2f}",
                f"{timing.multiply_adds / 1e6:.0f}",
                f"{timing.rate / 1e9:.1f}",
                percent(timing.of_limit),
                "" if timing.ratio is None else f"{timing.ratio:.2f}",
            )
            for timing in group
        ]
        _print_columns(console, f"{kind}, {way}, {images}", headings, cells)
    for where, limit in measured.limits.items():
        console.print(
            f"The limit: one large product in {where} reached {limit.multiply_adds / 1e9:.0f} G madds a second."
        )
