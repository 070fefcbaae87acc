"""``hierattn benchmark models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from onnxruntime import InferenceSession
    from rich.console import Console
    from torch import Tensor

    from hierattn.benchmarks.timing import Limits, Step, Timing

RUNTIME = "ONNX Runtime"
PROFILED = 15


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Which; without any, all. See: hierattn models")
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the images in pixels.")] = 256,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Images at a time.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="How often each is timed.")] = 30,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
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
    import torch
    from rich.console import Console

    from hierattn.errors import UsageError
    from hierattn.models.registry import list_models, model_spec

    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise UsageError(f"device {device}: wanted cpu, or cuda where torch sees a GPU, which it does not here")
    chosen = [model_spec(name).name for name in names or list_models()]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.rand(batch, 3, size, size, device=device)
    onnx = onnx and device == "cpu"
    console = Console(stderr=as_json)
    if profile:
        _profile(console, chosen, images, rounds, threads if onnx else 0)
        return
    ways = ["eager", "channels-last", *(["plain"] if plain else []), *(["compiled bf16"] if fast else [])]
    kinds = {"inference": [*ways, *([RUNTIME] if onnx else [])], **({"training": ways} if train else {})}
    limits, timings = _measure(console, chosen, kinds, images, rounds, threads)
    if as_json:
        _print_json(limits, timings, size=size, batch=batch, rounds=rounds, threads=threads, device=device)
    else:
        _print_tables(console, limits, timings, batch)


def _measure(
    console: Console, names: list[str], kinds: dict[str, list[str]], images: Tensor, rounds: int, threads: int
) -> tuple[dict[str, Limits], list[Timing]]:
    """Each kind's models and ways all take turns with one another."""
    from dataclasses import replace

    from rich.progress import Progress

    from hierattn.benchmarks.timing import TRAINING_COST, build_step, measure_limits, summarise, take_turns
    from hierattn.models.complexity import measure_complexity

    device, timings = str(images.device), []
    costs = {name: measure_complexity(name, size=images.shape[2]).multiply_adds * len(images) for name in names}
    with Progress(console=console, transient=True) as bar:
        limits = {"PyTorch": measure_limits(device)}
        if any(RUNTIME in ways for ways in kinds.values()):
            limits[RUNTIME] = replace(limits["PyTorch"], multiply_adds=_runtime_limit(threads))
        for kind, ways in kinds.items():
            pairs = [(way, name) for way in ways for name in names if way != "plain" or name.startswith("hierattn")]
            building = bar.add_task(f"{kind}: building", total=len(pairs))
            steps: dict[str, Step] = {}
            for way, name in pairs:
                made = _runtime_step(name, images, threads) if way == RUNTIME else build_step(name, kind, way, images)
                steps[f"{way}|{name}"] = made
                bar.advance(building)
            task = bar.add_task(f"{kind}: timing", total=rounds)
            taken = take_turns(steps, rounds, device=device, progress=lambda task=task: bar.advance(task))  # type: ignore[misc]
            work = {name: cost * (TRAINING_COST if kind == "training" else 1) for name, cost in costs.items()}
            for way in ways:
                of_way = {name: taken[f"{way}|{name}"] for name in names if f"{way}|{name}" in taken}
                timings += summarise(of_way, work, limits.get(way, limits["PyTorch"]), kind=kind, way=way)
    return limits, timings


