"""Time every model in one run on the same input: training step and inference, PyTorch and ONNX Runtime.

    python benchmarks/models.py                                        # this CPU, 256 x 256, batch 1
    python benchmarks/models.py --device cuda --batch 64 --train       # a GPU, the paper's batch
    python benchmarks/models.py --models hierattn_xs --profile         # where the time goes, block by block

The models take turns, repeat by repeat, so that whatever else the machine does meets them all alike. Each figure is
the median with the minimum beside it; under load from others the minimum is the one to compare.
``docs/models-benchmark.md`` explains the columns and holds the figures of one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.models.branch_attention import BranchAttention
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import create_model, list_models
from hierattn.models.transformer import SelfAttention

Step = Callable[[], object]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[name for name in list_models() if name != "hierattn_m"])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--train", action="store_true", help="time a training step as well")
    parser.add_argument("--plain", action="store_true", help="add a plain eager HierAttn to compare with")
    parser.add_argument("--fast", action="store_true", help="add bfloat16, channels-last and torch.compile")
    parser.add_argument("--onnx", action="store_true", help="add ONNX Runtime (inference, CPU)")
    parser.add_argument("--profile", action="store_true", help="time HierAttn's blocks instead")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def take_turns(steps: dict[str, Step], repeats: int, device: str) -> dict[str, list[float]]:
    """Milliseconds of every repeat of every step, the steps taking turns."""
    for step in steps.values():
        for _ in range(2):
            step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            synchronise(device)
            start = time.perf_counter()
            step()
            synchronise(device)
            taken[name].append(1000 * (time.perf_counter() - start))
    return taken


class PlainAttention(SelfAttention):
    """Attention as its formula says, the scores in memory: the implementation to beat."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> the same shape."""
        sequences, count, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(sequences, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).contiguous()
        weights = (query @ key.transpose(-2, -1) / (dim // self.heads) ** 0.5).softmax(-1)
        return self.out((weights @ value).transpose(1, 2).reshape(sequences, count, dim))


class PlainBranch(BranchAttention):
    """Branch attention with torch's adaptive pooling."""

    def assemble(self, stages: list[Tensor]) -> Tensor:
        """[(batch, C_i, H_i, W_i), ...] -> (batch, channels, pixels)."""
        sizes = [torch.cat([F.adaptive_avg_pool2d(stage, k) for stage in stages], 1).flatten(2) for k in self.pools]
        return torch.cat(sizes, 2)


def made_plain(model: nn.Module) -> nn.Module:
    for part in model.modules():
        if type(part) is SelfAttention:
            part.__class__ = PlainAttention
        if type(part) is BranchAttention:
            part.__class__ = PlainBranch
    return model


def inference_step(model: nn.Module, images: Tensor) -> Step:
    model.eval()

    @torch.inference_mode()
    def step() -> object:
        return model(images)

    return step


def training_step(model: nn.Module, images: Tensor, *, mixed: bool = False) -> Step:
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=images.device.type == "cuda")
    labels = torch.arange(len(images), device=images.device) % 8

    def step() -> object:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss

    return step


def onnx_step(model: nn.Module, images: Tensor, threads: int) -> Step:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, example = Path(folder) / "model.onnx", (images.cpu(),)
        torch.onnx.export(model.eval(), example, str(path), dynamo=True, verbose=False, external_data=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images.cpu().numpy()}
    return lambda: session.run(None, feed)


def limits(device: str) -> tuple[float, float]:
    """What this device reaches: (multiply-adds a second of one large product, bytes a second of one large copy)."""
    side = 4096 if device == "cuda" else 1024
    a, big = torch.rand(side, side, device=device), torch.rand(16 * 1024**2, device=device)
    target = torch.empty_like(big)
    taken = take_turns({"product": lambda: a @ a, "copy": lambda: target.copy_(big)}, 5, device)
    return side**3 / min(taken["product"]) * 1000, 2 * big.numel() * 4 / min(taken["copy"]) * 1000


def steps_of(options: argparse.Namespace) -> tuple[dict[str, Step], dict[str, Step]]:
    torch.manual_seed(0)
    images = torch.rand(options.batch, 3, options.size, options.size, device=options.device)
    last = images.to(memory_format=torch.channels_last)
    inference: dict[str, Step] = {}
    training: dict[str, Step] = {}

    def fresh(name: str) -> nn.Module:
        return create_model(name).to(options.device)

    for name in options.models:
        ours = name.startswith("hierattn")
        inference[name] = inference_step(fresh(name), images)
        if options.onnx:
            inference[f"{name} onnx"] = onnx_step(create_model(name), images, options.threads)
        if options.plain and ours:
            inference[f"{name} plain"] = inference_step(made_plain(fresh(name)), images)
        if options.train:
            training[name] = training_step(fresh(name), images)
            if options.plain and ours:
                training[f"{name} plain"] = training_step(made_plain(fresh(name)), images)
            if options.fast:
                quick = torch.compile(fresh(name).to(memory_format=torch.channels_last), fullgraph=True)
                training[f"{name} fast"] = training_step(quick, last, mixed=True)  # type: ignore[arg-type]
    return inference, training


def rows(
    taken: dict[str, list[float]], kind: str, options: argparse.Namespace, reach: tuple[float, float]
) -> list[dict]:
    found = []
    for label, times in taken.items():
        cost = measure_complexity(label.split()[0], size=options.size)
        work = cost.multiply_adds * options.batch * (3 if kind == "training" else 1)  # backward: twice forward's
        found.append(
            {
                "kind": kind,
                "model": label,
                "median_ms": statistics.median(times),
                "minimum_ms": min(times),
                "multiply_adds": work,
                "of_arithmetic_limit": work / reach[0] / (min(times) / 1000),
            }
        )
    return found


def report(found: list[dict], reach: tuple[float, float]) -> None:
    print(f"one large product: {reach[0] / 1e9:.1f} G multiply-adds/s; one large copy: {reach[1] / 1e9:.1f} GB/s")
    for kind in dict.fromkeys(row["kind"] for row in found):
        chosen = [row for row in found if row["kind"] == kind]
        base = next((row["minimum_ms"] for row in chosen if row["model"] == "mobilenet_v2"), None)
        heads = f"{'median ms':>11}{'min ms':>9}{'M madds':>9}{'of limit':>10}{'/ mobilenet_v2':>16}"
        print(f"\n{kind}\n{'model':26}{heads}")
        for row in sorted(chosen, key=lambda row: row["minimum_ms"]):
            ratio = f"{row['minimum_ms'] / base:.2f}" if base else ""
            print(
                f"{row['model']:26}{row['median_ms']:11.2f}{row['minimum_ms']:9.2f}{row['multiply_adds'] / 1e6:9.0f}"
                f"{row['of_arithmetic_limit']:10.0%}{ratio:>16}"
            )


def profile(name: str, options: argparse.Namespace) -> None:
    """Milliseconds of each block of HierAttn on the input that it really gets (inference, minimum of the repeats)."""
    model, inputs = create_model(name).eval().to(options.device), {}
    kinds = {"ConvNormAct", "SCADW", "CTH", "SmallScaleTransformer", "SelfAttention", "BranchAttention"}
    parts = {path: part for path, part in model.named_modules() if type(part).__name__ in kinds}
    for path, part in parts.items():
        part.register_forward_pre_hook(lambda _part, given, path=path: inputs.__setitem__(path, given))
    with torch.inference_mode():
        model(torch.rand(options.batch, 3, options.size, options.size, device=options.device))
    for part in parts.values():
        part._forward_pre_hooks.clear()
    steps = {path: inference_step(_Bound(part, inputs[path]), torch.empty(0)) for path, part in parts.items()}
    taken = take_turns(steps, options.repeats, options.device)
    print(f"\n{name}, batch {options.batch}, side {options.size}: blocks by time; a block holds those inside it")
    for path, times in sorted(taken.items(), key=lambda item: -min(item[1])):
        print(f"{min(times):9.3f} ms  {path} ({type(parts[path]).__name__})")


class _Bound(nn.Module):
    """A part of the network with its input bound to it."""

    def __init__(self, part: nn.Module, given: tuple) -> None:
        super().__init__()
        self.part, self.given = part, given

    def forward(self, _images: Tensor) -> object:
        """The part's output on the bound input."""
        return self.part(*self.given)


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.profile:
        for name in options.models:
            if name.startswith("hierattn"):
                profile(name, options)
        return
    reach = limits(options.device)
    inference, training = steps_of(options)
    found = rows(take_turns(inference, options.repeats, options.device), "inference", options, reach)
    if training:
        found += rows(take_turns(training, options.repeats, options.device), "training", options, reach)
    report(found, reach)
    if options.json:
        plain = {name: str(value) for name, value in vars(options).items()}
        options.json.write_text(json.dumps({"options": plain, "rows": found}, indent=2))


if __name__ == "__main__":
    main()
