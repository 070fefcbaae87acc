"""``predictions.csv.gz``: the predictions published in one folder, several tables in one compressed file.

The columns are those of ``predictions.csv`` (:mod:`hierattn.evaluation.predictions`) after ``table``, the name of the
table that a row belongs to. Probabilities are :func:`rounded`; ``publish check`` holds that every figure of a report
follows from them to 1e-9. The same tables give the same bytes.

    pandas.read_csv("predictions.csv.gz").groupby("table")
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hierattn.errors import TableError, TaxonomyError
from hierattn.evaluation.predictions import (
    Predictions,
    classes_between,
    columns_after_classes,
    values_after_classes,
)
from hierattn.files import write_bytes
from hierattn.taxonomy.built_in import EIGHT

PREDICTIONS = "predictions.csv.gz"
DIGITS = 12
_BEFORE_CLASSES = ("table", "image")


def rounded(predictions: Predictions) -> Predictions:
    """The same with probabilities of :data:`DIGITS` significant digits; all digits where two would become equal.

    So the order of the images by each class stays, and with it every AUC.
    """
    columns = [_rounded(column) for column in predictions.probabilities.T]
    return replace(predictions, probabilities=np.stack(columns, axis=1))


def _rounded(values: np.ndarray) -> np.ndarray:
    """float64 (N,) -> (N,): rounding keeps the order, so only values that fall together have to stay as they are."""
    short = np.array([float(f"{value:.{DIGITS}g}") for value in values])
    _, group = np.unique(short, return_inverse=True)
    least, largest = np.full(len(short), np.inf), np.full(len(short), -np.inf)
    np.minimum.at(least, group, values)
    np.maximum.at(largest, group, values)
    return np.where((least < largest)[group], values, short)


def write_tables(path: Path, tables: Mapping[str, Predictions]) -> None:
    """Write tables of the same classes, by name."""
    (columns,) = {(*table.classes, *columns_after_classes(table)) for table in tables.values()}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_BEFORE_CLASSES, *columns))
    for name, table in tables.items():
        for row, image in enumerate(table.images):
            probabilities = [repr(float(value)) for value in table.probabilities[row]]
            writer.writerow((name, image, *probabilities, *values_after_classes(table, row)))
    write_bytes(path, gzip.compress(text.getvalue().encode(), 9, mtime=0))


def read_tables(path: Path) -> dict[str, Predictions]:
    """The tables of :func:`write_tables`, by name.

    Raises
    ------
    TableError
        Where the file is missing or is none of ours.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        classes = classes_between(header, _BEFORE_CLASSES)
        by_name: dict[str, list[list[str]]] = {}
        for row in rows:
            by_name.setdefault(row[0], []).append(row)
        return {name: _table(classes, of_table) for name, of_table in by_name.items()}
    except (OSError, EOFError, ValueError, IndexError, TaxonomyError) as error:
        raise TableError(f"{path} holds no published predictions ({error}): publish the run again") from None


def _table(classes: tuple[str, ...], rows: list[list[str]]) -> Predictions:
    after = 2 + len(classes)
    labels, folds, groups, *sources = zip(*(row[after:] for row in rows), strict=True)
    return Predictions(
        images=tuple(row[1] for row in rows),
        taxonomy=EIGHT.subset(classes),
        probabilities=np.array([row[2:after] for row in rows], np.float64),
        labels=np.array([classes.index(label) for label in labels], np.int64),
        folds=np.array(folds, np.int64),
        groups=groups,
        sources=sources[0] if sources else (),
    )


def same(table: Predictions, other: Predictions) -> bool:
    """Whether two tables say the same of the same images."""
    words = [(one.images, one.classes, one.groups, one.sources) for one in (table, other)]
    return words[0] == words[1] and all(
        np.array_equal(getattr(table, name), getattr(other, name)) for name in ("probabilities", "labels", "folds")
    )
