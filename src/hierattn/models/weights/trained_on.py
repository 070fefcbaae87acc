"""Which photographs weights have seen: a list of digests that travels with them, so that a leak can be proven.

A manifest's checksum says little: the same photographs prepared at another size, or with other folds, have another one.
What counts is the photographs, identified by the first eight bytes of the SHA-256 of their files. Names of patients and
lesions are not: a short digest of a name can be guessed from all names, one of a photograph only by who has it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]

MOST = 20_000_000
"""Photographs that a record may name: one of more is refused before memory is taken."""
_ENCODED = 8 / 3 * 4  # characters of base64 a digest, at least


def _none() -> Digests:
    return np.zeros(0, np.uint64)


@dataclass(frozen=True)
class TrainedOn:
    """The photographs that weights have seen, as :func:`digests_of` gives them.

    Attributes
    ----------
    trained
        Those that the weights, their starting weights or their teachers were trained on.
    chosen
        Those on which the epoch was selected: the inner fold.
    whole
        False where something is missing: a set without checksums, or weights of ours without such a record before.
    """

    trained: Digests = field(default_factory=_none)
    chosen: Digests = field(default_factory=_none)
    whole: bool = True

    def joined(self, other: TrainedOn) -> TrainedOn:
        """Both records in one."""
        return TrainedOn(
            np.union1d(self.trained, other.trained),
            np.union1d(self.chosen, other.chosen),
            self.whole and other.whole,
        )

    def uses(self) -> Iterator[tuple[int, str]]:
        """Each photograph's digest and its use, ``trained`` or ``chosen``: the rows of a run folder's table."""
        for use, digests in (("trained", self.trained), ("chosen", self.chosen)):
            for digest in digests.tolist():
                yield digest, use

    def to_text(self) -> str:
        """One line of ASCII; the inverse of :func:`from_text`."""
        parts = (base64.b64encode(digests.astype("<u8").tobytes()).decode() for digests in (self.trained, self.chosen))
        return " ".join(["whole" if self.whole else "part", *parts])


def weights_named(recipe: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths of the weights that a recipe, as nested plain values, begins with, and of its teachers'.

    >>> weights_named({"transfer": {"checkpoint": "a"}, "distillation": {"teacher": ["b", "c"]}})
    (('a',), ('b', 'c'))
    >>> weights_named({"transfer": {"checkpoint": ""}, "distillation": {"teacher": "b"}})
    ((), ('b',))
    """

    def named(table: str, key: str) -> tuple[str, ...]:
        value = recipe.get(table, {}).get(key, ())
        return tuple(str(path) for path in ([value] if isinstance(value, str) else value) if path)

    return named("transfer", "checkpoint"), named("distillation", "teacher")


def from_text(text: str) -> TrainedOn:
    """Read :meth:`TrainedOn.to_text`.

    Raises
    ------
    ValueError
        Where it is damaged or names more than 20 million photographs.

    >>> seen = TrainedOn(np.array([3, 7], np.uint64))
    >>> from_text(seen.to_text()).trained.tolist()
    [3, 7]
    """
    if len(text) > MOST * _ENCODED:
        raise ValueError(f"a record of {len(text)} characters: wanted at most {MOST} photographs")
    word, *parts = text.split(" ")
    if word not in ("whole", "part") or len(parts) != 2:
        raise ValueError("a damaged record of photographs")
    trained, chosen = map(_digests, parts)
    return TrainedOn(trained, chosen, word == "whole")


def _digests(part: str) -> Digests:
    try:
        content = base64.b64decode(part, validate=True)
    except binascii.Error as error:
        raise ValueError(f"digests that are not base64: {error}") from None
    return np.unique(np.frombuffer(content, "<u8").astype(np.uint64))


def digests_of(sha256: Iterable[str]) -> Digests:
    """The first eight bytes of each SHA-256 in hexadecimal, sorted, each once; empty ones are left out.

    >>> digests_of(["ff" * 32, "", "00" * 31 + "01"]).tolist()
    [0, 18446744073709551615]
    """
    return np.unique(np.array([int(one[:16], 16) for one in sha256 if one], np.uint64))
