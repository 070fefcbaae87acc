"""A training run of seconds, and what several tests ask of runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from noise_runs import TINY
from torch import Tensor, nn

from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.training.listener import Silent
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import load_state


def tiny_recipe(prepared: Path) -> Recipe:
    """Two epochs of three steps of a very small HierAttn."""
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 24},
            "model": {"name": "hierattn_xs", "options": TINY},
            "optimiser": {"epochs": 2, "batch_size": 8, "warmup_epochs": 1, "averaging": 0.9},
        }
    )


def with_one_thread() -> Iterator[None]:
    """For a fixture: sums are taken in the same order in every process, so that bits can be compared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(run: Path) -> Mapping[str, Tensor]:
    """The best weights of a run."""
    return load_checkpoint(RunFolder(run).best).state_dict


def state_of(run: Path) -> dict[str, Any]:
    """What a run would resume from."""
    return load_state(RunFolder(run))


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Every tensor is the same to the bit."""
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


class StopAfter(Silent):
    """Asks for a stop, as Ctrl-C does, after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, epoch: int, loss: float | None, images_per_second: float) -> None:
        """Count."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def randomised(model: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    """The model's state with every floating value moved a little, so that a misplaced tensor is seen."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        state[name] = value + 0.02 * noise if value.is_floating_point() else value.clone()
    return state


def folded(model: nn.Module) -> dict[str, np.ndarray]:
    """Fold each batch normalisation of ``model`` into its convolution, as the file's makers did."""
    arrays = {}
    pairs = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for (name, convolution), norm in zip(pairs, norms, strict=True):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        arrays[f"{name}.weight"] = (convolution.weight * scale[:, None, None, None]).detach().numpy()
        arrays[f"{name}.bias"] = (norm.bias - norm.running_mean * scale).detach().numpy()
    return arrays
