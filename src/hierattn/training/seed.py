"""Seeds: every random choice of a run follows from the recipe's seed, the epoch and the step, and from nothing else.

Because a step's generators are derived and never carried over, a run that is resumed at any step continues with the
bits that an uninterrupted one would have had.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

Purpose = Literal["weights", "order", "augmentation", "layers", "mixing", "answers"]
_PURPOSES: dict[Purpose, int] = {"weights": 0, "order": 1, "augmentation": 2, "layers": 3, "mixing": 4, "answers": 5}


def derive(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for one purpose at one step."""
    words = np.random.SeedSequence([seed, _PURPOSES[purpose], epoch, step]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def numpy_generator(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0) -> np.random.Generator:
    """A NumPy generator for one purpose at one step."""
    return np.random.default_rng(derive(seed, purpose, epoch, step))


def torch_generator(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0) -> torch.Generator:
    """A CPU torch generator for one purpose at one step."""
    return torch.Generator().manual_seed(derive(seed, purpose, epoch, step))


def seed_layers(seed: int, epoch: int, step: int, process: int = 0) -> None:
    """Seed the global generators, from which dropout and stochastic depth draw; each process draws others."""
    torch.manual_seed(derive(seed, "layers", epoch, step) + process)