def _runtime_session(
    name: str, images: Tensor, threads: int, profile: str = ""
) -> tuple[InferenceSession, dict[str, np.ndarray]]:
    """The exported graph in ONNX Runtime and what to feed it; ``profile`` is the start of a profile's file name."""
    import onnxruntime

    from hierattn.deploy.export.exportable import CalibratedNetwork
    from hierattn.deploy.export.onnx import build_graph
    from hierattn.image_spec import ImageSpec
    from hierattn.models.registry import create_model

    network = CalibratedNetwork(create_model(name), ImageSpec(size=images.shape[2]), [0.0] * 8, heatmap=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    model = build_graph(network).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    pixels = (255 * images).byte().permute(0, 2, 3, 1).contiguous().numpy()
    return session, {session.get_inputs()[0].name: pixels}


def _runtime_step(name: str, images: Tensor, threads: int) -> Step:
    session, feed = _runtime_session(name, images, threads)
    return lambda: session.run(None, feed)


def _runtime_limit(threads: int, side: int = 512, rounds: int = 50) -> float:
    """Multiply-adds a second of one large product in ONNX Runtime: its kernels are others than PyTorch's."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from hierattn.benchmarks.timing import take_turns

    square = np.random.default_rng(0).random((side, side), np.float32)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("a", "c")]
    product = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([product], "product", values[:1], values[1:], [numpy_helper.from_array(square, "b")])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    taken = take_turns({"product": lambda: session.run(None, {"a": square})}, rounds)
    return 1000 * side**3 / min(taken["product"])


def _profile(console: Console, names: list[str], images: Tensor, rounds: int, threads: int) -> None:
    """HierAttn's blocks in PyTorch, and every model's operators in ONNX Runtime where ``threads`` is not 0."""
    from hierattn.benchmarks.block_profile import profile_blocks
    from hierattn.errors import UsageError
    from hierattn.models.registry import VARIANTS, create_model

    if not threads and not set(names) & set(VARIANTS):
        raise UsageError(f"--profile: none of {', '.join(names)} is a HierAttn; wanted {', '.join(VARIANTS)}")
    for name in names:
        if name in VARIANTS:
            blocks = profile_blocks(create_model(name).to(images.device), images, rounds=rounds)
            title = f"{name} in PyTorch; a block holds those inside it"
            cells: list[tuple[str, ...]] = [
                (block.path, f"{block.minimum_ms:.3f}", f"{block.share:.0%}") for block in blocks[:PROFILED]
            ]
            _print_columns(console, title, ("block", "ms", "share"), cells)
        if threads:
            operators = _profile_operators(name, images, rounds, threads)
            whole = sum(time for _, time in operators.values())
            nodes = sum(count for count, _ in operators.values())
            title = f"{name} in ONNX Runtime: {whole:.2f} ms"
            dearest = sorted(operators.items(), key=lambda item: -item[1][1])[:PROFILED]
            cells = [(operator, str(n), f"{time:.3f}", f"{time / whole:.0%}") for operator, (n, time) in dearest]
            _print_columns(
                console, title, ("operator", "nodes", "ms", "share"), [*cells, ("all", str(nodes), f"{whole:.3f}", "")]
            )


def _print_columns(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    console.print(f"[italic]{title}[/]", soft_wrap=True)  # a title over a table would wrap at its width
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    console.print(table, "")


def _profile_operators(name: str, images: Tensor, rounds: int, threads: int) -> dict[str, tuple[int, float]]:
    """Operator -> (nodes, milliseconds): for each node the least of the rounds, summed."""
    import json
    import tempfile
    from pathlib import Path

    least: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        session, feed = _runtime_session(name, images, threads, str(Path(folder) / "profile"))
        for _ in range(rounds):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = (event["args"]["op_name"], event["name"])
            least[key] = min(event["dur"] / 1000, least.get(key, float("inf")))
    found: dict[str, tuple[int, float]] = {}
    for (operator, _), time in least.items():
        nodes, sofar = found.get(operator, (0, 0.0))
        found[operator] = (nodes + 1, sofar + time)
    return found


def _print_tables(console: Console, limits: dict[str, Limits], timings: list[Timing], batch: int) -> None:
    from itertools import groupby

    headings = ("model", "min ms", "median", "M madds", "G madds/s", "limit", "ratio")
    for (kind, way), group in groupby(timings, key=lambda timing: (timing.kind, timing.way)):
        cells = [
            (
                timing.model,
                f"{timing.minimum_ms:.2f}",
                f"{timing.median_ms:.2f}",
                f"{timing.multiply_adds / 1e6:.0f}",
                f"{timing.rate / 1e9:.1f}",
                f"{timing.of_limit:.0%}",
                "" if timing.ratio is None else f"{timing.ratio:.2f}",
            )
            for timing in group
        ]
        _print_columns(console, f"{kind}, {way}, {'one image' if batch == 1 else f'{batch} images'}", headings, cells)
    for where, limit in limits.items():
        console.print(
            f"The limit: one large product in {where} reached {limit.multiply_adds / 1e9:.0f} G madds a second."
        )


def _print_json(limits: dict[str, Limits], timings: list[Timing], **options: int | str) -> None:
    import json
    import platform
    from dataclasses import asdict

    import onnxruntime
    import torch

    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "machine": platform.machine()}
    facts = {
        **options,
        **versions,
        "limits": {where: asdict(limit) for where, limit in limits.items()},
        "timings": [asdict(timing) for timing in timings],
    }
    typer.echo(json.dumps(facts, indent=2))
