"""Decode all images into ``images.npy``, in parallel, with a journal: stopped anywhere, it resumes from there.

The journal's first line is a key: a digest of the settings and of every source file's name, size and time. Another key
is another job, and starts anew. Each further line is one image, in order, written after its pixels were handed to the
operating system, and holds their CRC-32. On the way back in every pixel is read and compared: what a torn write
or a power cut left behind is cut off and decoded again. So the bytes are those of a run that was never stopped. The
pictures that near-duplicates are looked for on (comparison_picture.py) are written beside, in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import hierattn
from hierattn.data.hdf5_images import image_bytes, image_state
from hierattn.data.near_duplicates.comparison_picture import SIDE, comparison_picture
from hierattn.data.prepare.report import AuditRow
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import FORMAT, IMAGES, PackedWriter
from hierattn.errors import DataError, ImageError
from hierattn.files import Workspace
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box
from hierattn.preprocessing.cleaning import clean
from hierattn.preprocessing.photo_files import printable
from hierattn.preprocessing.photograph import read_photograph
from hierattn.progress import Progress

READING = "reading images"
"""The step that :func:`pack` reports to its listener."""

COMPARISON = ".comparison.npy"
"""Beside ``images.npy`` until the set is whole: uint8 grey, (images, 128, 128)."""

_FLUSH_EVERY = 32  # images
_FLUSH_SECONDS = 2.0


@dataclass
class Packed:
    """The packed images, row by row, and the images that were left out."""

    records: list[Record] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)
    dropped: list[AuditRow] = field(default_factory=list)
    images_sha256: str = ""


@dataclass(frozen=True)
class _Decoded:
    """One image after its worker: pixels, or the reason why there are none."""

    record: Record
    pixels: np.ndarray | None = None
    comparison: np.ndarray | None = None
    box: Box | None = None
    reason: str = ""


def pack(
    records: Sequence[Record],
    place: Workspace,
    spec: ImageSpec,
    *,
    comparison: bool,
    strict: bool,
    jobs: int,
    progress: Progress,
) -> Packed:
    """Decode all images into ``images.npy``, in order; keep the rows of those that can be read.

    With ``comparison`` the pictures for near-duplicates go into :data:`COMPARISON`, row by row the same images.

    Raises
    ------
    DataError
        Where none can be read, or, if ``strict``, any cannot.
    """
    packed = Packed()
    with ExitStack() as files:
        writers = {"crc": files.enter_context(PackedWriter(place.folder / IMAGES, spec.size, at_most=len(records)))}
        if comparison:
            beside = PackedWriter(place.folder / COMPARISON, SIDE, at_most=len(records), grey=True)
            writers["comparison"] = files.enter_context(beside)
        journal = _Journal(place.journal, _key(records, spec, comparison))
        done = _take_over(records, journal, writers, packed)
        if done:
            progress(READING, done, len(records))
        decoded = _in_parallel(lambda record: _decode(record, spec, comparison), records[done:], jobs)
        for number, image in enumerate(decoded, start=done + 1):
            _note(image, packed)
            if strict and len(packed.dropped) >= 3:
                break
            pictures = {"crc": image.pixels, "comparison": image.comparison}
            sums = {name: writers[name].append(pixels) for name, pixels in pictures.items() if pixels is not None}
            journal.add(_line(image, sums))
            if journal.is_due():
                _flush(writers, journal)
            progress(READING, number, len(records))
        _flush(writers, journal)
    if strict and packed.dropped:
        raise strict_error([row.reason for row in packed.dropped])
    if not packed.records:
        raise DataError(f"none of {len(records)} images can be used; the first: {packed.dropped[0].reason}")
    packed.images_sha256 = writers["crc"].sha256
    return packed


def _flush(writers: Mapping[str, PackedWriter], journal: _Journal) -> None:
    """Pixels first, then the lines that speak of them."""
    for writer in writers.values():
        writer.flush()
    journal.write()


def strict_error(reasons: list[str]) -> DataError:
    """What ``--strict`` says: the first few reasons."""
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    first = printable("; ".join(reasons[:3]))
    return DataError(f"{first}{more}: --strict wants every image usable; leave it out to skip such images")


def _note(image: _Decoded, packed: Packed) -> None:
    if image.reason:
        packed.dropped.append(AuditRow(image.record.image, "dropped", image.reason))
    else:
        packed.records.append(image.record)
        packed.boxes.append(image.box)


def _decode(record: Record, spec: ImageSpec, comparison: bool) -> _Decoded:
    """One image from its file to the pixels that are packed, and those that are compared."""
    path = Path(record.image)
    try:
        content = image_bytes(path)
        photograph = read_photograph(content, name=path.name)
    except ImageError as error:
        return _Decoded(record, reason=str(error))
    height, width = photograph.shape[:2]
    cleaned, box = clean(photograph, spec)
    record = replace(record, width=width, height=height, sha256=hashlib.sha256(content).hexdigest())
    pixels = spec.resize(cleaned)
    compared = comparison_picture(photograph, spec, box, pixels) if comparison else None
    return _Decoded(record, pixels, compared, box)


def _in_parallel(work: Callable[[Record], _Decoded], records: Iterable[Record], jobs: int) -> Iterator[_Decoded]:
    """``map`` over threads, in order, with a bounded number of results in memory.

    Threads do: decoding, resizing, hashing and contours all leave Python's lock. Stopped from outside (Ctrl-C, a full
    disk), what has not begun is not begun.
    """
    waiting: deque[Future[_Decoded]] = deque()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="prepare")
    try:
        for record in records:
            waiting.append(pool.submit(work, record))
            if len(waiting) >= 4 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# --- the journal ------------------------------------------------------------------------------------------------


class _Journal:
    """Lines of JSON, kept back until they are due.

    Attributes
    ----------
    lines
        What a former process of the same key left; empty where there was none, or another job.
    """

    def __init__(self, file: BinaryIO, key: str) -> None:
        self._file = file
        self._waiting: list[bytes] = []
        self._written = time.monotonic()
        file.seek(0)
        head, *rest = file.read().split(b"\n")
        same = head == key.encode()
        self.lines: list[dict[str, Any]] = [line for line in map(_parsed, rest) if line] if same else []
        if not same:
            self._rewrite([key.encode()])

    def keep(self, count: int) -> None:
        """Cut all lines after the first ``count``."""
        self._file.seek(0)
        self._rewrite(self._file.read().split(b"\n")[: count + 1])

    def _rewrite(self, lines: list[bytes]) -> None:
        self._file.truncate(0)
        self._file.write(b"".join(line + b"\n" for line in lines))
        self._file.flush()

    def add(self, values: dict[str, Any]) -> None:
        self._waiting.append(json.dumps(values).encode() + b"\n")

    def is_due(self) -> bool:
        return len(self._waiting) >= _FLUSH_EVERY or time.monotonic() - self._written > _FLUSH_SECONDS

    def write(self) -> None:
        """To be called after the pixels were flushed."""
        self._file.write(b"".join(self._waiting))
        self._file.flush()
        self._waiting.clear()
        self._written = time.monotonic()


def _parsed(line: bytes) -> dict[str, Any]:
    """A line's values; nothing for a torn one, which can only be the last."""
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _key(records: Sequence[Record], spec: ImageSpec, comparison: bool) -> str:
    """Of the job: other settings, other software, another file or another time of a file is another job."""
    digest = hashlib.sha256(json.dumps([FORMAT, hierattn.__version__, spec.to_dict(), comparison]).encode())
    for record in records:
        try:
            state = image_state(Path(record.image))
            digest.update(os.fsencode(f"{record.image}\0{state.st_size}\0{state.st_mtime_ns}\n"))
        except OSError:
            digest.update(os.fsencode(f"{record.image}\0missing\n"))
    return digest.hexdigest()


