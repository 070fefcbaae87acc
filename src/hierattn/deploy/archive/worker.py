"""What one process does with one file of an archive: read, predict, perhaps write a DICOM report, give back a row."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Literal

from hierattn.deploy.archive.answers import written_answers
from hierattn.deploy.archive.table import ANSWERED, ANSWERS, FROM_HEADER, HEADER_ANSWERS, PHOTO, REFUSED
from hierattn.deploy.predict.dicom_photo import header_answers
from hierattn.deploy.predict.photo_file import decode_photo_file, digest_of
from hierattn.deploy.predict.predictor import RUNTIMES, Diagnosis, PhotoAlone, Predictor
from hierattn.errors import BundleError, ImageError, MissingPackageError
from hierattn.preprocessing.photograph import read_image_bytes

FromHeader = Literal["", "yes", "no"]


@dataclass(frozen=True)
class ArchiveQuestion:
    """What is asked of every file.

    Attributes
    ----------
    folder
        The archive.
    bundle, digest
        The bundle's path, and the SHA-256 that it must have.
    rule, language
        Of the advice; the language shows in DICOM reports alone.
    reports
        Where the DICOM reports go; None for none.
    from_header
        Whether DICOM headers may answer questions; empty where the bundle asks nothing.
    runtime
        One of :data:`~hierattn.deploy.predict.predictor.RUNTIMES`.
    """

    folder: Path
    bundle: Path
    digest: str
    rule: str = "risk"
    language: str = "en"
    reports: Path | None = None
    from_header: FromHeader = ""
    runtime: str = RUNTIMES[0]

    @property
    def same(self) -> dict[str, str]:
        """What every row of the table says."""
        told = {FROM_HEADER: self.from_header} if self.from_header else {}
        return {"rule": self.rule, "bundle": self.digest, **told}


_question: ArchiveQuestion | None = None
_predictor: Predictor | None = None


def begin(question: ArchiveQuestion) -> None:
    """Begin a process. The bundle is loaded with the first file, so that its errors come back as errors."""
    global _question
    _question = question
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's processes would otherwise outlive a main process that was killed, and wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def get_ready() -> None:
    """Load the bundle; what a process does to show that it can work at all."""
    assert _question is not None, "begin() comes first"
    _load(_question)


def predict_file(file: str, told: Mapping[str, str]) -> dict[str, str]:
    """The row of one file; a file that cannot be used gets a row with the reason.

    Parameters
    ----------
    file
        Its path below the archive's folder.
    told
        Its answers in the table of answers, which go before those of a header.

    Raises
    ------
    BundleError
        Where the bundle cannot be loaded, was changed, or fails.
    """
    assert _question is not None, "begin() comes first"
    row = {"file": file, "status": REFUSED, **_question.same}
    predictor = _load(_question)
    try:
        content = read_image_bytes(_question.folder / file, name="the file")
        row["sha256"] = digest_of(content)
        photo = decode_photo_file(content, "the file")
        answers = dict(told)
        if _question.from_header == "yes" and photo.header is not None:
            answers = {**header_answers(photo.header, predictor.bundle.questions), **told}
        diagnosis = predictor(photo.pixels, rule=_question.rule, language=_question.language, answers=answers)
        if _question.reports is not None and photo.header is not None:
            from hierattn.deploy.archive.dicom_report import write_report

            bundle, digest = predictor.bundle, _question.digest
            report = write_report(_question.reports, photo.header, diagnosis, bundle, digest, name="the file")
            row["report"] = report.name
    except (ImageError, MissingPackageError) as error:
        return row | {"reason": " ".join(str(error).split())}
    except MemoryError:
        return row | {"reason": "the file does not fit in memory: make it smaller"}
    return row | {"status": ANSWERED} | values_of(diagnosis, told)


def values_of(diagnosis: Diagnosis, told: Mapping[str, str] | None = None) -> dict[str, str]:
    """The table's values for an answer; an unfit photograph has no label, probabilities or risk, which mean nothing.

    ``told`` are the answers of the table of answers; others that were used came from the header.
    """
    quality, alone = diagnosis.quality, diagnosis.photo_alone
    values = {"quality": " ".join(quality.problems) or "ok"} | _advice(diagnosis)
    if diagnosis.answers:
        of_table = {name: value for name, value in diagnosis.answers.items() if name in (told or {})}
        of_header = {name: value for name, value in diagnosis.answers.items() if name not in of_table}
        values |= {ANSWERS: written_answers(of_table), HEADER_ANSWERS: written_answers(of_header)}
    if "novelty" in quality.values:
        values["novelty"] = f"{quality.values['novelty']:.4f}"
    if diagnosis.unfit:
        return values
    if alone is not None:
        values |= {f"{PHOTO}{name}": value for name, value in (_advice(alone) | _numbers(alone)).items()}
    return values | _numbers(diagnosis)


def _advice(answer: Diagnosis | PhotoAlone) -> dict[str, str]:
    return {"advice": "" if answer.advice is None else answer.advice.level}


def _numbers(answer: Diagnosis | PhotoAlone) -> dict[str, str]:
    probabilities = {f"p_{code}": f"{value:.6f}" for code, value in answer.probabilities.items()}
    risk = "" if answer.risk is None else f"{answer.risk:.6f}"
    label = max(answer.probabilities, key=answer.probabilities.__getitem__)
    return {"label": label, **probabilities, "risk": risk}


def _load(question: ArchiveQuestion) -> Predictor:
    global _predictor
    if _predictor is None:
        if digest_of(question.bundle.read_bytes()) != question.digest:
            raise BundleError(f"{question.bundle} was changed while the archive was being read: start again")
        _predictor = Predictor.load(question.bundle, threads=1, runtime=question.runtime)
    return _predictor
