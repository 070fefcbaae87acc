"""How to balance: every choice of §3.2.2 in one record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from hierattn.data.balance.hardness_features import feature_named
from hierattn.data.balance.instance_hardness import make_learners
from hierattn.data.balance.protocol import Protocol, UnderSampling
from hierattn.data.engines import Engine
from hierattn.errors import UsageError


@dataclass(frozen=True)
class BalanceOptions:
    """How to balance.

    Attributes
    ----------
    target
        Images a class, exactly.
    protocol
        ``honest`` or ``paper``.
    fold
        The outer fold of the honest protocol; the next one is the inner.
    under_sampling
        ``hardness`` or ``random``.
    feature
        What hardness is computed from: a name of ``hardness_features.FEATURES``; with ``features`` given, their name.
    features
        float32, (images of the set, columns), instead of ``feature``.
    learners
        Names of ``instance_hardness.LEARNERS``.
    hardness_folds
        Of the cross-fitting.
    grouped
        Whether a lesion is predicted only by learners that saw none of its photographs; None: in the honest protocol.
    seed
        Of hardness, ties, draws and, in the paper's protocol, folds.
    jobs, engine
        Cores (0: all) and where they are; without effect on the result.
    cache
        Where features and hardness are saved; None: in ``.hierattn-hardness`` beside OUT.
    pictures
        Whether to draw them.
    """

    target: int
    protocol: Protocol = "honest"
    fold: int = 0
    under_sampling: UnderSampling = "hardness"
    feature: str = "colour-texture"
    features: np.ndarray | None = None
    learners: tuple[str, ...] = ("forest",)
    hardness_folds: int = 5
    grouped: bool | None = None
    seed: int = 0
    jobs: int = 0
    engine: Engine = "threads"
    cache: Path | None = None
    pictures: bool = True

    @property
    def grouped_hardness(self) -> bool:
        """``grouped``, or what the protocol makes of it."""
        return self.protocol == "honest" if self.grouped is None else self.grouped

    def check(self) -> None:
        """Raise a :class:`UsageError` for an option out of range."""
        for name, value, wanted in (
            ("protocol", self.protocol, get_args(Protocol)),
            ("under-sampling", self.under_sampling, get_args(UnderSampling)),
            ("engine", self.engine, get_args(Engine)),
        ):
            if value not in wanted:
                raise UsageError(f"{name} {value!r}: wanted {' or '.join(wanted)}")
        for name, number, least in (("target", self.target, 1), ("jobs", self.jobs, 0), ("seed", self.seed, 0)):
            if number < least:
                raise UsageError(f"{name} {number}: wanted {least} or more")
        make_learners(self.learners, self.seed)
        if self.features is None:
            feature_named(self.feature)
