"""A folder of results that is there whole, or as it was before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
