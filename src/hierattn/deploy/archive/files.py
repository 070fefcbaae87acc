"""The files of a clinic's archive, one at a time in a fixed order, however many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from hierattn.preprocessing import photo_files


def find_files(folder: Path, excluded: Collection[Path] = ()) -> Iterator[str]:
    """Every file in ``folder`` and in the folders under it, as a path relative to it with ``/`` between.

    By the account that all commands share (photo_files.py): links to folders are followed, hidden names and the files
    in ``excluded`` are left out. Links that lead nowhere, pipes and devices are among them, to be refused with a row
    of their own. Nothing is opened. Only one folder's names are held at a time.

    Raises
    ------
    UsageError
        Where ``folder``, or a folder under it, is no folder that can be listed.
    """
    return (found.name for found in photo_files.find_files(folder, excluded) if not found.read_as)
