"""The files of a clinic's archive, one at a time in a fixed order, however many there are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hierattn.errors import UsageError


def find_files(folder: Path, excluded: Collection[Path] = ()) -> Iterator[str]:
    """Every regular file in ``folder`` and in the folders under it, as a path relative to it with ``/`` between.

    In the order of their names, folder by folder. Hidden names (with a dot first) and links to folders are left out;
    so are the files in ``excluded``. Nothing is opened. Only one folder's names are held at a time.

    Raises
    ------
    UsageError
        Where ``folder`` is no folder that can be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: wanted the folder with the photographs; check the path")
    return _walk(folder, "", {path.absolute() for path in excluded})


def _walk(folder: Path, prefix: str, excluded: set[Path]) -> Iterator[str]:
    try:
        with os.scandir(folder) as inside:
            entries = sorted(
                (entry for entry in inside if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed ({error.strerror}): check its permissions") from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", excluded)
        elif entry.is_file() and Path(entry.path).absolute() not in excluded:
            yield prefix + entry.name
