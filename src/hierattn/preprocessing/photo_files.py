"""Which files of a folder are photographs: one account of a folder for ``prepare``, ``predict`` and ``--batch``.

Nothing in a folder is passed over in silence, but for what is hidden (:data:`HIDDEN`, and names with a dot first) and
for documents (:data:`DOCUMENTS`):

- Links to folders are followed. Each folder is read once, whatever the number of its names; a link that leads back,
  or above the folder, is not followed.
- A folder that cannot be listed is an error: nobody can know which photographs are missing then.
- A link that leads nowhere, a pipe, a socket or a device is reported as what it is and never opened.
- A photograph is known by its ending or else by its first bytes, so that ``IMG_0001`` and ``scan.jpg.bak`` count.
  Whether it can be read is found out when it is read; formats that nobody reads here count for that very reason.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hierattn.errors import UsageError

_READ = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif")
_PERHAPS = (".heic", ".heif", ".hif", ".avif", ".dcm", ".dicom")  # with pillow-heif; by predict
_REFUSED = (".jp2", ".j2k", ".jpx", ".jxl", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2")
ENDINGS = frozenset(_READ + _PERHAPS + _REFUSED)
"""File endings, in lower case, of photographs."""

DOCUMENTS = frozenset(
    {".txt", ".csv", ".tsv", ".tab", ".md", ".json", ".toml", ".yaml", ".yml", ".xml", ".html", ".pdf", ".log"}
)
"""File endings, in lower case, of what lies beside photographs and is left out without a word."""

HIDDEN = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found", "system volume information", "$recycle.bin"}
)
"""Names, in lower case, that operating systems leave in folders: nobody's photographs, like names with a dot first."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|BM....\0\0\0\0..\0\0[\x0c-\x7c]\0\0\0"
    rb"|II[*+]\0|MM\0[*+]|IIU\0|IIR[OS]|FUJIFILMCCD-RAW|8BPS|\xff\x4f\xff\x51|\xff\x0a"
    rb"|\0\0\0\x0c(?:jP  |JXL )|....ftyp(?:hei|hev|mif|msf|avi|crx)|.{128}DICM",
    re.DOTALL,
)


@dataclass(frozen=True)
class Found:
    """What a folder holds under one name.

    Attributes
    ----------
    name
        The path relative to the folder, with ``/`` between.
    problem
        Why it cannot be read as a file; empty for a file.
    read_as
        For a link to a folder that is read under another name, or not at all: where it leads.
    """

    name: str
    problem: str = ""
    read_as: str = ""


def find_files(folder: Path, excluded: Collection[Path] = ()) -> Iterator[Found]:
    """Everything in ``folder`` and in the folders under it, in the order of the names, folder by folder.

    What links lead to follows after all else, so that a folder with two names goes by its own. Only one folder's names
    are held at a time. Nothing is opened.

    Parameters
    ----------
    folder
        Where to look.
    excluded
        Paths that are left out.

    Raises
    ------
    UsageError
        Where ``folder``, or a folder under it, is no folder that can be listed.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: wanted the folder with the photographs; check the path")
    left_out = {path.absolute() for path in excluded}
    return _walk_all(folder, left_out)


def _walk_all(folder: Path, excluded: set[Path]) -> Iterator[Found]:
    seen = {_identity(above): "a folder above it" for above in folder.resolve().parents}
    links: list[str] = []
    yield from _walk(folder, "", excluded, seen, links)
    while links:
        name = links.pop(0)
        if before := seen.get(_identity(folder / name)):
            yield Found(name, f"a link to a folder that is {_known(before)}", before)
        else:
            yield from _walk(folder, f"{name}/", excluded, seen, links)


def _known(before: str) -> str:
    return "above the one that is read" if before == "a folder above it" else f"read as {before}"


def _walk(
    top: Path, prefix: str, excluded: set[Path], seen: dict[tuple[int, int], str], links: list[str]
) -> Iterator[Found]:
    """One folder and the folders under it; links to folders are kept for later."""
    folder = top / prefix
    try:
        seen[_identity(folder)] = prefix.rstrip("/") or "the folder itself"
        with os.scandir(folder) as inside:
            entries = sorted((entry for entry in inside if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be listed ({error.strerror}): change its permissions, or move it elsewhere"
        ) from None
    for entry in entries:
        name = prefix + entry.name
        if excluded and Path(entry.path).absolute() in excluded:
            continue
        if entry.is_dir(follow_symlinks=False):
            before = seen.get(_identity(Path(entry.path)))  # a folder mounted at two places
            if before:
                yield Found(name, f"a folder that is {_known(before)}", before)
            else:
                yield from _walk(top, f"{name}/", excluded, seen, links)
        elif entry.is_symlink() and Path(entry.path).is_dir():
            links.append(name)
        else:
            yield Found(name, _problem(Path(entry.path)))


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def _problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})" if path.is_symlink() else f"{error.strerror}"
    return "" if stat.S_ISREG(mode) else "a pipe, socket or device, not a file"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is left out without a word."""
    return name.startswith(".") or name.lower() in HIDDEN


def printable(name: str) -> str:
    r"""A name that may hold anything, for a table or a line of text: ``n\xe6vus`` for a byte that is not UTF-8."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def is_printable(name: str) -> bool:
    """Whether a table in UTF-8 can hold the name as it is: no byte of another encoding, no line's end."""
    return printable(name) == name


def is_photograph(path: Path) -> bool:
    """Whether a file is a photograph, readable or not: by its ending, else by its first bytes.

    A file of another ending that cannot be opened counts, for it may be one.
    """
    if path.suffix.lower() in ENDINGS:
        return True
    try:
        with path.open("rb") as file:
            return _SIGNATURES.match(file.read(132)) is not None
    except OSError:
        return True


def other_files(names: Collection[str]) -> list[str]:
    """Of files that are no photographs those to be mentioned: an archive or a film may hold photographs, too."""
    return [name for name in names if Path(name).suffix.lower() not in DOCUMENTS]