def _line(image: _Decoded, checksums: Mapping[str, int]) -> dict[str, Any]:
    if image.reason:
        return {"reason": image.reason}
    box = image.box and [image.box.left, image.box.top, image.box.right, image.box.bottom]
    record = image.record
    return {**checksums, "box": box, "size": [record.width, record.height], "sha256": record.sha256}


def _take_over(
    records: Sequence[Record], journal: _Journal, writers: Mapping[str, PackedWriter], packed: Packed
) -> int:
    """Resume after a process that was stopped; returns how many images, from the first, are done and whole."""
    whole = _keep_whole([line for line in journal.lines if "crc" in line], writers)
    done = 0
    for record, line in zip(records, journal.lines, strict=False):
        if "crc" in line:
            if len(packed.records) == whole:
                break
            width, height = line["size"]
            record = replace(record, width=width, height=height, sha256=line["sha256"])
            box = Box(*line["box"]) if line["box"] else None
            _note(_Decoded(record, box=box), packed)
        else:
            _note(_Decoded(record, reason=line["reason"]), packed)
        done += 1
    journal.keep(done)
    return done


def _keep_whole(lines: Sequence[Mapping[str, Any]], writers: Mapping[str, PackedWriter]) -> int:
    """Keep as many images as every file holds whole; how many."""
    whole = min(writer.keep([line[name] for line in lines]) for name, writer in writers.items())
    for name, writer in writers.items():
        if writer.count > whole:
            writer.keep([line[name] for line in lines[:whole]])
    return whole
