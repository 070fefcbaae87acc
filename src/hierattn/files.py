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

**While a folder is made**, ``.NAME.part`` lies beside it, or inside it where it is better filled than renamed (an empty
folder that somebody made, a mount point, the working folder, a parent that may not be written). A process that is
killed leaves that; the next one goes on from it, or empties it. A process that fails removes it. Beside a file lies
``.NAME.new``, likewise. Something of such a name that we did not make (no journal, list or lock of ours tells so) is
not touched: the command is refused.

**Modes and groups** are those that the system gives to what is new in a place (umask, set-group-ID, default ACLs). What
is replaced keeps the mode that it has: somebody may have closed it to others.

**A power cut.** A file's bytes are on the disk before it gets its name, and so are those of all files of a folder. The
names themselves are not waited for: after a power cut the old or the new is there, each of them whole.
"""

from __future__ import annotations

import csv
import ctypes
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from hierattn.errors import DataError, HierAttnError, NoSpaceError, UsageError

CONTENTS = ".hierattn.json"
"""In every folder that :func:`whole_folder` made: its kind, each file's size, and all but large files' digests."""

_PART, _FORMER, _READY, _LOCK, _NEW = "part", "former", "ready", "lock", "new"
_INSIDE = frozenset(f".hierattn.{what}" for what in (_PART, _READY, _LOCK))
_DIGESTED = 1 << 24
"""Bytes: larger files (packed images, weights) are known by their size alone."""
_JOURNAL = ".journal"
_DESKTOP = (".DS_Store", "Thumbs.db", "desktop.ini")
_HALF = re.compile("([\udc80-\udcff])|[\ud800-\udfff]")
_HOLDER, _HOLDER_BEGINS = re.compile(rb"process \d"), b"process "
_HOLDER_BYTES = 300
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(path: Path) -> int:
    """Bytes that are free where ``path`` is, or will be: on the disk of its nearest folder that exists."""
    place = path.absolute()
    while not place.is_dir():
        place = place.parent
    return shutil.disk_usage(place).free


def is_no_space(error: BaseException) -> bool:
    """Whether a full disk or a quota is behind an error: its cause, or what was being handled when it was raised.

    Libraries cover it up: torch's zip writer raises ``RuntimeError`` in its place, safetensors a class of its own.
    """
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        if isinstance(behind, OSError) and behind.errno in _NO_SPACE:
            return True
        if any(f"os error {code}" in str(behind) for code in _NO_SPACE):
            return True
        behind = behind.__cause__ or behind.__context__
    return False


@contextmanager
def writing(
    out: Path, own: Sequence[Path], *, wanted: str = "", left: str = "nothing was left there"
) -> Iterator[None]:
    """For the time of the block, errors of writing say what to do.

    Parameters
    ----------
    out
        What is written, as the user calls it.
    own
        The paths that are written: errors that name others pass.
    wanted, left
        How much room is wanted, and what a full disk leaves.

    Raises
    ------
    NoSpaceError, DataError
        In the place of what a full disk, or one of the paths that cannot be written, raised.
    """
    try:
        yield
    except HierAttnError:
        raise
    except Exception as error:
        if is_no_space(error):
            raise NoSpaceError(
                f"no space for {out} (the disk is full, or a quota){wanted}; free some or take another disk; {left}"
            ) from None
        name = error.filename if isinstance(error, OSError) else None
        if not isinstance(name, str) or not any(_holds(path, Path(name)) for path in own):
            raise
        reason = error.strerror or error  # type: ignore[attr-defined]
        raise DataError(f"{out} cannot be written ({reason}): choose another place") from None


def _holds(path: Path, other: Path) -> bool:
    """Whether ``other`` is ``path``, lies in it, or is a folder that it lies in."""
    return other.is_relative_to(path) or path.is_relative_to(other)


# --- one file ----------------------------------------------------------------------------------------------------


def part_of(path: Path) -> Path:
    """The name that ``path`` has until it is whole: ``x.csv.part`` for ``x.csv``."""
    return path.with_name(f"{path.name}.part")


def is_temporary(path: Path) -> bool:
    """Whether a name is one that a write in progress, or one that was killed, leaves; or a desktop's own."""
    return path.name in _DESKTOP or (
        path.name.startswith(".") and (path.name == ".lock" or path.suffix in (f".{_NEW}", f".{_LOCK}"))
    )


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path for the block to write; renamed to ``path`` at its end, removed where it fails.

    A symbolic link stays one: the file that it leads to is replaced. Folders are made where they are missing. Of two
    processes that write the same file one waits for the other.

    Raises
    ------
    NoSpaceError, DataError
        Where the disk is full, or the place cannot be written.
    UsageError
        Where something lies there that is no file: a folder, a device, a pipe.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "results" / "table.csv"
    >>> with atomic_file(target) as part:
    ...     _ = part.write_text("image,label")
    >>> target.read_text()
    'image,label'
    """
    final = Path(os.path.realpath(path))
    new, locked = _beside(final, _NEW), _beside(final, _LOCK)
    with writing(path, [final, new, locked]):
        if final.exists() and not final.is_file():
            raise UsageError(f"{path} is a folder, a device or a pipe: wanted the name of a file; choose another")
        if final.exists() and not os.access(final, os.W_OK):
            raise UsageError(f"{path} is protected against writing: it is not touched; choose another name")
        final.parent.mkdir(parents=True, exist_ok=True)
        with lock(locked, "", wait=True) as was_left:
            if not was_left and new.exists() and new.stat().st_size:
                raise _in_the_way(new)
            try:
                new.unlink(missing_ok=True)  # of a process that was killed
                new.touch()
                mode = (final if final.exists() else new).stat().st_mode
                yield new
                new.chmod(stat.S_IMODE(mode))  # some libraries make private files
                with new.open("rb") as file:
                    os.fsync(file.fileno())
                os.replace(new, final)
            except BaseException:
                new.unlink(missing_ok=True)
                raise


def tidy(path: Path) -> None:
    """Remove what a process that was killed as it wrote ``path`` has left beside it; nothing while one writes it.

    Writing it again does the same: this is for files that are written once.
    """
    final = Path(os.path.realpath(path))
    if _beside(final, _LOCK).exists():
        with suppress(UsageError, OSError), lock(_beside(final, _LOCK), "") as was_left:
            if was_left:
                _beside(final, _NEW).unlink(missing_ok=True)


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


def check_new(out: Path, kind: str) -> None:
    """Refuse a name that anything has, a link that leads nowhere too; to be called before any work.

    Parameters
    ----------
    out
        Where the file is to go.
    kind
        Of the file, with its article: ``"a submission"``.

    Raises
    ------
    UsageError
        Where something has the name.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists: {kind} replaces nothing; choose another name")


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
def lock(path: Path, busy: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file ``path`` for the time of the block; it is removed at the end.

    The block is given whether a process that was killed has left the file, and perhaps other files of its work.

    Windows and some network disks have no such locks: there the block runs without one.

    Parameters
    ----------
    path
        The lock file; its folder must exist.
    busy
        What is said where another process holds it, e.g. ``"out is being made"``.
    wait
        Wait for the other process instead.

    Raises
    ------
    UsageError
        Where another process holds it, with that process's number and host; where the file is no lock of ours.
    """
    try:
        import fcntl
    except ImportError:
        yield True  # not known
        return
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666), "r+b", 0) as file:
            try:
                fcntl.flock(file, how)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode().strip() or "another process"
                raise UsageError(f"{busy} by {holder}: wait for it, or choose another name") from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            if not _is_still(file.fileno(), path):  # its former holder removed it between our two steps
                continue
            file.seek(0)
            holder = file.read(_HOLDER_BYTES)
            # A full disk or a kill cuts the signing at any byte.
            if not (_HOLDER_BEGINS.startswith(holder) or _HOLDER.match(holder)):
                raise _in_the_way(path)
            try:
                with suppress(OSError):  # a full disk: the lock holds all the same
                    file.seek(0)  # written over and then cut: a kill in between must not leave it empty
                    file.truncate(file.write(f"process {os.getpid()} on {platform.node()}".encode()))
                yield bool(holder)
            finally:
                path.unlink(missing_ok=True)
            return


def _in_the_way(path: Path) -> UsageError:
    return UsageError(
        f"{path} is in the way: hierattn needs that name for its work, and did not make what is there; it is not "
        "touched: move it away, or choose another name"
    )


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
        Where it is a file, holds something that we did not make, holds an input, or cannot be written.
    """
    try:
        final = out.resolve()
        _check_place(out, final)
        for path in inputs:
            if final.exists() and path.resolve().is_relative_to(final):
                raise UsageError(
                    f"{out} holds {path}, which is to be read: nothing in it is touched; choose another folder"
                )
        if foreign := _foreign(final, kind):
            raise UsageError(
                f"{out} holds {foreign}, which is not part of {kind.name} that hierattn made, or was changed since: "
                "nothing in it is touched; choose another folder"
            )
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise UsageError(
            f"{out} cannot be a folder ({getattr(error, 'strerror', '') or error}): choose another"
        ) from None


def _check_place(out: Path, final: Path) -> None:
    """Refuse a place that cannot be written, as far as that can be known before it is tried."""
    there = final
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        what = f"{out} is" if there == final else f"{there}, on the way to {out}, is"
        raise UsageError(f"{what} a file: wanted a folder to make; choose another name")
    places = (final, final.parent) if there == final else (there,)
    if not any(os.access(place, os.W_OK | os.X_OK) for place in places):
        raise UsageError(f"{out} cannot be written (no permission, or a read-only disk): choose another folder")


def _foreign(folder: Path, kind: FolderKind) -> str:
    """The first file of a folder that we did not make, or that was changed since; empty where there is none."""
    if not folder.is_dir():
        return ""
    names = _names(folder)
    ours = _ours(folder, kind, names)
    for name in names:
        path = folder / name
        if name == CONTENTS or path.name in _DESKTOP or name.split("/")[0] in _INSIDE:
            continue
        if name not in ours or path.is_symlink() or not ours[name].fits(path):
            return name
    return ""


def _names(folder: Path) -> list[str]:
    """The files in a folder and the folders under it, links and folders that cannot be read among them; sorted."""
    paths: list[Path] = []

    def unreadable(error: OSError) -> None:
        paths.append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=unreadable):
        inside = Path(place)
        paths += [inside / name for name in files]
        paths += [inside / name for name in folders if (inside / name).is_symlink()]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


