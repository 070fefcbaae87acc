"""Fetch a public set into a folder that ``prepare`` reads: download, check, unpack. Run again, it resumes.

``fetched.json`` in the folder lists what is done, so that archives need not be kept. Nothing that somebody else put
into the folder is replaced or removed: an archive that was put there by hand is unpacked and stays.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hierattn.data.sets.catalog import PUBLIC_SETS, PublicSet, RemoteFile
from hierattn.data.sets.download import DeadLinkError, Patience, download, note_of
from hierattn.errors import DataError, UsageError
from hierattn.files import atomic_file, free_bytes, lock, tidy, write_json, writing
from hierattn.progress import Progress

DONE = "fetched.json"
_MOST_FILES = 1_000_000
_LARGEST_MEMBER = 512 * 1024 * 1024
_MOST_GROWTH = 50
"""Unpacked over packed. Photographs hardly shrink in a zip; a bomb does, a thousandfold."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes
    ----------
    folder
        Where the set is.
    files
        Name -> ``fetched``, or ``there`` where it was there already.
    unpacked
        Files taken out of archives, in all.
    """

    folder: Path
    files: dict[str, str]
    unpacked: int


def public_set(name: str) -> PublicSet:
    """The set of that name.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if name not in PUBLIC_SETS:
        raise UsageError(f"no data set {name!r}: wanted one of {', '.join(PUBLIC_SETS)}")
    return PUBLIC_SETS[name]


def from_mirror(wanted: PublicSet, mirror: str) -> PublicSet:
    """The same set, its files to be had at ``mirror/<file name>``.

    Raises
    ------
    UsageError
        Where ``mirror`` is no web address.
    """
    if urlsplit(mirror).scheme not in ("http", "https"):
        raise UsageError(f"mirror {mirror!r}: wanted an address that begins with https:// or http://")
    files = tuple(replace(file, url=f"{mirror.rstrip('/')}/{file.name}") for file in wanted.files)
    return replace(wanted, files=files)


