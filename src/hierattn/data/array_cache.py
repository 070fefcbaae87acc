"""A cache of intermediate results that outlives a killed process: small arrays in files, each whole or not there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.files import atomic_file, tidy


@dataclass(frozen=True)
class ArrayCache:
    """A folder of arrays that belong to one task; with no folder nothing is cached.

    The folder's name holds the digest of everything that the arrays depend on (:func:`digest_of`), so that an array
    that is found is right, and one of other inputs is never found.
    """

    folder: Path | None

    def load(self, name: str, length: int) -> np.ndarray | None:
        """The array saved under ``name``; None where there is none of that length that can be read."""
        if self.folder is None:
            return None
        tidy(self.folder / f"{name}.npy")
        try:
            array = np.load(self.folder / f"{name}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return array if array.shape[:1] == (length,) else None

    def save(self, name: str, array: np.ndarray) -> None:
        """Write ``array`` under ``name``, whole or not at all."""
        if self.folder is None:
            return
        with atomic_file(self.folder / f"{name}.npy") as part, part.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def digest_of(*parts: str | np.ndarray) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of texts and arrays, forms and types of the arrays included.

    >>> digest_of("a", np.arange(3)) == digest_of("a", np.arange(3))
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            if part.dtype.kind in "OU":  # texts: their bytes, whatever width the array gives them
                digest.update("\0".join(map(str, part.tolist())).encode())
            else:
                digest.update(f"{part.dtype}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(part.encode())
        digest.update(b"\x1f")
    return digest.hexdigest()[:16]
