"""Every write: a file or a folder is there whole, or as it was before; nothing of the user's is replaced.

==================== ===================================================================================
:func:`atomic_file`  one file, written under a temporary name beside it and renamed at the end
:func:`whole_folder` a folder of results, made beside its place and renamed at the end
:func:`lock`         keeps something to one process; the system lets go of it however the process ends
==================== ===================================================================================

**What may be replaced.** A folder that :func:`whole_folder` made holds a list of its files with their sizes
(:data:`CONTENTS`). It is replaced only where everything in it is on that list, unchanged: a folder with a note, a
photograph or anything else that somebody added is refused, before any work. A folder of an older version has no list;
its :class:`FolderKind` tells by which names it is known. A single file is known by its content
(:func:`check_file_replaceable`).

**While a folder is made**, ``.NAME.part`` lies beside it, or inside it where it cannot be renamed (a mount point, the
working folder, a parent that may not be written). A process that is killed leaves that; the next one goes on from it,
or empties it. A process that fails removes it.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from hierattn.errors import DataError, UsageError

CONTENTS = ".hierattn.json"
"""In every folder that :func:`whole_folder` made: its kind, and each file's size."""

_PART, _FORMER, _READY, _LOCK = "part", "former", "ready", "lock"
_JOURNAL = ".journal"
_DESKTOP = (".DS_Store", "Thumbs.db", "desktop.ini")
_mask = os.umask(0o077)  # it can only be read by setting it, and that is safe in one thread alone
os.umask(_mask)
_FILE_MODE = 0o666 & ~_mask
_HALF = re.compile("([\udc80-\udcff])|[\ud800-\udfff]")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(path: Path) -> int:
    """Bytes that are free where ``path`` is, or will be: on the disk of its nearest folder that exists."""
    place = path.absolute()
    while not place.is_dir():
        place = place.parent
    return shutil.disk_usage(place).free


# --- one file ----------------------------------------------------------------------------------------------------