@dataclass(frozen=True)
class _Made:
    """What is known of a file that we made; None is not known."""

    size: int | None = None
    sha256: str | None = None

    def fits(self, path: Path) -> bool:
        """Whether a file can be the one that we made."""
        if not path.is_file() or self.size not in (None, path.stat().st_size):
            return False
        return self.sha256 is None or self.sha256 == file_sha256(path)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ours(folder: Path, kind: FolderKind, names: Sequence[str]) -> dict[str, _Made]:
    """What we made in a folder, by its list or, in one of an older version, those of ``names`` that we gave."""
    listed = _contents(folder, kind)
    if listed is not None:
        return listed
    if not (folder / kind.mark).is_file():
        return {}
    patterns = (kind.mark, *kind.older)
    return {name: _Made() for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _contents(folder: Path, kind: FolderKind) -> dict[str, _Made] | None:
    """The list of what we made; None where there is none, or one of another kind."""
    try:
        values = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if values["kind"] != kind.name:
            return None
        digests = dict(values.get("sha256", {}))
        return {name: _Made(size, digests.get(name)) for name, size in dict(values["files"]).items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_contents(folder: Path, kind: FolderKind) -> None:
    """List the files of a folder as ours (:data:`CONTENTS`)."""
    not_listed = (folder / CONTENTS, folder / _JOURNAL)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in not_listed]
    names = {path.relative_to(folder).as_posix(): path for path in paths}  # a folder within has a list of its own
    sizes = {name: path.stat().st_size for name, path in names.items()}
    digests = {name: file_sha256(path) for name, path in names.items() if sizes[name] <= _DIGESTED}
    write_json(folder / CONTENTS, {"kind": kind.name, "files": sizes, "sha256": digests}, indent=1)


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
    wanted = f": about {expected_bytes / 1e9:.2g} GB are wanted" if expected_bytes else ""
    with writing(out, [final, *(_beside(final, what) for what in (_PART, _FORMER, _LOCK))], wanted=wanted):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _kept(out, final) as was_left:
            _finish_replacement(final, kind, was_left)
            part = _place(final, _PART)
            _check_work(part, kind, was_left)
            if not resumable:
                shutil.rmtree(part, ignore_errors=True)
            for path in [*part.rglob(f".*.{_NEW}"), *part.rglob(f".*.{_LOCK}")]:  # of a process that was killed
                path.unlink()
            there = sum(file.stat().st_size for file in part.rglob("*")) if part.is_dir() else 0
            if free_bytes(part.parent) + there < expected_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            part.mkdir(exist_ok=True)
            try:
                with (part / _JOURNAL).open("a+b") as journal:
                    yield Workspace(part, journal)
                write_contents(part, kind)
                (part / _JOURNAL).unlink()
                check_replaceable(out, kind, inputs=inputs)
                _put_on_disk(part)
                _put_in_place(part, final, kind)
            except BaseException as error:
                if not resumable or isinstance(error, Exception):
                    shutil.rmtree(part, ignore_errors=True)
                raise


@contextmanager
def _kept(out: Path, final: Path) -> Iterator[bool]:
    """Keep a folder to this process, under every path: by a lock beside it and, where it is there, one in it.

    As for :func:`lock`, the block is given whether a process that was killed has left one.
    """
    was_left = False
    with ExitStack() as locks:
        for place in (_beside(final, _LOCK), _within(final, _LOCK)):
            if place.parent.is_dir() and os.access(place.parent, os.W_OK | os.X_OK):
                was_left |= locks.enter_context(lock(place, f"{out} is being made"))
        yield was_left


def _check_work(folder: Path, kind: FolderKind, was_left: bool) -> None:
    """Refuse a folder that has the name of our work, and is none: of a user's, who is to lose nothing in it."""
    if was_left or not os.path.lexists(folder):
        return
    ours = folder.is_dir() and not folder.is_symlink()
    names = {path.name for path in folder.iterdir()} if ours else set()
    if not ours or (names and names.isdisjoint((_JOURNAL, CONTENTS, kind.mark))):
        raise _in_the_way(folder)


def recover(out: Path, kind: FolderKind) -> None:
    """Finish or undo what a kill left of a replacement of ``out``, or of its last moment; nothing while it is made."""
    final = out.resolve()
    left = [_beside(final, _FORMER), _within(final, _READY)]
    left += [_beside(final, _LOCK), _within(final, _LOCK)]
    if any(path.exists() for path in left):
        with suppress(UsageError, OSError), _kept(out, final) as was_left:
            _finish_replacement(final, kind, was_left)


def _finish_replacement(final: Path, kind: FolderKind, was_left: bool) -> None:
    ready, former = _within(final, _READY), _beside(final, _FORMER)
    for work in (ready, former):
        _check_work(work, kind, was_left)
    if ready.is_dir():
        _fill(final, ready, kind)
    elif former.is_dir():
        if final.exists():
            shutil.rmtree(former, ignore_errors=True)
        else:
            former.rename(final)
            _within(final, _LOCK).unlink(missing_ok=True)


def _put_on_disk(folder: Path) -> None:
    """Wait until the files of a folder are on the disk: after a power cut a name must not stand for half a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None, use_errno=True).syncfs(descriptor)  # one call for thousands of files; Linux
    except (AttributeError, OSError, TypeError):
        os.sync()
    finally:
        os.close(descriptor)


def _put_in_place(part: Path, final: Path, kind: FolderKind) -> None:
    """Rename; what was there steps aside first, and comes back if that fails."""
    if part.parent == final:
        ready = _within(final, _READY)
        part.rename(ready)
        _fill(final, ready, kind)
        return
    former = _beside(final, _FORMER)
    if final.exists():
        part.chmod(stat.S_IMODE(final.stat().st_mode))
        final.rename(former)
    try:
        part.rename(final)
    except BaseException:
        if former.exists():
            former.rename(final)
        raise
    try:
        shutil.rmtree(former, ignore_errors=True)
    except BaseException:  # Ctrl-C: half of it would be a folder that nobody knows
        shutil.rmtree(former, ignore_errors=True)
        raise


def _fill(final: Path, ready: Path, kind: FolderKind) -> None:
    """Move what is ready into a folder that cannot be renamed; begun again after a kill, it goes on.

    The mark goes first and comes last. The old list goes once the old files have gone, the new one comes once the new
    files have come, so that the list never names files of the other making.
    """
    if (ready / CONTENTS).exists():
        (final / kind.mark).unlink(missing_ok=True)
        names = _ours(final, kind, _names(final))
        for name in names:
            (final / name).unlink(missing_ok=True)
        (final / CONTENTS).unlink(missing_ok=True)
        emptied = {folder for name in names for folder in (final / name).parents if folder != final}
        for folder in sorted((path for path in emptied if path.is_relative_to(final)), reverse=True):
            with suppress(OSError):
                folder.rmdir()
    last = (CONTENTS, kind.mark)
    for path in sorted(ready.iterdir(), key=lambda path: last.index(path.name) + 1 if path.name in last else 0):
        path.rename(final / path.name)
    ready.rmdir()


def _place(final: Path, what: str) -> Path:
    """Where work on a folder lies: beside it, or in it where it is better filled than replaced by a renamed one."""
    if not final.is_dir():
        return _beside(final, what)
    begun = any(_within(final, other).exists() for other in (_PART, _READY))
    empty = {path.name for path in final.iterdir()} <= _INSIDE  # somebody made it: its owner and mode stay
    bound = final.is_mount() or final == Path.cwd() or not os.access(final.parent, os.W_OK | os.X_OK)
    return _within(final, what) if begun or empty or bound else _beside(final, what)


def _beside(final: Path, what: str) -> Path:
    return final.with_name(f".{final.name}.{what}")


def _within(final: Path, what: str) -> Path:
    return final / f".hierattn.{what}"


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
