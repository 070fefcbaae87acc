"""Which photographs weights have seen: a list of digests that travels with them, so that a leak can be proven.

A manifest's checksum says little: the same photographs prepared at another size, or with other folds, have another one.
What counts is the photographs, identified by the first eight bytes of the SHA-256 of their files. A public photograph
is known by its id and its lesion's id too, for the archives' photographs are passed on at other sizes and in other
colours under the same ids. Names of one's own patients and lesions are left out: a short digest of a name can be
guessed from all names, one of a photograph only by who has it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]

MOST = 20_000_000
"""Digests that a record may hold: one of more is refused before memory is taken."""
_ENCODED = 8 / 3 * 4  # characters of base64 a digest, at least


def _none() -> Digests:
    return np.zeros(0, np.uint64)


@dataclass(frozen=True)
class TrainedOn:
    """The photographs that weights have seen, as :func:`marks_of` gives them.

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

    def saw(self, photographs: Sequence[Photograph]) -> npt.NDArray[np.bool_]:
        """Whether the weights have seen each photograph, in training or in choosing the epoch; bool, (N,)."""
        return are_among(photographs, np.union1d(self.trained, self.chosen))

    def uses(self) -> Iterator[tuple[int, str]]:
        """Each digest and its use, ``trained`` or ``chosen``: the rows of a run folder's table."""
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

    return named("transfer", "checkpoint") + named("transfer", "averaged_with"), named("distillation", "teacher")


def from_text(text: str) -> TrainedOn:
    """Read :meth:`TrainedOn.to_text`.

    Raises
    ------
    ValueError
        Where it is damaged or holds more than 20 million digests.

    >>> seen = TrainedOn(np.array([3, 7], np.uint64))
    >>> from_text(seen.to_text()).trained.tolist()
    [3, 7]
    """
    if len(text) > MOST * _ENCODED:
        raise ValueError(f"a record of {len(text)} characters: wanted at most {MOST} digests")
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


_PUBLIC_IMAGE = re.compile(r"(ISIC_\d{7})(?:_downsampled)?|(PAT_\d+_\d+)_\d+")  # PAD-UFES-20's holds the lesion's
_PUBLIC_LESION = re.compile(r"(?:HAM|BCN|MSK\d|IL)_\d{7}")


class Photograph(Protocol):
    """What a photograph is known by: a row of a manifest."""

    @property
    def image(self) -> str:
        """The file's path; its name is the image's id in a public set."""

    @property
    def lesion(self) -> str:
        """The lesion's id; empty where it is unknown."""

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal; empty where it is unknown."""


def marks_of(photographs: Iterable[Photograph]) -> Digests:
    """What these photographs are known by, sorted, each once: their files, public ids of theirs and their lesions'."""
    return digests_of(mark for photograph in photographs for mark in _marks(photograph))


def are_among(photographs: Sequence[Photograph], seen: Digests) -> npt.NDArray[np.bool_]:
    """Whether each photograph, by its file, its public id or its lesion's, is one of those seen; bool, (N,)."""
    known = frozenset(seen.tolist())
    marks = (digests_of(_marks(photograph)).tolist() for photograph in photographs)
    return np.array([not known.isdisjoint(own) for own in marks], bool)


def _marks(photograph: Photograph) -> list[str]:
    """SHA-256 in hexadecimal."""
    image = _PUBLIC_IMAGE.fullmatch(PurePosixPath(photograph.image).name.split(".")[0])
    names = [name for name in image.groups() if name] if image else []
    names += [photograph.lesion] if _PUBLIC_LESION.fullmatch(photograph.lesion) else []
    return [photograph.sha256, *(hashlib.sha256(name.encode()).hexdigest() for name in names)]
