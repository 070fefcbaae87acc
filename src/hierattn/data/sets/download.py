"""One file over HTTP: resumed by ranges, tried again when the connection breaks, and whole or not there.

Beside ``x.zip`` lie, until it is whole, ``x.zip.part`` and ``x.zip.part.json`` (which version of the file the part is
of). A server that cannot resume, or has another version by now, gives it from the start. A file that is there already
and is another is not replaced: somebody put it there.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hierattn.data.sets.catalog import RemoteFile
from hierattn.errors import DataError
from hierattn.files import free_bytes, part_of, write_json, writing
from hierattn.progress import Progress, silent

_CHUNK = 1 << 20
_GONE = (401, 403, 404, 410)
_TIMEOUT = 60.0


class DeadLinkError(DataError):
    """The address gives no such file any more."""


@dataclass(frozen=True)
class Patience:
    """How often a broken transfer is tried again without a byte gained, and how long to wait before: doubling."""

    tries: int = 6
    wait_s: float = 1.0


def download(
    remote: RemoteFile,
    path: Path,
    *,
    patience: Patience | None = None,
    progress: Progress | None = None,
    keep_note: bool = False,
) -> None:
    """Fetch one file to ``path``; where it is whole already, only check it.

    ``progress`` hears of bytes; its step is the file's name. With ``keep_note`` the note (:func:`note_of`) stays beside
    the file, and tells that it was fetched, and not put there by somebody.

    Raises
    ------
    DeadLinkError
        Where the server says that there is no such file.
    DataError
        Where the connection stays broken, the disk is full, or the bytes are not those published. A partial file stays
        for the next call to resume; wrong bytes do not. Where another file of that name is there: it stays as it is.
    """
    patience, progress = patience or Patience(), progress or silent
    if path.exists():
        if not path.is_file() or (wrong := _what_is_wrong(remote, path)):
            raise DataError(
                f"{path} is there and is not the file published ({wrong if path.is_file() else 'a folder'}): it is not "
                "touched; move it away, and run this again"
            )
        progress(remote.name, path.stat().st_size, path.stat().st_size)
        if not keep_note:  # of a process that was killed between the last two steps below
            note_of(path).unlink(missing_ok=True)
        return
    part = part_of(path)
    wrong = ""
    for _ in range(2):  # wrong bytes may come from a part that another program damaged: once more, from the start
        _transfer(remote, part, patience, progress)
        wrong = _what_is_wrong(remote, part)
        if not wrong:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
            if not keep_note:
                note_of(path).unlink(missing_ok=True)
            return
        part.unlink()
        note_of(path).unlink(missing_ok=True)
    raise DataError(f"{remote.name} from {remote.url} is not the file published ({wrong}), twice: try again later")


def note_of(path: Path) -> Path:
    """The file that says which version of ``path`` is being fetched."""
    return path.with_name(f"{part_of(path).name}.json")


def _what_is_wrong(remote: RemoteFile, path: Path) -> str:
    """In a few words; empty for a file that has the published size and checksum, as far as there are any."""
    size = path.stat().st_size
    if remote.bytes is not None and size != remote.bytes:
        return f"{size:,} bytes, wanted {remote.bytes:,}"
    if remote.checksum:
        kind, _, wanted = remote.checksum.partition(":")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, kind).hexdigest()
        if digest != wanted:
            return f"{kind} {digest}, wanted {wanted}"
    return ""


def _transfer(remote: RemoteFile, part: Path, patience: Patience, progress: Progress) -> None:
    """Bring all bytes into ``part``, by as many requests as it takes."""
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            with writing(part, [part], left="what has come is kept; the same command resumes from there"):
                _request(remote, part, progress)
            return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code in _GONE:
                raise DeadLinkError(f"{remote.url} gives no file ({reason})") from None
            if error.code == 416:  # the part is longer than the file: of another version
                part.unlink(missing_ok=True)
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        failed = 0 if part.exists() and part.stat().st_size > before else failed + 1
        if failed >= patience.tries:
            raise DataError(
                f"{remote.url} cannot be reached or breaks off ({reason}), {failed} times: what has come is kept; "
                "the same command resumes from there"
            )
        time.sleep(min(60.0, patience.wait_s * 2 ** max(0, failed - 1)))


def _request(remote: RemoteFile, part: Path, progress: Progress) -> None:
    """One request for all that is missing."""
    state_path = part.with_name(f"{part.name}.json")
    state = _read_state(state_path) if part.exists() else {}
    have = part.stat().st_size if state else 0
    if have and have == state.get("total"):
        return
    request = urllib.request.Request(remote.url, headers={"User-Agent": "hierattn", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if state.get("version"):
            request.add_header("If-Range", state["version"])
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        start, total = _place(response)
        if start != have or (have and total != state.get("total")):
            have = 0
            if start:
                part.unlink(missing_ok=True)
                raise http.client.HTTPException("another version of the file: from the start")
        _check_size(remote, part, total, have)
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        write_json(state_path, {"version": "" if version.startswith("W/") else version, "total": total})
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(remote.name, have, total)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _place(response: Any) -> tuple[int, int | None]:
    """Where the answer's bytes begin in the file, and the file's length."""
    if response.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if place is None:
            raise http.client.HTTPException("an answer in part that does not say which part")
        return int(place[1]), None if place[2] == "*" else int(place[2])
    length = response.headers.get("Content-Length")
    return 0, None if length is None else int(length)


def _check_size(remote: RemoteFile, part: Path, total: int | None, have: int) -> None:
    """Before a byte is written: is it the published size, and is there room."""
    if total is not None and remote.bytes is not None and total != remote.bytes:
        raise DataError(
            f"{remote.url} offers {total:,} bytes, {remote.bytes:,} are published: the file was changed, or the "
            "address gives something else by now; look at the set's page"
        )
    wanted = (total or remote.bytes or 0) - have
    if free_bytes(part.parent) < wanted:
        raise DataError(
            f"no space for {remote.name}: {wanted / 1e9:.2g} GB are wanted; free some or choose another disk"
        )
