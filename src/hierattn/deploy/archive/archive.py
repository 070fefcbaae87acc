"""Judge a whole archive of photographs by several processes, into one table that can be taken up again.

Memory stays bounded however many files there are: a few are on their way at a time, and rows leave in the files' order,
so that the table is the same whatever the number of processes. A file that brings its process down, as hostile files
have done to decoders before, gets a row that says so.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from hierattn.deploy.archive.files import find_files
from hierattn.deploy.archive.table import REFUSED, ArchiveTable
from hierattn.deploy.archive.worker import ArchiveQuestion, begin, get_ready, judge_file
from hierattn.deploy.predict.photo_file import digest_of
from hierattn.deploy.predict.predictor import Predictor, find_bundle
from hierattn.errors import HierAttnError, UsageError

AHEAD = 4
"""Files on their way for each process: enough that none waits, few enough that memory stays small."""

Row = dict[str, str]
Advance = Callable[[int, int], None]
"""Called with how many files have a row, and how many there are."""


def judge_archive(
    folder: Path,
    out: Path,
    model: str | Path,
    *,
    jobs: int = 1,
    rule: str = "risk",
    language: str = "en",
    reports: Path | None = None,
    advance: Advance = lambda _done, _total: None,
) -> Counter[str]:
    """Write a row for every file of ``folder`` to the table ``out``.

    Files that have a row already, in ``out`` or in the unfinished ``out.part``, are not judged again.

    Parameters
    ----------
    folder
        Searched with the folders under it; what is no photograph gets a row with the reason.
    out
        The table, CSV; see :func:`~hierattn.deploy.archive.table.columns`.
    model
        A bundle's path or released name.
    jobs
        Processes, each with one thread.
    rule, language
        See :meth:`hierattn.deploy.predict.predictor.Predictor.__call__`.
    reports
        Where a DICOM-SR goes for each DICOM file that was answered; None for none.
    advance
        Called after every row.

    Returns
    -------
    How many rows there are of each advice, and ``refused``; those of this call.

    Raises
    ------
    BundleError, TableError, UsageError
        Before anything is judged, where it can be known then.
    """
    if jobs < 1:
        raise UsageError(f"{jobs} jobs: wanted 1 or more")
    bundle = find_bundle(model)
    codes = Predictor.load(bundle, threads=1).bundle.classes
    digest = digest_of(bundle.read_bytes())
    excluded = [out, out.with_name(out.name + ".part"), out.with_name(out.name + ".part.new")]

    def files() -> Iterator[str]:
        return (one for one in find_files(folder, excluded) if not _inside(folder / one, reports))

    total = sum(1 for _ in files())
    question = ArchiveQuestion(folder, bundle, digest, rule, language, reports)
    counts: Counter[str] = Counter()
    with ArchiveTable(out, codes, {"rule": rule, "bundle": digest}) as table:
        done = len(table.done)
        for row in _rows((one for one in files() if one not in table.done), question, jobs):
            table.add(row)
            counts[row.get("advice") or REFUSED] += 1
            done += 1
            advance(done, max(done, total))
        table.finish()
    return counts


def _inside(file: Path, folder: Path | None) -> bool:
    """Whether the file lies in the folder of the reports, which may lie in the archive."""
    return folder is not None and file.absolute().is_relative_to(folder.absolute())


def _rows(files: Iterator[str], question: ArchiveQuestion, jobs: int) -> Iterator[Row]:
    """The rows in the files' order."""
    left = files
    while True:
        unanswered: list[str] = []
        with _pool(question, jobs) as pool:
            yield from _until_broken(pool, left, AHEAD * jobs, unanswered)
        if not unanswered:
            return
        for file in unanswered:  # one of them brought a process down: each by itself, to know which
            yield _alone(file, question)


def _until_broken(pool: ProcessPoolExecutor, files: Iterator[str], ahead: int, unanswered: list[str]) -> Iterator[Row]:
    """Rows, until the files end or a process is lost; then ``unanswered`` holds the files that were on their way."""
    going: deque[tuple[str, Future[Row]]] = deque()
    try:
        for file in files:
            unanswered.append(file)
            going.append((file, pool.submit(judge_file, file)))
            if len(going) >= ahead:
                yield _first(going, unanswered)
        while going:
            yield _first(going, unanswered)
    except BrokenProcessPool:
        return


def _first(going: deque[tuple[str, Future[Row]]], unanswered: list[str]) -> Row:
    row = going[0][1].result()
    going.popleft()
    unanswered.pop(0)
    return row


def _alone(file: str, question: ArchiveQuestion) -> Row:
    with _pool(question, 1) as pool:
        try:
            pool.submit(get_ready).result()
        except BrokenProcessPool:
            raise HierAttnError(
                "no process can load the bundle: there may be too little memory; try fewer --jobs"
            ) from None
        try:
            return pool.submit(judge_file, file).result()
        except BrokenProcessPool:
            reason = "the process that read the file died: the file is damaged, or there was too little memory"
            return {"file": file, "status": REFUSED, "rule": question.rule, "bundle": question.digest, "reason": reason}


@contextmanager
def _pool(question: ArchiveQuestion, jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that were spawned, not forked: ONNX Runtime's threads do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin, initargs=(question,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
