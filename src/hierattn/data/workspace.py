"""A folder that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hierattn.data.packed import is_prepared
from hierattn.errors import DataError, UsageError


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse an ``out`` that holds anything but, with ``overwrite``, a prepared set.

    Raises
    ------
    UsageError
        Where it is a file, or not empty and not to be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file: wanted a folder to make; choose another name")
    if not is_prepared(out):
        raise UsageError(f"{out} is not empty and not a prepared set: nothing in it is touched; choose another folder")
    if not overwrite:
        raise UsageError(f"{out} is a prepared set already: choose another folder, or replace it with --overwrite")


@contextmanager
def workspace(out: Path, expected_bytes: int) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` at the end, or vanishes.

    Raises
    ------
    DataError
        Where the disk has no room for ``expected_bytes``, fills up, or cannot be written.
    """
    out = final_folder(out)
    folder = out.with_name(f".{out.name}.part-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if free < expected_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        folder.mkdir()
        yield folder
        _put_in_place(folder, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"no space for {out} ({error.strerror}): about {expected_bytes / 1e9:.2g} GB are wanted; "
                "free some, or choose another disk or a smaller --size; nothing was left there"
            ) from None
        raise DataError(f"{out} cannot be written ({error.strerror or error}): choose another folder") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, out: Path) -> None:
    """Rename; a former ``out`` steps aside first and comes back if that fails."""
    if not out.exists():
        folder.rename(out)
        return
    former = out.with_name(f".{out.name}.former-{os.getpid()}")
    out.rename(former)
    try:
        folder.rename(out)
    except BaseException:
        former.rename(out)
        raise
    shutil.rmtree(former, ignore_errors=True)


def final_folder(out: Path) -> Path:
    """``out`` as an absolute path without links, so that relative paths from it lead where they should."""
    return out.resolve()


def relative_path(image: str, folder: Path) -> str:
    """An image's path relative to the manifest's folder, with forward slashes; an id that is no path as it is."""
    path = Path(image)
    if not path.is_absolute():
        return image
    path = path.parent.resolve() / path.name
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return path.as_posix()
