"""What one process does with one file of an archive: read, predict, perhaps write a DICOM report, give back a row."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path

from hierattn.deploy.archive.table import ANSWERED, REFUSED
from hierattn.deploy.predict.photo_file import decode_photo_file, digest_of
from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.errors import BundleError, ImageError, MissingPackageError
from hierattn.preprocessing.photograph import read_image_bytes


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
    """

    folder: Path
    bundle: Path
    digest: str
    rule: str = "risk"
    language: str = "en"
    reports: Path | None = None


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


def predict_file(file: str) -> dict[str, str]:
    """The row of one file; a file that cannot be used gets a row with the reason.

    Raises
    ------
    BundleError
        Where the bundle cannot be loaded, was changed, or fails.
    """
    assert _question is not None, "begin() comes first"
    row = {"file": file, "status": REFUSED, "rule": _question.rule, "bundle": _question.digest}
    predictor = _load(_question)
    try:
        content = read_image_bytes(_question.folder / file, name="the file")
        row["sha256"] = digest_of(content)
        photo = decode_photo_file(content, "the file")
        diagnosis = predictor(photo.pixels, rule=_question.rule, language=_question.language)
        if _question.reports is not None and photo.header is not None:
            from hierattn.deploy.archive.dicom_report import write_report

            bundle, digest = predictor.bundle, _question.digest
            report = write_report(_question.reports, photo.header, diagnosis, bundle, digest, name="the file")
            row["report"] = report.name
    except (ImageError, MissingPackageError) as error:
        return row | {"reason": " ".join(str(error).split())}
    except MemoryError:
        return row | {"reason": "the file does not fit in memory: make it smaller"}
    return row | {"status": ANSWERED} | values_of(diagnosis)


def values_of(diagnosis: Diagnosis) -> dict[str, str]:
    """The table's values for an answer; an unfit photograph has no label, probabilities or risk, which mean nothing."""
    quality = diagnosis.quality
    values = {
        "advice": "" if diagnosis.advice is None else diagnosis.advice.level,
        "quality": " ".join(quality.problems) or "ok",
    }
    if "novelty" in quality.values:
        values["novelty"] = f"{quality.values['novelty']:.4f}"
    if diagnosis.unfit:
        return values
    probabilities = {f"p_{code}": f"{value:.6f}" for code, value in diagnosis.probabilities.items()}
    risk = "" if diagnosis.risk is None else f"{diagnosis.risk:.6f}"
    return values | probabilities | {"label": diagnosis.label, "risk": risk}


def _load(question: ArchiveQuestion) -> Predictor:
    global _predictor
    if _predictor is None:
        if digest_of(question.bundle.read_bytes()) != question.digest:
            raise BundleError(f"{question.bundle} was changed while the archive was being read: start again")
        _predictor = Predictor.load(question.bundle, threads=1)
    return _predictor
