"""The two protocols of balancing (notes, "Order"), §3.2.2's named variants, and the fold that a set is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from hierattn.errors import DataError, UsageError

Protocol = Literal["honest", "paper"]
UnderSampling = Literal["hardness", "random"]

TARGETS: Mapping[str, int] = MappingProxyType({"isic2019": 2500, "pad": 500})
"""Images a class, §3.2.2."""

PAPER_WARNING = (
    "paper protocol: the set was balanced first and folded afterwards, so that under-sampling also chose the images "
    "that test and validate, the easy ones where it went by hardness: scores on it compare with nothing but scores "
    "made in the same way, and say nothing about new patients"
)


@dataclass(frozen=True)
class Variant:
    """A balanced set of the paper: how it is under-sampled, and to how many images a class."""

    name: str
    under_sampling: UnderSampling
    target: int


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "IHISIC": Variant("IHISIC", "hardness", TARGETS["isic2019"]),
        "RandISIC": Variant("RandISIC", "random", TARGETS["isic2019"]),
        "IHPAD": Variant("IHPAD", "hardness", TARGETS["pad"]),
        "RandPAD": Variant("RandPAD", "random", TARGETS["pad"]),
    }
)
"""IHISIC20000, RandISIC20000, IHPAD3000 and RandPAD3000 of §3.2.2: 8 and 6 classes make the totals in their names."""


def target_of(text: str) -> int:
    """``isic2019``, ``pad`` or a whole number -> images a class.

    >>> target_of("pad"), target_of("120")
    (500, 120)
    """
    if text in TARGETS:
        return TARGETS[text]
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"target {text!r}: wanted a number of images a class, or {' or '.join(TARGETS)}")
    return int(text)


def is_paper_protocol(info: Mapping[str, Any]) -> bool:
    """Whether a set was balanced before it was folded, so that no fold of it is held out; of ``prepared.json``."""
    balance = info.get("balance")
    return isinstance(balance, Mapping) and balance.get("protocol") == "paper"


def check_fold_of_balanced_set(info: Mapping[str, Any], fold: int, left_out_source: str = "") -> None:
    """Refuse to train with another outer fold than a set was balanced for: its test images would be filtered ones.

    So would those of a source that is left out, of any balanced set.

    Parameters
    ----------
    info
        ``prepared.json``'s contents. A set that was never balanced, or by the paper's protocol, is good for any fold.
    fold
        The outer fold.
    left_out_source
        The source that tests in its place; empty where none does.

    Raises
    ------
    DataError
        Where the set was balanced for another fold.
    """
    balance = info.get("balance")
    if isinstance(balance, Mapping) and left_out_source:
        raise DataError(
            f"the set was balanced, and source {left_out_source} is to be left out: its photographs were under-sampled "
            "and copied; wanted the set as 'hierattn prepare' made it, and data.sampling to balance in training"
        )
    if isinstance(balance, Mapping) and balance.get("protocol") == "honest" and balance.get("fold") != fold:
        raise DataError(
            f"the set was balanced for fold {balance.get('fold')} and fold {fold} is to be left out: its images were "
            f"under-sampled and copied; wanted data.fold={balance.get('fold')}, or balance again with --fold {fold}"
        )
