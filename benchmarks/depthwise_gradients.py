"""A training step in bfloat16 on this CPU: torch's own gradients of depth-wise convolutions, and the quick ones.

    python -m benchmarks.depthwise_gradients [NAME ...] [--size 192] [--batch 32] [--rounds 9] [--processor-time]

Both take turns in one process with one thread, on the same images, and so does a step in float32. It prints the median
milliseconds of each and how many times as long as the quick one each takes.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from hierattn.benchmarks.timing import Step, take_turns
from hierattn.models.registry import create_model
from hierattn.processes import keep_freed_memory
from hierattn.training.optimisation.depthwise import quick_depthwise

NAMES = ("hierattn_xs", "timm:tf_efficientnet_lite0", "mobilenet_v2", "timm:mobilenetv4_conv_small")


def step_of(model: torch.nn.Module, images: torch.Tensor, *, quick: bool, half: bool) -> Step:
    """Forward, loss and backward; the optimiser's part is the same for all."""

    def step() -> object:
        calls = quick_depthwise(images.device, compiled=not quick)
        with calls, torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(images).float().square().mean()
        model.zero_grad()
        loss.backward()
        return loss

    return step


def main() -> None:
    """The command line, as this file's first lines show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--processor-time", action="store_true", help="what others on the machine hardly move")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    images = torch.rand(options.batch, 3, options.size, options.size).contiguous(memory_format=torch.channels_last)
    clock = time.process_time if options.processor_time else time.perf_counter
    print("| network | quick, ms | torch's own, bfloat16 | float32 |\n|---|---:|---:|---:|")
    for name in options.names:
        model = create_model(name).train().to(memory_format=torch.channels_last)
        steps = {
            "quick": step_of(model, images, quick=True, half=True),
            "own": step_of(model, images, quick=False, half=True),
            "float32": step_of(model, images, quick=False, half=False),
        }
        taken = {way: statistics.median(times) for way, times in take_turns(steps, options.rounds, clock=clock).items()}
        ratios = (f"{taken[way] / taken['quick']:.2f} times" for way in ("own", "float32"))
        print(f"| {name} | {taken['quick']:.0f} | {' | '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
