"""Outside judges: exactly the file that each challenge takes, checked, and the score where its truth is public.

======== ========== ============================================== ========================= ======
name     id column  others                                         rows                      truth
======== ========== ============================================== ========================= ======
isic2018 image      the seven of task 3 (``isic_form.py``)         1,512 photographs         public
isic2019 image      its eight and UNK (``isic_form.py``)           8,238 photographs         public
isic2020 image_name target: the probability of melanoma            10,982 photographs        kept
isic2024 isic_id    target: the probability of a malignant lesion  what Kaggle runs it on    kept
milk10k  lesion_id  eleven probabilities                           479 lesions               kept
======== ========== ============================================== ========================= ======

Every value is a number from 0 to 1, every id stands once. A lesion of MILK10k is the folder of its photographs, whose
answers are averaged. Classes that a model does not know get 0.

References
----------
https://challenge.isic-archive.com/landing/milk10k, https://www.kaggle.com/c/siim-isic-melanoma-classification,
https://www.kaggle.com/c/isic-2024-challenge, and those of :mod:`~hierattn.evaluation.isic_form`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np

from hierattn import metrics
from hierattn.data.prepared_set.record_table import opened_csv
from hierattn.data.sets.readers.milk10k import CLASSES as MILK10K
from hierattn.errors import TableError, UsageError
from hierattn.evaluation.isic_form import FORMS, OURS, UNKNOWN
from hierattn.evaluation.predictions import MAX_BYTES
from hierattn.files import check_new, write_table
from hierattn.taxonomy.built_in import class_like
from hierattn.taxonomy.records import Taxonomy

TARGET = "target"
_MILK = {"AKIEC": ("ACK",), "SCCKA": ("SCC",)}
"""Columns of MILK10k that our eight call otherwise."""


@dataclass(frozen=True)
class Challenge:
    """What one takes.

    Attributes
    ----------
    name
        As it is asked for.
    id_column, columns
        The header.
    rows
        How many rows its test set has; 0 where nobody knows.
    id_form
        Of every id, a regular expression.
    public_truth
        Whether its test set's truth is public.
    """

    name: str
    id_column: str
    columns: tuple[str, ...]
    rows: int
    id_form: str
    public_truth: bool

    @property
    def by_lesion(self) -> bool:
        """Whether a row is a lesion, and not a photograph."""
        return self.id_column == "lesion_id"


_IMAGE = r"ISIC_\d{7}(_downsampled)?"
CHALLENGES: Mapping[str, Challenge] = MappingProxyType(
    {
        each.name: each
        for each in (
            Challenge("isic2018", "image", FORMS["2018"], 1512, _IMAGE, True),
            Challenge("isic2019", "image", FORMS["2019"], 8238, _IMAGE, True),
            Challenge("isic2020", "image_name", (TARGET,), 10982, _IMAGE, False),
            Challenge("isic2024", "isic_id", (TARGET,), 0, _IMAGE, False),
            Challenge("milk10k", "lesion_id", MILK10K.codes, 479, r"IL_\d{7}", False),
        )
    }
)
"""Name -> challenge."""


def find_challenge(name: str) -> Challenge:
    """A challenge by its name.

    Raises
    ------
    UsageError
        For another name.
    """
    if name not in CHALLENGES:
        raise UsageError(f"challenge {name!r}: wanted one of {', '.join(CHALLENGES)}")
    return CHALLENGES[name]


def sums_of(challenge: Challenge, taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Column -> the model's classes whose probabilities are added up in it; none where it knows no such class.

    In 2018 carcinomas in situ are AKIEC, which has SCC's probability, too, for that form has no other place for it.

    Raises
    ------
    UsageError
        Where the model has no class that answers the challenge's question, or one without a place in its form.
    """
    if challenge.columns == (TARGET,):
        melanoma = class_like(taxonomy, "MEL")
        asked = (melanoma,) if challenge.name == "isic2020" and melanoma else tuple(sorted(taxonomy.malignant))
        if not asked:
            raise UsageError(f"the model's classes do not say what is malignant: {challenge.name} asks for just that")
        return {TARGET: tuple(code for code in taxonomy.codes if code in asked)}
    known = set(taxonomy.codes)
    sums = {}
    for column in challenge.columns:
        ours: tuple[str, ...] = (OURS.get(column, column),)
        if challenge.by_lesion:
            ours = _MILK.get(column, (column,))
        if challenge.name == "isic2018" and column == "AKIEC":
            ours = ("ACK", "SCC")
        sums[column] = (column,) if column in known else tuple(code for code in ours if code in known)
    if lost := known - {code for codes in sums.values() for code in codes}:
        raise UsageError(
            f"the model answers {', '.join(sorted(lost))}, which {challenge.name} has no column for: wanted a model of "
            f"{', '.join(column for column in challenge.columns if column != UNKNOWN)}"
        )
    return sums


def ids_of(challenge: Challenge, files: Iterable[str]) -> list[str]:
    """The id of each photograph by its path: its file's name without ending, or its lesion's folder.

    Raises
    ------
    UsageError
        Where one is no id of the challenge, or two photographs have one where each is to be answered.
    """
    seen: dict[str, str] = {}
    ids = []
    for file in files:
        path = PurePosixPath(file)
        name = path.parent.name if challenge.by_lesion else path.stem
        if not re.fullmatch(challenge.id_form, name):
            what = (
                "in the folder of its lesion, such as IL_0000652/"
                if challenge.by_lesion
                else "such as ISIC_0034321.jpg"
            )
            raise UsageError(f"{file} has no id of {challenge.name}: wanted a photograph of its test set, {what}")
        if name in seen and not challenge.by_lesion:
            raise UsageError(f"{file} and {seen[name]} have one id, {name}: wanted each photograph once")
        seen.setdefault(name, file)
        ids.append(name)
    return ids


