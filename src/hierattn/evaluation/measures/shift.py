"""How a run does where the photographs change: other sources, rendered changes, sub-collections of its own.

A network that does well on untouched lesions of its own source may know the source and not the disease. Judged here,
with the run's own calibration and nothing fitted: its untouched fold as it is; parts of that fold, as a table of the
source divides it; the same fold as other cameras might have taken it; and other prepared sets, without what the run
learnt from. Beside each stands how many photographs the software would turn away, and how it does on those it keeps.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hierattn.data.prepared_set.folds import split
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, LeakError, TableError, UsageError
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.photo_changes import CHANGES, change, other_camera
from hierattn.evaluation.measures.shift_measures import measure_set
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS
from hierattn.evaluation.predict import TrainedRun, learnt_before, predictions_of, select_foreign
from hierattn.evaluation.predictions import Predictions, rows_of

RENDERED = (
    "crop", "zoom_out", "hair", "dark_corners", "colour_cast", "brightness", "blur", "resolution", "jpeg",
)  # fmt: skip
"""Changes that are judged one by one; turning and mirroring are no other source."""
OWN, PART, CHANGED, OTHER = "own", "part", "changed", "other"
KINDS: dict[str, str] = {
    OWN: "its own untouched fold",
    PART: "a part of it",
    CHANGED: "the same, changed",
    OTHER: "another source",
}
MOST_TABLE_BYTES = 64 << 20
MOST_PARTS = 20
"""A column with more different values divides nothing: it names."""


@dataclass(frozen=True)
class Seen:
    """What is said of N images.

    Attributes
    ----------
    probabilities
        The network's own, before calibration, (N, C).
    turned_away
        Reason -> bool (N,): photographs that the software would not judge; empty where it cannot tell.
    """

    probabilities: np.ndarray
    turned_away: Mapping[str, np.ndarray] = field(default_factory=dict)


Look = Callable[[np.ndarray], Seen]
"""Images, uint8 (N, H, W, 3) -> what is said of them."""
Progress = Callable[[str, int, int], None]
"""Hears of (what, images done, images in all)."""


@dataclass(frozen=True)
class Shown:
    """One set of images, judged.

    Attributes
    ----------
    name, title
        For files, and for people.
    kind
        Of :data:`KINDS`.
    predictions
        The network's own probabilities.
    turned_away
        As in :class:`Seen`.
    notes
        What was left out, and why.
    """

    name: str
    title: str
    kind: str
    predictions: Predictions
    turned_away: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def away(self) -> np.ndarray | None:
        """Turned away for any reason, bool (N,); None where the software cannot tell."""
        return np.any(list(self.turned_away.values()), axis=0) if self.turned_away else None

    def rows(self, kept: np.ndarray, name: str, title: str) -> Shown:
        """A part of the set, by row numbers."""
        away = {reason: flags[kept] for reason, flags in self.turned_away.items()}
        return Shown(name, title, PART, rows_of(self.predictions, kept), away)


def own_fold(run: TrainedRun, packed: PackedSet, look: Look, progress: Progress | None = None) -> Shown:
    """The run's untouched fold as it is; ``packed`` is the set that it learnt from.

    Raises
    ------
    LeakError
        Where the weights have seen a photograph of it, in this run or before it.
    """
    rows = split(packed.records, run.fold).test
    if learnt_before(packed, rows, run.checkpoint).any():
        raise LeakError(
            f"{run.folder}: photographs of the untouched fold were learnt from; evaluate the run to see which"
        )
    seen = _look_at(look, lambda number: packed.images[rows[number]], len(rows), "untouched fold", progress)
    return Shown("own", f"{packed.folder.name}, untouched", OWN, _table(run, packed, rows, seen), seen.turned_away)


def changed_folds(
    run: TrainedRun,
    packed: PackedSet,
    look: Look,
    *,
    severity: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Shown]:
    """The untouched fold under each of :data:`RENDERED` at ``severity`` (0 to 4), then as other cameras take it."""
    rows = split(packed.records, run.fold).test
    for name in RENDERED:
        kind = CHANGES[name]
        title = f"{kind.title.lower()}, {kind.levels[severity]:g} {kind.unit}"

        def changed(number: int, name: str = name) -> np.ndarray:
            return change(name, packed.images[rows[number]], severity, seed, number)

        seen = _look_at(look, changed, len(rows), title, progress)
        yield Shown(name, title, CHANGED, _table(run, packed, rows, seen), seen.turned_away)

    def elsewhere(number: int) -> np.ndarray:
        return other_camera(packed.images[rows[number]], seed, number)

    seen = _look_at(look, elsewhere, len(rows), "other cameras", progress)
    yield Shown("other_camera", "several at once", CHANGED, _table(run, packed, rows, seen), seen.turned_away)


def other_set(run: TrainedRun, packed: PackedSet, look: Look, progress: Progress | None = None) -> Shown:
    """Another prepared set, without what the run learnt from and without classes that only one side knows.

    Raises
    ------
    DataError
        Where nothing is left, or its images have another size than the network works at.
    """
    if packed.image_spec.size != run.checkpoint.image_spec.size:
        raise DataError(
            f"{packed.folder} has images of {packed.image_spec.size} pixels: wanted {run.checkpoint.image_spec.size}; "
            f"prepare it again with --size {run.checkpoint.image_spec.size}"
        )
    selection = select_foreign(packed, run)
    if not len(selection.rows):
        raise DataError(f"no image to judge in {packed.folder}: {' '.join(selection.notes)}")
    name = packed.folder.resolve().name
    seen = _look_at(look, lambda row: packed.images[selection.rows[row]], len(selection.rows), name, progress)
    return Shown(name, name, OTHER, _table(run, packed, selection.rows, seen), seen.turned_away, selection.notes)


def parts_by_table(shown: Shown, table: Path, columns: Sequence[str]) -> list[Shown]:
    """Parts of a set as a source's own table divides it, HAM10000's ``dx_type`` for instance.

    Parameters
    ----------
    shown
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
    known = _read_table(table, columns)
    found = []
    stems = [PurePosixPath(image).stem for image in shown.predictions.images]
    groups = shown.predictions.group_numbers
    for column in columns:
        values = np.array([known.get(stem, {}).get(column, "") for stem in stems])
        names = sorted(set(values[values != ""].tolist()))
        if not names:
            raise TableError(f"{table} knows {column} of no image judged here: wanted the table of this very source")
        if len(names) > MOST_PARTS:
            raise UsageError(f"{column} of {table} has {len(names)} values here: wanted at most {MOST_PARTS}")
        for name in names:
            rows = np.flatnonzero(values == name)
            if len(np.unique(groups[rows])) >= FEWEST_GROUPS:
                found.append(shown.rows(rows, f"{column}-{name}".replace(" ", "-"), f"{column} {name}"))
    return found


