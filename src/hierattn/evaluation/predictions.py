"""``predictions.csv``: predicted probabilities of each image, and the truth beside them.

Columns: ``image``, one probability column a class under its code, then ``label,fold,group``, and ``source`` where the
images are of several. The probabilities are the
network's own, before calibration. Floats are written so that reading gives the same bits, and every figure of a
report can be computed again from this file. The form that the ISIC challenges take is another: ``isic_form.py``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.record_table import opened_csv
from hierattn.errors import TableError, UsageError
from hierattn.evaluation.measures.intervals import group_numbers
from hierattn.files import write_table
from hierattn.taxonomy.records import Taxonomy

AFTER_CLASSES = ("label", "fold", "group")
SOURCE = "source"
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
    sources
        Of each image, where they are of several; else empty.
    """

    images: tuple[str, ...]
    taxonomy: Taxonomy
    probabilities: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    groups: tuple[str, ...]
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.images)
        if self.sources and len(self.sources) != rows:
            raise UsageError(f"predictions of {rows} images with {len(self.sources)} sources: wanted one an image")
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
        sources=tuple(predictions.sources[row] for row in rows) if predictions.sources else (),
    )


def joined(tables: Sequence[Predictions]) -> Predictions:
    """Tables of the same classes one after the other."""
    first = tables[0]
    return Predictions(
        tuple(image for table in tables for image in table.images),
        first.taxonomy,
        np.concatenate([table.probabilities for table in tables]),
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.folds for table in tables]),
        tuple(group for table in tables for group in table.groups),
        tuple(source for table in tables for source in table.sources) if all(table.sources for table in tables) else (),
    )


def columns_after_classes(predictions: Predictions) -> tuple[str, ...]:
    """The last columns of the table: with the source where the images are of several."""
    return (*AFTER_CLASSES, SOURCE) if predictions.sources else AFTER_CLASSES


def values_after_classes(predictions: Predictions, row: int) -> tuple[object, ...]:
    """What stands in :func:`columns_after_classes` of a row."""
    label = predictions.classes[predictions.labels[row]]
    source = (predictions.sources[row],) if predictions.sources else ()
    return (label, int(predictions.folds[row]), predictions.groups[row], *source)


def classes_between(header: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """The classes of a table whose header is ``before``, classes, and the last columns.

    Raises
    ------
    ValueError
        Where it is not.
    """
    last = 4 if header and header[-1] == SOURCE else 3
    after = (*AFTER_CLASSES, SOURCE)[:last]
    if len(header) <= len(before) + last or (*header[: len(before)], *header[-last:]) != (*before, *after):
        raise ValueError(f"the columns {', '.join(header) or '(none)'}")
    return tuple(header[len(before) : -last])


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions.csv``."""
    rows = (
        (
            image,
            *(repr(float(value)) for value in predictions.probabilities[row]),
            *values_after_classes(predictions, row),
        )
        for row, image in enumerate(predictions.images)
    )
    write_table(path, ("image", *predictions.classes, *columns_after_classes(predictions)), rows)


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
    with opened_csv(path, "evaluate again") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        classes = _classes(header, path, taxonomy)
        rows = [_row(line, classes, len(header), f"{path}:{reader.line_num}") for line in reader]
    return _assembled(rows, taxonomy.subset(classes), path)


_Row = tuple[str, list[float], int, int, str, str]


def _classes(header: Sequence[str], path: Path, taxonomy: Taxonomy) -> tuple[str, ...]:
    wanted = f"image, one column a class ({', '.join(taxonomy.codes[:20])}), {', '.join(AFTER_CLASSES)}"
    try:
        classes = classes_between(header, ("image",))
    except ValueError as error:
        raise TableError(f"{path} has {error}: wanted {wanted}") from None
    unknown = [code for code in classes if code not in taxonomy.by_code]
    if unknown or len(set(classes)) != len(classes):
        raise TableError(f"{path} has unknown or repeated classes among {', '.join(classes)}: wanted {wanted}")
    return classes


def _row(line: Sequence[str], classes: tuple[str, ...], columns: int, where: str) -> _Row:
    if len(line) != columns:
        raise TableError(f"{where}: {len(line)} values, wanted {columns}; the row is cut or joined")
    try:
        probabilities = [float(text) for text in line[1 : len(classes) + 1]]
        label, number, group, source = (*line[len(classes) + 1 :], "")[:4]
        fold = int(number)
    except ValueError as error:
        raise TableError(f"{where}: {error}; wanted probabilities and a whole fold number") from None
    if not all(0 <= value <= 1 for value in probabilities):  # nan fails too
        raise TableError(f"{where}: a probability outside 0 to 1; wanted the softmax, not logits")
    if abs(sum(probabilities) - 1) > _SUM_TOLERANCE:
        raise TableError(f"{where}: probabilities sum to {sum(probabilities):.6g}, wanted 1")
    if label not in classes:
        raise TableError(f"{where}: label {label!r} is none of {', '.join(classes)}")
    return line[0], probabilities, classes.index(label), fold, group, source


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
        sources=tuple(row[5] for row in rows) if any(row[5] for row in rows) else (),
    )