def part_of(path: Path) -> Path:
    """The name that ``path`` has until it is whole: ``x.csv.part`` for ``x.csv``."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path for the block to write; renamed to ``path`` at its end, removed where it fails.

    A symbolic link stays one: the file that it leads to is replaced. Folders are made where they are missing.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "results" / "table.csv"
    >>> with atomic_file(target) as part:
    ...     _ = part.write_text("image,label")
    >>> target.read_text()
    'image,label'
    """
    final = Path(os.path.realpath(path))
    part = part_of(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.chmod(_FILE_MODE)  # some libraries make private files
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_file(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, values: Any, *, indent: int = 2) -> None:
    """Write plain values as JSON, whole or not at all; nan and infinity are refused, for JSON has neither."""
    write_text(path, json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, whole or not at all; rows may come one by one."""
    with atomic_file(path) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def check_file_replaceable(
    out: Path, kind: str, is_ours: Callable[[Path], bool], *, inputs: Sequence[Path] = ()
) -> None:
    """Refuse a file that must not be written or replaced; to be called before any work.

    Parameters
    ----------
    out
        Where the file is to go. Missing and empty files are taken, and those that we wrote.
    kind
        Of the file, with its article: ``"a heat map"``.
    is_ours
        Whether the content of a file is such as we write; it may raise anything where it is not.
    inputs
        What is read: ``out`` must be none of them, under no name (links, another case of the letters).

    Raises
    ------
    UsageError
        Where it is an input or a folder, holds anything that we did not write, or has no folder to lie in.
    """
    if not out.exists():
        parent = next(folder for folder in out.absolute().parents if folder.exists())
        if not parent.is_dir():
            raise UsageError(f"{out} cannot be written: {parent} is a file, not a folder; choose another name")
        return
    for path in inputs:
        if path.exists() and path.samefile(out):
            raise UsageError(f"{out} is {path}, which is to be read: it is not touched; choose another name")
    if not out.is_file():
        what = "folder" if out.is_dir() else "device or pipe"
        raise UsageError(f"{out} is a {what}: wanted the name of a file, for {kind}")
    with suppress(Exception):  # what cannot be understood is not ours
        if out.stat().st_size == 0 or is_ours(out):
            return
    raise UsageError(
        f"{out} is there already and is not {kind} that hierattn wrote: it is not touched; choose another name"
    )


# --- locks -------------------------------------------------------------------------------------------------------


@contextmanager
def lock(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file ``path`` for the time of the block; it is removed at the end.

    Windows has no such locks: there the block runs without one.

    Parameters
    ----------
    path
        The lock file; its folder must exist.
    busy
        What is said where another process holds it, e.g. ``"out is being made"``.

    Raises
    ------
    UsageError
        Where another process holds it, with that process's number and host.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise UsageError(f"{busy} by {holder}: wait for it, or choose another name") from None
            if not _is_still(file.fileno(), path):  # its former holder removed it between our two steps
                continue
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()} on {platform.node()}")
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


# --- whole folders -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that we make.

    Attributes
    ----------
    name
        With its article: ``"a prepared set"``.
    mark
        The file that tells one. It comes last, so that a folder that has it is whole.
    older
        Patterns of the paths in such folders as versions before :data:`CONTENTS` made them.
    """

    name: str
    mark: str
    older: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workspace:
    """Where a folder is made.

    Attributes
    ----------
    folder
        What will be renamed.
    journal
        A file in it for notes on what is done, open for reading and writing; it does not outlive the making.
    """

    folder: Path
    journal: BinaryIO


def check_replaceable(out: Path, kind: FolderKind, *, inputs: Sequence[Path] = ()) -> None:
    """Refuse a folder that must not be made or replaced; to be called before any work.

    Parameters
    ----------
    out
        Where the result is to go. Missing and empty folders are taken, and those of this kind that nobody added to.
    kind
        Of the result.
    inputs
        What is read: none of it may lie in ``out``.

    Raises
    ------
    UsageError
        Where it is a file, holds something that we did not make, or holds an input.
    """
    final = out.resolve()
    if final.exists() and not final.is_dir():
        raise UsageError(f"{out} is a file: wanted a folder to make; choose another name")
    for path in inputs:
        if path.resolve().is_relative_to(final) and final.exists():
            raise UsageError(
                f"{out} holds {path}, which is to be read: nothing in it is touched; choose another folder"
            )
    if foreign := _foreign(final, kind):
        raise UsageError(
            f"{out} holds {foreign}, which is not part of {kind.name} that hierattn made: nothing in it is touched; "
            "choose another folder"
        )


def _foreign(folder: Path, kind: FolderKind) -> str:
    """The first file of a folder that we did not make, or that was changed since; empty where there is none."""
    if not folder.is_dir():
        return ""
    ours = _ours(folder, kind)
    for name in _names(folder):
        path = folder / name
        if name == CONTENTS or path.name in _DESKTOP or name.split("/")[0] in _inside_names(folder):
            continue
        if name not in ours or path.is_symlink() or ours[name] not in (None, path.stat().st_size):
            return name
    return ""


def _names(folder: Path) -> list[str]:
    """The files in a folder and the folders under it, links among them; sorted."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _ours(folder: Path, kind: FolderKind) -> dict[str, int | None]:
    """The files in a folder that we made, by its list or, for one of an older version, by their names alone."""
    listed = _contents(folder, kind)
    if listed is not None:
        return {**listed}
    if not (folder / kind.mark).is_file():
        return {}
    patterns = (kind.mark, *kind.older)
    return {name: None for name in _names(folder) if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _contents(folder: Path, kind: FolderKind) -> dict[str, int] | None:
    """Name -> size of what we made; None where there is no list, or one of another kind."""
    try:
        values = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        return dict(values["files"]) if values["kind"] == kind.name else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_contents(folder: Path, kind: FolderKind) -> None:
    """List the files of a folder as ours (:data:`CONTENTS`)."""
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / CONTENTS  # a folder within has a list of its own
    }
    write_json(folder / CONTENTS, {"kind": kind.name, "files": files}, indent=1)


@contextmanager
def whole_folder(
    out: Path, kind: FolderKind, *, inputs: Sequence[Path] = (), expected_bytes: int = 0, resumable: bool = False
) -> Iterator[Workspace]:
    """A place to make a folder in, which becomes ``out`` once the block has ended well.

    Parameters
    ----------
    out, kind, inputs
        As for :func:`check_replaceable`, which is asked again before ``out`` is replaced.
    expected_bytes
        What the folder will take; with less room on the disk the block is not begun.
    resumable
        The block goes on with what a process that was stopped (Ctrl-C, a kill) has left. Otherwise it begins empty.

    Raises
    ------
    DataError
        Where the disk has no room, fills up, or cannot be written.
    UsageError
        Where another process makes the same folder, or ``out`` must not be replaced.
    """
    check_replaceable(out, kind, inputs=inputs)
    final = out.resolve()
    part = _beside(final, _PART)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with lock(_beside(final, _LOCK), f"{out} is being made"):
            _finish_replacement(final, kind)
            if not resumable:
                shutil.rmtree(part, ignore_errors=True)
            there = sum(file.stat().st_size for file in part.rglob("*")) if part.is_dir() else 0
            if free_bytes(part.parent) + there < expected_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            part.mkdir(exist_ok=True)
            try:
                with (part / _JOURNAL).open("a+b") as journal:
                    yield Workspace(part, journal)
                (part / _JOURNAL).unlink()
                write_contents(part, kind)
                check_replaceable(out, kind, inputs=inputs)
                _put_in_place(part, final, kind)
            except BaseException as error:
                if not resumable or isinstance(error, Exception):
                    shutil.rmtree(part, ignore_errors=True)
                raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            wanted = f": about {expected_bytes / 1e9:.2g} GB are wanted" if expected_bytes else ""
            raise DataError(
                f"no space for {out} ({error.strerror}){wanted}; free some or take another disk; nothing was left there"
            ) from None
        raise DataError(f"{out} cannot be written ({error.strerror or error}): choose another folder") from None


def recover(out: Path, kind: FolderKind) -> None:
    """Finish or undo what a kill left of a replacement of ``out``, or of its last moment; nothing while it is made."""
    final = out.resolve()
    if any(_beside(final, what).exists() for what in (_LOCK, _READY, _FORMER)):
        with suppress(UsageError, OSError), lock(_beside(final, _LOCK), f"{out} is being made"):
            _finish_replacement(final, kind)


def _finish_replacement(final: Path, kind: FolderKind) -> None:
    ready, former = _beside(final, _READY), _beside(final, _FORMER)
    if _inside(final):
        if ready.is_dir():
            _fill(final, ready, kind)
    elif former.is_dir():
        if final.exists():
            shutil.rmtree(former, ignore_errors=True)
        else:
            former.rename(final)


def _put_in_place(part: Path, final: Path, kind: FolderKind) -> None:
    """Rename; what was there steps aside first, and comes back if that fails."""
    if _inside(final):
        ready = _beside(final, _READY)
        part.rename(ready)
        _fill(final, ready, kind)
        return
    former = _beside(final, _FORMER)
    if final.exists():
        final.rename(former)
    try:
        part.rename(final)
    except BaseException:
        if former.exists():
            former.rename(final)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _fill(final: Path, ready: Path, kind: FolderKind) -> None:
    """Move what is ready into a folder that cannot be renamed; begun again after a kill, it goes on.

    The mark goes first and comes last. The old list goes once the old files have gone, the new one comes once the new
    files have come, so that the list never names files of the other making.
    """
    if (ready / CONTENTS).exists():
        (final / kind.mark).unlink(missing_ok=True)
        for name in _ours(final, kind):
            (final / name).unlink(missing_ok=True)
        (final / CONTENTS).unlink(missing_ok=True)
        for folder in sorted((path for path in final.rglob("*") if path.is_dir()), reverse=True):
            if ready not in (folder, *folder.parents):
                with suppress(OSError):
                    folder.rmdir()
    last = (CONTENTS, kind.mark)
    for path in sorted(ready.iterdir(), key=lambda path: last.index(path.name) + 1 if path.name in last else 0):
        path.rename(final / path.name)
    ready.rmdir()


def _inside(final: Path) -> bool:
    """Whether the folder must be filled where it is, for it cannot be replaced by a renamed one."""
    if not final.is_dir():
        return False
    return final.is_mount() or final == Path.cwd() or not os.access(final.parent, os.W_OK | os.X_OK)


def _beside(final: Path, what: str) -> Path:
    return final / f".hierattn.{what}" if _inside(final) else final.with_name(f".{final.name}.{what}")


def _inside_names(final: Path) -> set[str]:
    return {f".hierattn.{what}" for what in (_PART, _READY, _LOCK)} if _inside(final) else set()


# --- paths -------------------------------------------------------------------------------------------------------


def shown(name: str) -> str:
    r"""A file's name as text: bytes that are not UTF-8, which Python holds as half characters, become ``\xe6``.

    >>> shown("n\udce6vus.jpg") == r"n\xe6vus.jpg"
    True
    """
    return _HALF.sub(lambda half: f"\\x{ord(half[0]) - 0xDC00:02x}" if half[1] else f"\\u{ord(half[0]):04x}", name)


def relative_path(path: str, folder: Path) -> str:
    """A path relative to ``folder``, with forward slashes; what is no absolute path stays as it is."""
    absolute = Path(path)
    if not absolute.is_absolute():
        return path
    absolute = absolute.parent.resolve() / absolute.name
    try:
        return Path(os.path.relpath(absolute, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return absolute.as_posix()