def fetch(
    wanted: PublicSet,
    folder: Path,
    *,
    jobs: int = 4,
    keep_archives: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Download all files of a set side by side, check them, and unpack the archives.

    Parameters
    ----------
    wanted
        From :func:`public_set`.
    folder
        Made where it is missing. What is in it stays; a file of the set that is there and right is not fetched again.
    jobs
        Files at once.
    keep_archives
        Keep the zip files once they are unpacked.
    patience
        With a connection that breaks.
    progress
        Called with bytes, from several threads; a step is a file's name.

    Raises
    ------
    DataError
        Where a file cannot be had, or is not the one published; what is whole stays, and the next call resumes. Where
        the set has no address that a program may use: says how to get it, and how to lay it.
    UsageError
        Where ``folder`` is a file, or ``jobs`` is not positive, or another process fetches into the folder.
    """
    if not wanted.files and wanted.by_hand:
        raise DataError(f"{wanted.name} has no address to download from: {by_hand(wanted, folder)}")
    if jobs < 1:
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: wanted a folder to fetch into; choose another name")
    with writing(folder, [folder], left="what has come is kept; the same command resumes"):
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder / ".fetch.lock", f"{folder} is being filled"):
            return _fetch(wanted, folder, jobs, keep_archives, patience, progress)


def _fetch(
    wanted: PublicSet,
    folder: Path,
    jobs: int,
    keep_archives: bool,
    patience: Patience | None,
    progress: Progress | None,
) -> Fetched:
    done = _read_done(folder)
    missing = [file for file in wanted.files if not _is_done(file, folder, done)]

    def bring(file: RemoteFile) -> None:
        try:
            is_archive = file.unpack_to is not None
            download(file, folder / file.name, patience=patience, progress=progress, keep_note=is_archive)
        except DeadLinkError as error:
            raise DataError(f"{error}: {by_hand(wanted, folder)}") from None

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="fetch")
    try:
        for _ in pool.map(bring, missing):
            pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    unpacked = _unpack_all(missing, folder, done)
    for file in wanted.files:
        if file.unpack_to is not None:
            _tidy(folder / file.name, keep_archives)
    return Fetched(folder, {file.name: "fetched" if file in missing else "there" for file in wanted.files}, unpacked)


def by_hand(wanted: PublicSet, folder: Path) -> str:
    """What to do where an address is dead, or there is none: the set's page, and where its files belong."""
    if not wanted.files:
        how = wanted.by_hand.replace("FOLDER", str(folder))
        return f"on {wanted.homepage}, {how}; continue with 'hierattn prepare {folder} OUT'"
    names = ", ".join(file.name for file in wanted.files)
    return (
        f"get {names} from {wanted.homepage}, put them into {folder} (archives packed, as they are) and run this "
        f"again, or unpack them there yourself and continue with 'hierattn prepare {folder} OUT'"
    )


def _unpack_all(files: Sequence[RemoteFile], folder: Path, done: dict[str, int]) -> int:
    """Unpack, and note what is done; returns how many files came out."""
    unpacked = 0
    for file in files:
        count = 0 if file.unpack_to is None else unpack(folder / file.name, folder / file.unpack_to)
        unpacked += count
        done[file.name] = count
        write_json(folder / DONE, done, indent=1)
    return unpacked


def _tidy(archive: Path, keep: bool) -> None:
    """Remove an archive that was fetched, which its note tells, and the note last."""
    note = note_of(archive)
    if note.exists():
        if not keep:
            archive.unlink(missing_ok=True)
        note.unlink()


def _is_done(file: RemoteFile, folder: Path, done: dict[str, int]) -> bool:
    """Noted as done, and a plain file is still there; its checksum was right when it was noted."""
    return file.name in done and (file.unpack_to is not None or (folder / file.name).is_file())


def _read_done(folder: Path) -> dict[str, int]:
    path = folder / DONE
    tidy(path)
    if not path.exists():
        return {}
    try:
        return {str(name): int(count) for name, count in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        raise UsageError(
            f"{path} is not the list that fetch writes: it is not touched; choose another folder"
        ) from None


# --- archives ---------------------------------------------------------------------------------------------------


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a zip archive; a member that is there already is left. Returns how many files it has.

    Every member's CRC is checked as it is read. Before anything is written are refused: a name that leads out of
    ``folder``, an archive that would grow beyond all measure, and one of whose members another file has the name.

    Raises
    ------
    DataError
        Where the archive is damaged or refused, or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if _is_wanted(member)]
            _refuse_bombs(archive, members, folder)
            missing = [member for member in members if not _is_there(archive, member, folder)]
            for member in missing:
                _take_out(packed, member, _inside(folder, member.filename, archive))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:  # RuntimeError: encrypted
        raise DataError(_damaged(archive, str(error))) from None
    except OSError as error:
        raise DataError(f"{archive.name} cannot be unpacked into {folder} ({error.strerror or error})") from None
    return len(members)


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    """A file that is not some desktop's own."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    return not member.is_dir() and "__MACOSX" not in name.parts and not name.name.startswith(".")


def _refuse_bombs(archive: Path, members: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    size = sum(member.file_size for member in members)
    largest = max((member.file_size for member in members), default=0)
    packed = archive.stat().st_size
    if len(members) > _MOST_FILES or largest > _LARGEST_MEMBER or size > _MOST_GROWTH * packed + (1 << 20):
        raise DataError(
            f"{archive.name} would unpack to {len(members):,} files and {size:,} bytes from {packed:,}: refused; "
            "check where it came from"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if free_bytes(folder) < size:
        raise DataError(f"no space to unpack {archive.name}: {size / 1e9:.2g} GB are wanted; free some")
    for member in members:
        _inside(folder, member.filename, archive)


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Where a member goes; refused where that is not below ``folder``."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise DataError(
            f"{archive.name} holds {name!r}, which leads out of the folder: refused; check where it came from"
        )
    return folder.joinpath(*parts.parts)


def _damaged(archive: Path, reason: str) -> str:
    """What is said of a damaged archive, which is removed where we fetched it."""
    if not note_of(archive).exists():
        return f"{archive.name} is a damaged archive ({reason}): it is not touched; move it away, and fetch it again"
    _tidy(archive, keep=False)
    return f"{archive.name} is a damaged archive ({reason}): it was removed; fetch it again"


def _is_there(archive: Path, member: zipfile.ZipInfo, folder: Path) -> bool:
    """Whether a member was unpacked before.

    Raises
    ------
    DataError
        Where something else has its name.
    """
    path = _inside(folder, member.filename, archive)
    tidy(path)
    if not os.path.lexists(path):
        return False
    if path.is_file() and path.stat().st_size == member.file_size and _crc(path) == member.CRC:
        return True
    raise DataError(f"{path} is there and is not that of {archive.name}: it is not touched; move it away")


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc


def _take_out(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with packed.open(member) as source, atomic_file(path) as part, part.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
