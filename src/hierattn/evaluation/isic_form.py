"""The ISIC challenges' own form of answers, as their websites take it: one confidence a class, and nothing beside.

==== ============================================ =======================================================
year task                                         columns
==== ============================================ =======================================================
2019 tasks 1 and 2                                image, MEL, NV, BCC, AK, BKL, DF, VASC, SCC, UNK
2018 task 3 (lesion diagnosis)                    image, MEL, NV, BCC, AKIEC, BKL, DF, VASC
==== ============================================ =======================================================

``image`` is the image's id, its file's name without ending. Confidences lie in 0 to 1 and need not sum to 1; from 0.5
on one counts as a yes. A class of the form that the model does not know gets 0, ``UNK`` always does: no model here has
a class for none of the others. A class that the form has no column for (SCC in 2018) is refused.

References
----------
https://challenge.isic-archive.com/landing/2019/, https://challenge.isic-archive.com/landing/2018/47
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hierattn.data.prepared_set.record_table import opened_csv
from hierattn.errors import TableError, UsageError
from hierattn.evaluation.predictions import MAX_BYTES, Predictions
from hierattn.files import write_table
from hierattn.taxonomy.built_in import codes_of

UNKNOWN = "UNK"
FORMS: Mapping[str, tuple[str, ...]] = {
    "2019": ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", UNKNOWN),
    "2018": ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
}
"""Year -> the columns after ``image``, in order."""
OURS = {**codes_of("isic"), **{code.upper(): ours for code, ours in codes_of("ham").items()}}
"""A form's column -> our code."""
_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class IsicAnswers:
    """Answers in the form of one year.

    Attributes
    ----------
    year
        A key of :data:`FORMS`.
    images
        Ids, each once.
    confidences
        float64, (N, C), in the order of the form's columns.
    """

    year: str
    images: tuple[str, ...]
    confidences: np.ndarray


def check_isic_form(year: str, classes: Sequence[str], images: Iterable[str]) -> None:
    """Refuse what the form cannot hold; to be called before any work.

    Parameters
    ----------
    year
        A key of :data:`FORMS`.
    classes
        Our codes of the model's classes.
    images
        Their paths, as in the manifest.

    Raises
    ------
    UsageError
        For another year, a class without a column, or two images with one id.
    """
    if year not in FORMS:
        raise UsageError(f"ISIC form {year!r}: wanted one of {', '.join(FORMS)}")
    known = {OURS.get(column) for column in FORMS[year]}
    if missing := [code for code in classes if code not in known]:
        others = [other for other in FORMS if other != year and set(classes) <= {OURS.get(c) for c in FORMS[other]}]
        raise UsageError(
            f"the form of ISIC {year} has no column for {', '.join(missing)}, which this model answers: "
            + (f"take --isic-form {others[0]}" if others else f"wanted a model of {', '.join(FORMS[year])} alone")
        )
    paths: dict[str, str] = {}
    for image in images:
        other = paths.setdefault(isic_id(image), image)
        if other != image:
            raise UsageError(
                f"{other} and {image} have one id, {isic_id(image)}: the ISIC form goes by ids; name the files apart"
            )


def isic_id(image: str) -> str:
    """The id of an image: its file's name without ending.

    >>> isic_id("../photos/ISIC_0024306.jpg")
    'ISIC_0024306'
    """
    return PurePosixPath(image).stem


def write_isic_form(path: Path, predictions: Predictions, year: str) -> None:
    """Write predictions in the form of ``year``, and read them again as a check.

    Raises
    ------
    UsageError
        As :func:`check_isic_form` does.
    """
    check_isic_form(year, predictions.classes, predictions.images)
    places = {code: place for place, code in enumerate(predictions.classes)}
    columns = [places.get(OURS.get(column, "")) for column in FORMS[year]]
    rows = (
        (isic_id(image), *("0.0" if place is None else repr(float(given[place])) for place in columns))
        for image, given in zip(predictions.images, predictions.probabilities, strict=True)
    )
    write_table(path, ("image", *FORMS[year]), rows)
    read_isic_form(path)


def read_isic_form(path: Path) -> IsicAnswers:
    """Read and check answers in the form of either year.

    Raises
    ------
    TableError
        Where the file is missing or too large, the columns are none of :data:`FORMS`, an id has an ending or a folder
        or stands twice, or a value is no confidence. Names the line.
    """
    if not path.is_file():
        raise TableError(f"no answers at {path}: wanted a table from 'hierattn evaluate RUN --isic-form YEAR'")
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted a row an image")
    images: dict[str, int] = {}
    confidences = []
    with opened_csv(path) as file:
        reader = csv.reader(file)
        year = _year(next(reader, []), path)
        for line in reader:
            where = f"{path}:{reader.line_num}"
            confidences.append(_confidences(line, len(FORMS[year]), where))
            if not line[0] or "/" in line[0] or "\\" in line[0] or line[0].lower().endswith(_ENDINGS):
                raise TableError(f"{where}: image {line[0]!r} is no id: wanted the file's name without ending")
            if line[0] in images:
                raise TableError(f"{where}: image {line[0]!r} stands in line {images[line[0]]} too; wanted it once")
            images[line[0]] = reader.line_num
    return IsicAnswers(year, tuple(images), np.array(confidences, np.float64).reshape(len(images), len(FORMS[year])))


def _year(header: Sequence[str], path: Path) -> str:
    for year, columns in FORMS.items():
        if tuple(header) == ("image", *columns):
            return year
    wanted = " or ".join(f"image,{','.join(columns)} ({year})" for year, columns in FORMS.items())
    raise TableError(f"{path} has the columns {','.join(header) or '(none)'}: wanted {wanted}")


def _confidences(line: Sequence[str], count: int, where: str) -> list[float]:
    if len(line) != count + 1:
        raise TableError(f"{where}: {len(line)} values, wanted {count + 1}; the row is cut or joined")
    try:
        values = [float(text) for text in line[1:]]
    except ValueError as error:
        raise TableError(f"{where}: {error}; wanted confidences") from None
    if not all(0 <= value <= 1 for value in values):  # nan fails too
        raise TableError(f"{where}: a confidence outside 0 to 1")
    return values
