"""The work between a request and its answer: a few threads that take waiting photographs together, as many as fit.

The graph answers several photographs of one size for less than one at a time (docs/service.md has the figures), and
after the resize all are of one size. Nobody waits for a batch to fill: a free thread takes what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hierattn.deploy.predict.predictor import Diagnosis, Predictor, PreparedPhoto
from hierattn.errors import HierAttnError
from hierattn.preprocessing.photograph import read_photograph


@dataclass(frozen=True)
class Question:
    """Which bundle answers a photograph, and how; see :class:`~hierattn.deploy.predict.predictor.Predictor`."""

    model: str
    heatmap: bool = False
    rule: str = "risk"
    language: str = "en"
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(eq=False)
class Job:
    """One photograph on its way. ``deadline`` is by ``time.monotonic``: nobody waits for the answer after it."""

    content: bytes
    question: Question
    name: str
    deadline: float
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Diagnosis] = field(init=False)

    def __post_init__(self) -> None:
        self.answer = self.loop.create_future()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more."""
        return self.answer.done() or time.monotonic() > self.deadline

    def finish(self, result: Diagnosis | BaseException) -> None:
        """Hand over the result; called from a worker thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Diagnosis | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(result, BaseException):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class WorkerPool:
    """Threads that answer jobs in the order of their arrival.

    It does not bound its queue: the service admits no more requests than ``ServiceSettings.queue`` before it.

    Parameters
    ----------
    predictors
        By the bundles' names; shared by all threads.
    threads, batch, max_pixels
        See :class:`~hierattn.serve.settings.ServiceSettings`.
    observe
        Called with the number of photographs and the seconds of each batch.
    """

    def __init__(
        self,
        predictors: Mapping[str, Predictor],
        threads: int,
        batch: int,
        max_pixels: int,
        observe: Callable[[int, float], None] = lambda _images, _seconds: None,
    ) -> None:
        self._predictors, self._batch, self._max_pixels, self._observe = predictors, batch, max_pixels, observe
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"predict-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether every thread is at work and more is accepted."""
        return not self._closing and all(thread.is_alive() for thread in self._threads)

    async def answer(self, contents: Sequence[bytes], question: Question, seconds: float) -> list[Diagnosis]:
        """Answer the photographs of one request.

        Raises
        ------
        TimeoutError
            Where that takes longer than ``seconds``; what is still waiting is dropped.
        ImageError, BundleError
            The first that went wrong; it carries the photograph's number as ``photograph N``.
        """
        loop, deadline = asyncio.get_running_loop(), time.monotonic() + seconds
        jobs = [
            Job(content, question, f"photograph {number}", deadline, loop) for number, content in enumerate(contents)
        ]
        with self._changed:
            self._waiting.extend(jobs)
            self._changed.notify(len(jobs))
        try:
            async with asyncio.timeout(seconds):
                return list(await asyncio.gather(*(job.answer for job in jobs)))
        finally:
            with self._changed:
                for job in jobs:
                    if job.answer.cancel() and job in self._waiting:  # one that is answered is not cancelled
                        self._waiting.remove(job)

    def close(self) -> None:
        """Answer what is waiting, then end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while self._serve_next():
            pass

    def _serve_next(self) -> bool:
        """Answer what is waiting next; False at the end. Its photographs are gone before the thread waits again."""
        jobs = self._take()
        if not jobs:
            return False
        start = time.perf_counter()
        try:
            results = self._answer([job for job in jobs if not job.abandoned])
        except BaseException as error:  # a thread must outlive whatever a photograph does to it
            results = [(job, error) for job in jobs]
        self._observe(len(jobs), time.perf_counter() - start)
        for job, result in results:
            job.finish(result)
        return True

    def _take(self) -> list[Job]:
        """A fair share of what is waiting, of one question; empty at the end."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            share = -(-len(self._waiting) // len(self._threads))
            jobs: list[Job] = []
            while self._waiting and len(jobs) < min(self._batch, share):
                if jobs and self._waiting[0].question != jobs[0].question:
                    break
                jobs.append(self._waiting.popleft())
            return jobs

    def _answer(self, jobs: list[Job]) -> list[tuple[Job, Diagnosis | BaseException]]:
        """Each job with its diagnosis, or with the error that its photograph caused."""
        results: list[tuple[Job, Diagnosis | BaseException]] = []
        prepared: list[tuple[Job, PreparedPhoto]] = []
        if not jobs:
            return results
        question = jobs[0].question
        predictor = self._predictors[question.model]
        for job in jobs:
            try:
                photo = read_photograph(job.content, max_pixels=self._max_pixels, name=job.name)
                prepared.append((job, predictor.prepare(photo, dict(question.answers))))
            except HierAttnError as error:
                results.append((job, error))
        if prepared:
            diagnoses = predictor.diagnose(
                [photo for _, photo in prepared],
                heatmap=question.heatmap,
                rule=question.rule,
                language=question.language,
            )
            results += [(job, diagnosis) for (job, _), diagnosis in zip(prepared, diagnoses, strict=True)]
        return results
