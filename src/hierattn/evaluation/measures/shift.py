"""How a run does where the photographs change: other sources, rendered changes, sub-collections of its own.

A network that does well on held-out lesions of its own source may know the source and not the disease. Evaluated here,
with the run's own calibration and nothing fitted: its outer fold as it is; parts of that fold, as a table of the source
divides it; the same fold as other cameras might have taken it; and external sets, without what the run was trained on.
Beside each stands how many photographs the software would reject, and how it does on those it accepts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.record_table import opened_csv
from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.photo_changes import CHANGES, change, other_camera
from hierattn.evaluation.measures.shift_measures import measure_set
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS
from hierattn.evaluation.predict import predictions_of
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.evaluation.selection import check_pixels, outer_fold, select_external
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.preprocessing.cleaning import clean_changed
from hierattn.progress import Progress, silent

RENDERED = (
    "crop", "zoom_out", "hair", "dark_corners", "colour_cast", "brightness", "blur", "resolution", "jpeg",
)  # fmt: skip
"""Changes that are evaluated one by one; turning and mirroring are no other source."""
OWN, PART, CHANGED, OTHER = "own", "part", "changed", "other"
KINDS: dict[str, str] = {
    OWN: "its own outer fold",
    PART: "a part of it",
    CHANGED: "the same, changed",
    OTHER: "another source",
}
MOST_TABLE_BYTES = 64 << 20
MOST_PARTS = 20
"""A column with more values than this names images and does not divide them."""


@dataclass(frozen=True)
class Answers:
    """The network's answers to N images.

    Attributes
    ----------
    probabilities
        The network's own, before calibration, (N, C).
    rejected
        Reason -> bool (N,): photographs that the software would reject; empty where it cannot tell.
    """

    probabilities: np.ndarray
    rejected: Mapping[str, np.ndarray] = field(default_factory=dict)


Answer = Callable[[np.ndarray], Answers]
"""Images, uint8 (N, H, W, 3) -> the answers to them."""


@dataclass(frozen=True)
class EvaluatedSet:
    """One set of images, with what was predicted of them.

    Attributes
    ----------
    name, title
        For files, and for people.
    kind
        Of :data:`KINDS`.
    predictions
        The network's own probabilities.
    rejected
        As in :class:`Answers`.
    notes
        What was left out, and why.
    """

    name: str
    title: str
    kind: str
    predictions: Predictions
    rejected: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def rejected_for_any(self) -> np.ndarray | None:
        """Rejected for any reason, bool (N,); None where the software cannot tell."""
        return np.any(list(self.rejected.values()), axis=0) if self.rejected else None

    def part(self, rows: np.ndarray, name: str, title: str) -> EvaluatedSet:
        """A part of the set, by row numbers."""
        rejected = {reason: flags[rows] for reason, flags in self.rejected.items()}
        return EvaluatedSet(name, title, PART, rows_of(self.predictions, rows), rejected)


def own_fold(run: TrainedRun, packed: PackedSet, answer: Answer, progress: Progress | None = None) -> EvaluatedSet:
    """The run's outer fold as it is; ``packed`` is the set that it was trained on.

    Raises
    ------
    LeakError
        Where the weights have seen a photograph of it, in this run or before it.
    """
    selection = outer_fold(packed, run)
    rows = selection.rows
    answers = _answers(answer, lambda number: packed.images[rows[number]], len(rows), "outer fold", progress)
    return EvaluatedSet(
        "own",
        f"{run.left_out_source or packed.folder.name}, held out",
        OWN,
        _table(run, packed, rows, answers),
        answers.rejected,
        selection.notes,
    )


def changed_folds(
    run: TrainedRun,
    packed: PackedSet,
    answer: Answer,
    *,
    severity: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[EvaluatedSet]:
    """The outer fold under each of :data:`RENDERED` at ``severity`` (0 to 4), then as other cameras take it.

    Each changed photograph is cleaned as the set was.
    """
    rows = outer_fold(packed, run).rows

    def answer_cleaned(images: np.ndarray) -> Answers:
        return answer(clean_changed(images, packed.image_spec))

    for name in RENDERED:
        kind = CHANGES[name]
        title = f"{kind.title.lower()}, {kind.levels[severity]:g} {kind.unit}"

        def changed(number: int, name: str = name) -> np.ndarray:
            return change(name, packed.images[rows[number]], severity, seed, number)

        answers = _answers(answer_cleaned, changed, len(rows), title, progress)
        yield EvaluatedSet(name, title, CHANGED, _table(run, packed, rows, answers), answers.rejected)

    def by_other_cameras(number: int) -> np.ndarray:
        return other_camera(packed.images[rows[number]], seed, number)

    answers = _answers(answer_cleaned, by_other_cameras, len(rows), "other cameras", progress)
    yield EvaluatedSet("other_camera", "several at once", CHANGED, _table(run, packed, rows, answers), answers.rejected)


def external_set(run: TrainedRun, packed: PackedSet, answer: Answer, progress: Progress | None = None) -> EvaluatedSet:
    """Another prepared set, without what the run was trained on and without classes that only one side knows.

    Raises
    ------
    DataError
        Where nothing is left, or the set was not prepared as the network wants it.
    """
    check_pixels(packed, run.checkpoint.image_spec, run.run.path)
    selection = select_external(packed, run)
    if not len(selection.rows):
        raise DataError(f"no image to evaluate in {packed.folder}: {' '.join(selection.notes)}")
    name = packed.folder.resolve().name
    answers = _answers(answer, lambda row: packed.images[selection.rows[row]], len(selection.rows), name, progress)
    predictions = _table(run, packed, selection.rows, answers)
    return EvaluatedSet(name, name, OTHER, predictions, answers.rejected, selection.notes)


def parts_by_table(whole: EvaluatedSet, table: Path, columns: Sequence[str]) -> list[EvaluatedSet]:
    """Parts of a set as a source's own table divides it, HAM10000's ``dx_type`` for instance.

    Parameters
    ----------
    whole
        The set; images are found in the table by their file's name without its ending.
    table
        CSV with a column ``image`` or ``image_id``.
    columns
        Each divides the set by its values. Parts with fewer than 30 lesions are left out.

    Raises
    ------
    TableError, UsageError
        Where the table is missing, damaged, or lacks a column.
    """
    values_of = _read_table(table, columns)
    parts = []
    stems = [PurePosixPath(image).stem for image in whole.predictions.images]
    groups = whole.predictions.group_numbers
    for column in columns:
        values = np.array([values_of.get(stem, {}).get(column, "") for stem in stems])
        names = sorted(set(values[values != ""].tolist()))
        if not names:
            raise TableError(f"{table} knows {column} of no image evaluated here: wanted the table of this very source")
        if len(names) > MOST_PARTS:
            raise UsageError(f"{column} of {table} has {len(names)} values here: wanted at most {MOST_PARTS}")
        for name in names:
            rows = np.flatnonzero(values == name)
            if len(np.unique(groups[rows])) >= FEWEST_GROUPS:
                parts.append(whole.part(rows, f"{column}-{name}".replace(" ", "-"), f"{column} {name}"))
    return parts


def measure_all(
    sets: Sequence[EvaluatedSet], calibration: Calibration, *, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """A row a set: ``name, title, kind, notes``, what :func:`measure_set` gives, and ``reasons`` for rejection."""
    rows = []
    for each in sets:
        figures = measure_set(each.predictions, calibration, each.rejected_for_any, resamples=resamples, seed=seed)
        reasons = {reason: float(flags.mean()) for reason, flags in each.rejected.items()}
        names = {"name": each.name, "title": each.title, "kind": each.kind, "notes": list(each.notes)}
        rows.append({**names, **figures, "reasons": reasons})
    return rows


def _answers(
    answer: Answer,
    image: Callable[[int], np.ndarray],
    count: int,
    step: str,
    progress: Progress | None,
    batch: int = 64,
) -> Answers:
    """The answers to images 0 to ``count``, a batch at a time: changed copies never lie in memory together."""
    tell = progress or silent
    parts = []
    for start in range(0, count, batch):
        numbers = range(start, min(start + batch, count))
        parts.append(answer(np.stack([image(number) for number in numbers])))
        tell(step, numbers.stop, count)
    reasons = parts[0].rejected if parts else {}
    return Answers(
        np.concatenate([part.probabilities for part in parts]) if parts else np.zeros((0, 0)),
        {reason: np.concatenate([part.rejected[reason] for part in parts]) for reason in reasons},
    )


def _table(run: TrainedRun, packed: PackedSet, rows: np.ndarray, answers: Answers) -> Predictions:
    taxonomy = run.checkpoint.taxonomy
    if not np.isfinite(answers.probabilities).all():
        raise DataError("the network's output is nan or infinite: its weights are damaged or diverged; train it again")
    records = [packed.records[int(row)] for row in rows]
    probabilities = np.asarray(answers.probabilities, np.float64).reshape(-1, len(taxonomy.codes))
    return predictions_of(records, taxonomy, probabilities)


def _read_table(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Image's stem -> column -> value."""
    if not path.is_file():
        raise TableError(f"no table at {path}: wanted the source's own, as CSV")
    if path.stat().st_size > MOST_TABLE_BYTES:
        raise TableError(f"{path} is larger than {MOST_TABLE_BYTES >> 20} MiB: wanted a row an image")
    with opened_csv(path) as file:
        reader = csv.DictReader(file)
        header = tuple(reader.fieldnames or ())
        ids = [name for name in ("image_id", "image") if name in header]
        missing = [name for name in columns if name not in header]
        if not ids or missing:
            raise TableError(
                f"{path} has the columns {', '.join(header) or '(none)'}: wanted image_id or image"
                + (f", and {', '.join(missing)}" if missing else "")
            )
        return {
            PurePosixPath(row[ids[0]] or "").stem: {name: (row[name] or "").strip() for name in columns}
            for row in reader
        }
