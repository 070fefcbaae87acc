"""``predictions.csv``: predicted probabilities of each image, and the truth beside them.

Columns: ``image``, one probability column a class under its code, then ``label,fold,group``. The probabilities are the
network's own, before calibration. Floats are written so that reading gives the same bits, and every figure of a
report can be computed again from this file. The form that the ISIC challenges take is another: ``isic_form.py``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.errors import TableError, UsageError
from hierattn.evaluation.measures.intervals import group_numbers
from hierattn.files import write_table
from hierattn.taxonomy.records import Taxonomy

AFTER_CLASSES = ("label", "fold", "group")
MAX_BYTES = 1 << 30
_SUM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Predictions:
    """Predictions and truth for N images and C classes.

    Attributes
    ----------
    images
        Names as in the manifest, each once.
    taxonomy
        The classes in the order of the columns.
    probabilities
        float64, (N, C); rows sum to 1.
    labels
        Index of the true class, int64, (N,).
    folds
        int64, (N,).
    groups
        Lesion, patient or near-duplicates that belong together; empty where the image stands alone.
    """

    images: tuple[str, ...]
    taxonomy: Taxonomy
    probabilities: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = len(self.images)
        shapes = (self.labels.shape, self.folds.shape, (len(self.groups),), self.probabilities.shape)
        if shapes != ((rows,), (rows,), (rows,), (rows, len(self.classes))):
            raise UsageError(f"predictions of shapes {shapes}: wanted {rows} rows and {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of the classes in the order of the columns."""
        return self.taxonomy.codes

    @property
    def group_numbers(self) -> np.ndarray:
        """Groups as numbers from 0, int64 (N,)."""
        return group_numbers(self.groups, self.images)

    @property
    def predicted(self) -> np.ndarray:
        """Index of the predicted class, (N,): the first of the largest probabilities."""
        return self.probabilities.argmax(axis=1) if len(self) else np.zeros(0, np.int64)


def rows_of(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """Some of the rows, by number, in the order given."""
    return Predictions(
        images=tuple(predictions.images[row] for row in rows),
        taxonomy=predictions.taxonomy,
        probabilities=predictions.probabilities[rows],
        labels=predictions.labels[rows],
        folds=predictions.folds[rows],
        groups=tuple(predictions.groups[row] for row in rows),
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions.csv``."""
    rows = (
        (
            image,
            *(repr(float(value)) for value in predictions.probabilities[row]),
            predictions.classes[predictions.labels[row]],
            int(predictions.folds[row]),
            predictions.groups[row],
        )
        for row, image in enumerate(predictions.images)
    )
    write_table(path, ("image", *predictions.classes, *AFTER_CLASSES), rows)


def read_predictions(path: Path, taxonomy: Taxonomy) -> Predictions:
    """Read and check a table of predictions of classes of that taxonomy, or some of them.

    Raises
    ------
    TableError
        Where the file is missing or too large, a column is missing or unknown, an image stands twice, a value is not
        a probability, a row does not sum to 1, or a label is none of the classes. Names the line.
    """
    if not path.is_file():
        raise TableError(f"no predictions at {path}: wanted a table from 'hierattn evaluate'; run that first")
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted a row an image; evaluate again")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            classes = _classes(next(reader, []), path, taxonomy)
            rows = [_row(line, classes, f"{path}:{reader.line_num}") for line in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is not a CSV table in UTF-8 ({error}); evaluate again") from None
    return _assembled(rows, taxonomy.subset(classes), path)


_Row = tuple[str, list[float], int, int, str]


def _classes(header: Sequence[str], path: Path, taxonomy: Taxonomy) -> tuple[str, ...]:
    wanted = f"image, one column a class ({', '.join(taxonomy.codes[:20])}), {', '.join(AFTER_CLASSES)}"
    if len(header) < 5 or header[0] != "image" or tuple(header[-3:]) != AFTER_CLASSES:
        raise TableError(f"{path} has the columns {', '.join(header) or '(none)'}: wanted {wanted}")
    classes = tuple(header[1:-3])
    unknown = [code for code in classes if code not in taxonomy.by_code]
    if unknown or len(set(classes)) != len(classes):
        raise TableError(f"{path} has unknown or repeated classes among {', '.join(classes)}: wanted {wanted}")
    return classes


def _row(line: Sequence[str], classes: tuple[str, ...], where: str) -> _Row:
    if len(line) != len(classes) + 4:
        raise TableError(f"{where}: {len(line)} values, wanted {len(classes) + 4}; the row is cut or joined")
    try:
        probabilities = [float(text) for text in line[1:-3]]
        fold = int(line[-2])
    except ValueError as error:
        raise TableError(f"{where}: {error}; wanted probabilities and a whole fold number") from None
    if not all(0 <= value <= 1 for value in probabilities):  # nan fails too
        raise TableError(f"{where}: a probability outside 0 to 1; wanted the softmax, not logits")
    if abs(sum(probabilities) - 1) > _SUM_TOLERANCE:
        raise TableError(f"{where}: probabilities sum to {sum(probabilities):.6g}, wanted 1")
    if line[-3] not in classes:
        raise TableError(f"{where}: label {line[-3]!r} is none of {', '.join(classes)}")
    return line[0], probabilities, classes.index(line[-3]), fold, line[-1]


def _assembled(rows: Sequence[_Row], taxonomy: Taxonomy, path: Path) -> Predictions:
    images = tuple(row[0] for row in rows)
    if len(set(images)) != len(images):
        seen: set[str] = set()
        twice = next(image for image in images if image in seen or seen.add(image))  # type: ignore[func-returns-value]
        raise TableError(f"{path}: image {twice!r} stands twice; wanted a row an image")
    return Predictions(
        images=images,
        taxonomy=taxonomy,
        probabilities=np.array([row[1] for row in rows], np.float64).reshape(len(rows), len(taxonomy.codes)),
        labels=np.array([row[2] for row in rows], np.int64),
        folds=np.array([row[3] for row in rows], np.int64),
        groups=tuple(row[4] for row in rows),
    )
