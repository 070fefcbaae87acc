"""Answer for a whole archive of photographs with several processes, into one table that can be resumed.

Memory stays bounded however many files there are: a few are in progress at a time, and rows leave in the files' order,
so that the table is the same whatever the number of processes. A file that crashes its process, as hostile files have
done to decoders before, gets a row that says so.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hierattn.deploy.archive.answers import read_batch_answers
from hierattn.deploy.archive.files import find_files
from hierattn.deploy.archive.table import NO_ADVICE, REFUSED, ArchiveTable, written_name
from hierattn.deploy.archive.worker import ArchiveQuestion, FromHeader, begin, get_ready, predict_file
from hierattn.deploy.predict.dicom_photo import check_header_is_asked
from hierattn.deploy.predict.photo_file import digest_of
from hierattn.deploy.predict.predictor import RUNTIMES, Predictor, find_bundle
from hierattn.errors import HierAttnError, UsageError
from hierattn.files import part_of
from hierattn.processes import undisturbed
from hierattn.progress import Progress, silent

AHEAD = 4
"""Files in progress for each process: enough that none waits, few enough that memory stays small."""

STEP = "Predicting"
"""What the progress is called."""

Row = dict[str, str]
Told = tuple[str, Mapping[str, str]]
"""A file, and its answers."""


@dataclass(frozen=True)
class ArchiveOptions:
    """How an archive is answered for.

    Attributes
    ----------
    jobs
        Processes, each with one thread.
    rule, language
        See :meth:`hierattn.deploy.predict.predictor.Predictor.__call__`.
    reports
        Where a DICOM-SR goes for each DICOM file that was answered; None for none.
    answers
        A table of answers, a row a photograph (:mod:`hierattn.deploy.archive.answers`); None for none.
    answers_from_header
        Whether age and sex may be taken from DICOM headers, where the table does not have them.
    runtime
        One of :data:`~hierattn.deploy.predict.predictor.RUNTIMES`.
    """

    jobs: int = 1
    rule: str = "risk"
    language: str = "en"
    reports: Path | None = None
    answers: Path | None = None
    answers_from_header: bool = False
    runtime: str = RUNTIMES[0]


DEFAULTS = ArchiveOptions()


def predict_archive(
    folder: Path,
    out: Path,
    model: str | Path,
    options: ArchiveOptions = DEFAULTS,
    *,
    progress: Progress | None = None,
) -> Counter[str]:
    """Write a row for every file of ``folder`` to the table ``out``.

    Files that have a row already, in ``out`` or in the unfinished ``out.part``, are not read again.

    Parameters
    ----------
    folder
        Searched with the folders under it; what is no photograph gets a row with the reason.
    out
        The table, CSV; see :func:`~hierattn.deploy.archive.table.columns`.
    model
        A bundle's path or released name.
    options
        Processes, advice and reports.
    progress
        Told after every row how many files have one, and how many files there are.

    Returns
    -------
    How many rows this call wrote of each advice, of ``no_advice`` (where nothing is said of which classes need a
    doctor) and of ``refused``.

    Raises
    ------
    BundleError, TableError, UsageError
        Before any file is read, where it can be known then: also where there is none; where another process writes the
        same table.
    """
    if options.jobs < 1:
        raise UsageError(f"{options.jobs} jobs: wanted 1 or more")
    bundle = find_bundle(model)
    described = Predictor.load(bundle, threads=1, runtime=options.runtime).bundle
    if options.answers_from_header:
        check_header_is_asked(described.questions)
    digest = digest_of(bundle.read_bytes())
    report = progress or silent

    own = [] if options.answers is None else [options.answers, options.answers.resolve()]

    def files() -> Iterator[str]:
        found = find_files(folder, [*_written(out), *_written(out.resolve()), *own])
        return (file for file in found if not _inside(folder / file, options.reports))

    total = sum(1 for _ in files())
    if not total:
        raise UsageError(f"no file in {folder}: wanted a folder with photographs; check the path")
    answers: Mapping[str, Mapping[str, str]] = {}
    if options.answers is not None:
        answers = read_batch_answers(options.answers, described.questions, map(written_name, files()))
    from_header: FromHeader = ("yes" if options.answers_from_header else "no") if described.questions else ""
    question = ArchiveQuestion(
        folder, bundle, digest, options.rule, options.language, options.reports, from_header, options.runtime
    )
    counts: Counter[str] = Counter()
    with ArchiveTable(out, described.classes, question.same, answers if described.questions else None) as table:
        done = len(table.done)
        names = ((file, written_name(file)) for file in files())
        waiting = ((file, answers.get(name, {})) for file, name in names if name not in table.done)
        for row in _rows(waiting, question, options.jobs):
            table.add(row | {"file": written_name(row["file"])})
            counts[row.get("advice") or (REFUSED if row["status"] == REFUSED else NO_ADVICE)] += 1
            done += 1
            report(STEP, done, max(done, total))
        table.finish()
    return counts


def _written(table: Path) -> list[Path]:
    """The files of a table and of what it is made in."""
    return [table, part_of(table)]


def _inside(file: Path, folder: Path | None) -> bool:
    """Whether the file lies in the folder of the reports, which may lie in the archive."""
    return folder is not None and file.absolute().is_relative_to(folder.absolute())


def _rows(files: Iterator[Told], question: ArchiveQuestion, jobs: int) -> Iterator[Row]:
    """The rows in the files' order."""
    while True:
        unanswered: list[Told] = []
        with _pool(question, jobs) as pool:
            yield from _until_broken(pool, files, AHEAD * jobs, unanswered)
        if not unanswered:
            return
        for file in unanswered:  # one of them crashed a process: each by itself, to know which
            yield _alone(file, question)


def _until_broken(
    pool: ProcessPoolExecutor, files: Iterator[Told], ahead: int, unanswered: list[Told]
) -> Iterator[Row]:
    """Rows, until the files end or a process is lost; then ``unanswered`` holds the files that were in progress."""
    waiting: deque[Future[Row]] = deque()
    try:
        for file in files:
            unanswered.append(file)
            with undisturbed():  # the pool starts its processes when it is given work
                waiting.append(pool.submit(predict_file, *file))
            if len(waiting) >= ahead:
                yield _first(waiting, unanswered)
        while waiting:
            yield _first(waiting, unanswered)
    except BrokenProcessPool:
        return


def _first(waiting: deque[Future[Row]], unanswered: list[Told]) -> Row:
    row = waiting[0].result()
    waiting.popleft()
    unanswered.pop(0)
    return row


def _alone(file: Told, question: ArchiveQuestion) -> Row:
    with _pool(question, 1) as pool:
        try:
            with undisturbed():
                ready = pool.submit(get_ready)
            ready.result()
        except BrokenProcessPool:
            raise HierAttnError(
                "no process can load the bundle: there may be too little memory; try fewer --jobs"
            ) from None
        try:
            return pool.submit(predict_file, *file).result()
        except BrokenProcessPool:
            reason = "the process that read the file died: the file is damaged, or there was too little memory"
            return {"file": file[0], "status": REFUSED, **question.same, "reason": reason}


@contextmanager
def _pool(question: ArchiveQuestion, jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that were spawned, not forked: ONNX Runtime's threads do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin, initargs=(question,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