def write_submission(
    path: Path, challenge: Challenge, files: Sequence[str], probabilities: np.ndarray, taxonomy: Taxonomy
) -> int:
    """Write the file, and check it as :func:`read_submission` does: the number of its rows.

    Parameters
    ----------
    path
        The CSV file; its name must be new.
    challenge
        Which.
    files
        The photographs, as paths.
    probabilities
        The model's calibrated answers to them, (N, C).
    taxonomy
        Of the columns of ``probabilities``.

    Raises
    ------
    UsageError
        Where the path exists, or as :func:`sums_of` and :func:`ids_of` do.
    """
    check_new(path, "a submission")
    sums, ids = sums_of(challenge, taxonomy), ids_of(challenge, files)
    matrix = np.array([[float(code in sums[column]) for column in challenge.columns] for code in taxonomy.codes])
    answers = np.clip(np.asarray(probabilities, np.float64) @ matrix, 0.0, 1.0)
    names = list(dict.fromkeys(ids))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for name, answer in zip(ids, answers, strict=True):
        rows[name].append(answer)
    write_table(
        path,
        (challenge.id_column, *challenge.columns),
        ((name, *(repr(float(value)) for value in np.mean(rows[name], axis=0))) for name in names),
    )
    read_submission(path, challenge)
    return len(names)


def read_submission(path: Path, challenge: Challenge) -> dict[str, np.ndarray]:
    """Read a submission and check it against the challenge's rules: id -> values, in the order of the columns.

    Raises
    ------
    TableError
        For another header, an id of another form or standing twice, or a value that is no number from 0 to 1. Names
        the line.
    """
    found: dict[str, np.ndarray] = {}
    for where, line in _lines(path, (challenge.id_column, *challenge.columns), exact=True):
        name, values = line[0], _numbers(line[1:], where)
        if not re.fullmatch(challenge.id_form, name):
            raise TableError(f"{where}: {name[:40]!r} is no id of {challenge.name}")
        if name in found:
            raise TableError(f"{where}: {name} stands twice; wanted it once")
        if not ((values >= 0) & (values <= 1)).all():
            raise TableError(f"{where}: a value outside 0 to 1")
        found[name] = values
    return found


def score_submission(path: Path, truth: Path, challenge: Challenge) -> tuple[float, int]:
    """The challenge's own figure, balanced accuracy, on its public truth: (figure, rows that count).

    The truth is one-hot, as published; in 2019 rows with a ``score_weight`` of 0 do not count, and UNK is a class.

    Raises
    ------
    UsageError
        Where its truth is not public.
    TableError
        Where a table is damaged, or a row of the truth has no answer.
    """
    if not challenge.public_truth:
        raise UsageError(f"--truth with {challenge.name}: its test set's truth is not public; submit the file there")
    answers = read_submission(path, challenge)
    labels, given = [], []
    header: list[str] = []
    for where, line in _lines(truth, (challenge.id_column, *challenge.columns), exact=False, header=header):
        values = _numbers(line[1:], where)
        weight = values[header.index("score_weight") - 1] if "score_weight" in header else 1.0
        if not weight:
            continue
        one_hot = values[: len(challenge.columns)]
        if sorted(one_hot.tolist()) != [0.0] * (len(one_hot) - 1) + [1.0]:
            raise TableError(f"{where}: wanted one 1 among {', '.join(challenge.columns)}")
        if line[0] not in answers:
            raise TableError(f"{path} has no answer to {line[0]}, which {truth} asks for: wanted every row")
        labels.append(int(one_hot.argmax()))
        given.append(answers[line[0]])
    if not labels:
        raise TableError(f"{truth} has no row that counts: wanted the published truth of {challenge.name}")
    confidences = np.array(given)
    return metrics.balanced_accuracy(np.array(labels), confidences), len(labels)


def _lines(
    path: Path, columns: Sequence[str], *, exact: bool, header: list[str] | None = None
) -> Iterable[tuple[str, list[str]]]:
    """(place, values) of each row of a table with this header, or one that begins so; ``header`` is filled in."""
    if not path.is_file():
        raise TableError(f"no table at {path}: check the path")
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted a row a photograph")
    with opened_csv(path) as file:
        reader = csv.reader(file)
        first = next(reader, [])
        if (first if exact else first[: len(columns)]) != list(columns):
            raise TableError(f"{path} has the columns {','.join(first)[:200] or '(none)'}: wanted {','.join(columns)}")
        if header is not None:
            header.extend(first)
        for line in reader:
            where = f"{path}:{reader.line_num}"
            if len(line) != len(first):
                raise TableError(f"{where}: {len(line)} values, wanted {len(first)}; the row is cut or joined")
            yield where, line


def _numbers(texts: Sequence[str], where: str) -> np.ndarray:
    try:
        return np.array([float(text) for text in texts], np.float64)
    except ValueError as error:
        raise TableError(f"{where}: {error}; wanted numbers") from None
