"""The table of a clinic's archive: one row for each file, written as soon as it is known; an interrupted table resumes.

While it grows it is called ``TABLE.csv.part``. Each row goes to the disk by one write, and a row that a crash cut short
is dropped when the table is resumed. Only a whole table gets its own name. A lock keeps the table to one process.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO

from hierattn.deploy.archive.answers import written_answers
from hierattn.errors import TableError, UsageError
from hierattn.files import atomic_file, check_file_replaceable, lock, part_of, shown, writing

ANSWERED, REFUSED, NO_ADVICE = "answered", "refused", "no_advice"
_LONGEST_HEAD = 1 << 18
"""Bytes: a thousand classes with the longest codes."""
_BEFORE = ("file", "sha256", "status", "advice", "label")
_AFTER = ("risk", "quality", "novelty", "rule", "bundle", "report", "reason")
ANSWERS, HEADER_ANSWERS, FROM_HEADER = "answers", "header_answers", "from_header"
PHOTO = "photo_"
"""Before the columns of what the photograph alone says."""


def columns(codes: Sequence[str], *, asks: bool = False) -> tuple[str, ...]:
    """The table's columns for a bundle's classes.

    ``file`` (see :func:`written_name`), ``sha256`` (of the file), ``status`` (answered, refused), ``advice`` (see_soon,
    have_checked, watch, retake; empty, as ``risk``, where nothing is said of which classes need a doctor), ``label``
    (most probable class), ``p_CODE`` for each class, ``risk``, ``quality`` (``ok``, or what is wrong with the
    photograph, separated by spaces), ``novelty``, ``rule`` (of the advice), ``bundle`` (SHA-256), ``report`` (of the
    DICOM-SR, where one was written) and ``reason`` (of a refusal).

    Of a bundle that ``asks`` also ``answers`` and ``header_answers`` (those used, of the table of answers and of the
    DICOM header), ``from_header`` (whether headers were looked into) and, where any was used, what the photograph
    alone says: ``photo_advice``, ``photo_label``, ``photo_p_CODE``, ``photo_risk``.

    >>> columns(("MEL", "NV"))[4:8]
    ('label', 'p_MEL', 'p_NV', 'risk')
    """
    shares = tuple(f"p_{code}" for code in codes)
    alone = (f"{PHOTO}{name}" for name in ("advice", "label", *shares, "risk")) if asks else ()
    told = (ANSWERS, HEADER_ANSWERS, FROM_HEADER) if asks else ()
    return (*_BEFORE, *shares, *told, *alone, *_AFTER)


def written_name(file: str) -> str:
    r"""How a file is called in the table, so that the table is UTF-8 and no two names are one.

    A byte that is not UTF-8 is written ``\xe6``, and a backslash twice.

    >>> written_name("n\udce6vus.png") == r"n\xe6vus.png"
    True
    """
    return shown(file.replace("\\", "\\\\"))


def count_refused(table: Path) -> int:
    """How many rows of a finished table have no answer."""
    with table.open("r", encoding="utf-8", newline="") as file:
        return sum(row["status"] == REFUSED for row in csv.DictReader(file))


def is_table(path: Path) -> bool:
    """Whether a file begins with such columns, of whatever classes."""
    with path.open("rb") as file:
        head = file.readline(_LONGEST_HEAD).decode("utf-8", "replace")
    return head.startswith(",".join(_BEFORE)) and head.endswith(",".join(_AFTER) + "\n")


def _is_unfinished(path: Path) -> bool:
    """Whether it is a table, or so much of one as a crash of the system left."""
    if is_table(path):
        return True
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEAD)
    return b"\n" not in head and ",".join(_BEFORE).encode().startswith(head[:30])


class ArchiveTable:
    """The table being written. Use as a context; :meth:`finish` gives it its name.

    Parameters
    ----------
    path
        Of the finished table. If it exists, its rows are kept and new files' rows follow them.
    codes
        The bundle's classes.
    same
        Values that every row must have, such as ``rule`` and ``bundle``: rows of two bundles do not mix.
    answers
        File -> its answers in the table of answers, of a bundle that asks; None for one that does not.

    Attributes
    ----------
    done
        Files that have a row.

    Raises
    ------
    TableError
        Where what exists is no such table, or one of another bundle or rule, or a row's answers are now others.
    UsageError
        Where its folder is missing, a file of its name is no such table, or another process writes the same table.
    """

    def __init__(
        self,
        path: Path,
        codes: Sequence[str],
        same: Mapping[str, str],
        answers: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        path = Path(os.path.realpath(path))  # a link stays one
        if not path.parent.is_dir():
            raise UsageError(f"no folder {path.parent} for the table: make it, or choose another --out")
        for file, is_ours in ((path, is_table), (part_of(path), _is_unfinished)):
            check_file_replaceable(file, "a table of answers", is_ours)
        self.path, self.part = path, part_of(path)
        self.columns, self._same = columns(codes, asks=answers is not None), dict(same)
        self._answers = answers
        self.done: set[str] = set()
        with ExitStack() as opened:
            with self._writing():
                opened.enter_context(lock(path.with_name(f".{path.name}.lock"), f"{path} is being written"))
                self._start()
                self._file: IO[bytes] = opened.enter_context(self.part.open("ab", buffering=0))
            self._opened = opened.pop_all()

    def __enter__(self) -> ArchiveTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add(self, row: Mapping[str, str]) -> None:
        """Write one row; what it lacks stays empty.

        Raises
        ------
        NoSpaceError
            Where the disk is full; the rows so far are kept.
        """
        line = self._line([row.get(name, "") for name in self.columns])
        with self._writing():
            if self._file.write(line) != len(line):  # the system may take a part and say so only here
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.done.add(row["file"])

    def finish(self) -> None:
        """Give the whole table its name."""
        with self._writing():
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.part, self.path)

    def _writing(self) -> AbstractContextManager[None]:
        left = f"the rows so far are in {self.part}, and the same command resumes"
        return writing(self.path, [self.path, self.part], left=left)

    def _start(self) -> None:
        """Write the heading, and the whole rows of the table that is there."""
        before = self.part if self.part.exists() else self.path
        if not before.exists():
            self._write(iter(()))
            return
        with before.open("r", encoding="utf-8", errors="surrogateescape", newline="") as file:
            self._write(self._former_rows(file, before))

    def _former_rows(self, file: IO[str], before: Path) -> Iterator[list[str]]:
        rows = _whole_rows(file)
        head = next(rows, None)
        if head is not None and tuple(head) != self.columns:
            raise TableError(f"{before} has other columns than this bundle's table: choose another --out, or delete it")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(self.columns):
                raise TableError(f"{before} has a row of {len(row)} columns: wanted {len(self.columns)}; delete it")
            row[0] = shown(row[0])  # tables of older versions have the bytes themselves
            self._check_same(dict(zip(self.columns, row, strict=True)), before, number)
            if row[0] not in self.done:
                self.done.add(row[0])
                yield row

    def _check_same(self, row: Mapping[str, str], before: Path, number: int) -> None:
        for name, wanted in self._same.items():
            if row[name] != wanted:
                raise TableError(
                    f"{before} was made with {name} {row[name][:12]}, this is {wanted[:12]}: choose another --out, "
                    "or delete it to answer for every file again"
                )
        if self._answers is None or row["status"] == REFUSED:
            return
        if row[ANSWERS] != written_answers(self._answers.get(row["file"], {})):
            raise TableError(
                f"{before}: row {number} was answered with other answers than its photograph now has in the table of "
                "answers: choose another --out, or delete it to answer for every file again"
            )

    def _write(self, rows: Iterator[list[str]]) -> None:
        with atomic_file(self.part) as temporary, temporary.open("wb") as out:
            out.write(self._line(self.columns))
            for row in rows:
                out.write(self._line(row))
        if self.path.exists():
            shutil.copymode(self.path, self.part)  # somebody may have closed it to others

    @staticmethod
    def _line(values: Sequence[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(values)
        return text.getvalue().encode("utf-8", "surrogateescape")


def _whole_rows(file: IO[str]) -> Iterator[list[str]]:
    """The rows up to one that was cut short: by its quotes, or because the file does not end with a line's end."""
    ended = True

    def lines() -> Iterator[str]:
        nonlocal ended
        for line in file:
            ended = line.endswith("\n")
            yield line

    reader = csv.reader(lines(), strict=True)
    while True:
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return
        if not ended:
            return
        yield row