def measure_all(
    shown: Sequence[Shown], calibration: Calibration, *, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """A row a set: ``name, title, kind, notes``, what :func:`measure_set` finds, and ``reasons`` for turning away."""
    rows = []
    for one in shown:
        found = measure_set(one.predictions, calibration, one.away, resamples=resamples, seed=seed)
        reasons = {reason: float(flags.mean()) for reason, flags in one.turned_away.items()}
        told = {"name": one.name, "title": one.title, "kind": one.kind, "notes": list(one.notes)}
        rows.append({**told, **found, "reasons": reasons})
    return rows


def _look_at(
    look: Look, image: Callable[[int], np.ndarray], count: int, what: str, progress: Progress | None, batch: int = 64
) -> Seen:
    """What is said of images 0 to ``count``, a batch at a time, so that changed copies never lie in memory together."""
    parts = []
    for start in range(0, count, batch):
        numbers = range(start, min(start + batch, count))
        parts.append(look(np.stack([image(number) for number in numbers])))
        if progress is not None:
            progress(what, numbers.stop, count)
    reasons = parts[0].turned_away if parts else {}
    return Seen(
        np.concatenate([part.probabilities for part in parts]) if parts else np.zeros((0, 0)),
        {reason: np.concatenate([part.turned_away[reason] for part in parts]) for reason in reasons},
    )


def _table(run: TrainedRun, packed: PackedSet, rows: np.ndarray, seen: Seen) -> Predictions:
    classes = run.checkpoint.classes
    if not np.isfinite(seen.probabilities).all():
        raise DataError("the network answers nan or infinity: its weights are damaged or diverged; train it again")
    records = [packed.records[int(row)] for row in rows]
    return predictions_of(records, classes, np.asarray(seen.probabilities, np.float64).reshape(-1, len(classes)))


def _read_table(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Image's stem -> column -> value."""
    if not path.is_file():
        raise TableError(f"no table at {path}: wanted the source's own, as CSV")
    if path.stat().st_size > MOST_TABLE_BYTES:
        raise TableError(f"{path} is larger than {MOST_TABLE_BYTES >> 20} MiB: wanted a row an image")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
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
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} is not a CSV table in UTF-8 ({error})") from None
