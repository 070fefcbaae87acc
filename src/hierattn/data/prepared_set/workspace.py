"""A folder that appears whole or not at all, and whose making goes on where it was stopped.

Beside the wanted ``out`` lie, while it is made, ``.out.part`` (the folder), ``.out.part.journal`` (what is done, and a
lock) and, for an instant, ``.out.former`` (the set that is being replaced). A process that is killed leaves them; the
next one goes on from them. One that ends with an error takes them away.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hierattn.data.prepared_set.packed import is_prepared
from hierattn.errors import DataError, UsageError


@dataclass(frozen=True)
class Workspace:
    """Where a set is made: the folder that will be renamed, and the journal beside it, open for reading and writing."""

    folder: Path
    journal: BinaryIO


def check_out(out: Path) -> None:
    """Refuse an ``out`` that holds anything but a prepared set.

    Raises
    ------
    UsageError
        Where it is a file, or not empty and not a prepared set.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file: wanted a folder to make; choose another name")
    if not is_prepared(out):
        raise UsageError(f"{out} is not empty and not a prepared set: nothing in it is touched; choose another folder")


def recover(out: Path) -> None:
    """Finish or undo what a kill left of a replacement of ``out``, or of its last moment."""
    out = final_folder(out)
    former = _former(out)
    if out.is_dir() and not _part(out).exists():
        _journal(out).unlink(missing_ok=True)
    if former.is_dir():
        if out.exists():
            shutil.rmtree(former, ignore_errors=True)
        else:
            former.rename(out)


@contextmanager
def workspace(out: Path, expected_bytes: int) -> Iterator[Workspace]:
    """A place beside ``out`` that becomes ``out`` at the end.

    After an error it vanishes. After Ctrl-C or a kill it stays, for the next call to go on with.

    Raises
    ------
    DataError
        Where the disk has no room for ``expected_bytes``, fills up, or cannot be written.
    UsageError
        Where another process is making the same folder.
    """
    out = final_folder(out)
    folder, journal_path = _part(out), _journal(out)
    ours = False
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with journal_path.open("a+b") as journal:
            _lock(journal, out)
            ours = True
            there = sum(file.stat().st_size for file in folder.rglob("*")) if folder.is_dir() else 0
            if shutil.disk_usage(out.parent).free + there < expected_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            folder.mkdir(exist_ok=True)
            yield Workspace(folder, journal)
            _put_in_place(folder, out)
            journal_path.unlink()
    except OSError as error:
        _remove(folder, journal_path, ours)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"no space for {out} ({error.strerror}): about {expected_bytes / 1e9:.2g} GB are wanted; "
                "free some, or choose another disk or a smaller --size; nothing was left there"
            ) from None
        raise DataError(f"{out} cannot be written ({error.strerror or error}): choose another folder") from None
    except Exception:
        _remove(folder, journal_path, ours)
        raise


def emptied(place: Workspace) -> Path:
    """The folder of ``place``, without what a process that was killed has left in it: for work that begins anew."""
    for left in place.folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
    return place.folder


def _remove(folder: Path, journal: Path, ours: bool) -> None:
    if ours:
        shutil.rmtree(folder, ignore_errors=True)
        journal.unlink(missing_ok=True)


def _lock(journal: BinaryIO, out: Path) -> None:
    """Held until the file is closed, also by a kill. Where the system has no such locks (Windows) there is none."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{out} is being made by another process: wait for it, or choose another folder") from None


def _put_in_place(folder: Path, out: Path) -> None:
    """Rename; a former ``out`` steps aside first and comes back if that fails."""
    if not out.exists():
        folder.rename(out)
        return
    former = _former(out)
    out.rename(former)
    try:
        folder.rename(out)
    except BaseException:
        former.rename(out)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _part(out: Path) -> Path:
    return out.with_name(f".{out.name}.part")


def _journal(out: Path) -> Path:
    return out.with_name(f".{out.name}.part.journal")


def _former(out: Path) -> Path:
    return out.with_name(f".{out.name}.former")


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
