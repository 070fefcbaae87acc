"""A folder of results that is there whole, or as it was before, and that replaces nothing but its like."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hierattn.errors import UsageError


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place once the block has ended well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    parts = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield parts
        parts.chmod(0o755)
        former = parts.with_name(parts.name + "-former")
        if folder.exists():
            folder.rename(former)  # a folder that is not empty cannot be replaced in one step
        parts.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def check_replaceable(folder: Path, mark: str, what: str) -> None:
    """Refuse to replace a folder that holds something else than an earlier result of the same command.

    Parameters
    ----------
    folder
        Where the result is to go; missing and empty ones are taken.
    mark
        Name of the file that tells such a result.
    what
        Its words, with their article: ``"a comparison"``.

    Raises
    ------
    UsageError
        Where it does.
    """
    if folder.exists() and not (folder / mark).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} holds something else than {what}: choose another --out")
