"""Which images may be evaluated: those of the outer fold or of an external set that the weights have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import known_rows
from hierattn.errors import DataError, LeakError, UsageError
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.trained_on import TrainedOn

_OPTIONS = {"crop": "--crop", "colour_constancy": "--colour-constancy"}
"""Field of the image specification -> the option of ``hierattn prepare`` that sets it."""


@dataclass(frozen=True)
class Selection:
    """Rows of an external set to evaluate, and why others were left out."""

    rows: np.ndarray
    notes: tuple[str, ...]


def inner_fold(packed: PackedSet, run: TrainedRun) -> np.ndarray:
    """Rows of the inner fold, as far as the model knows their classes."""
    return known_rows(packed.records, run.parts(packed).validation, run.checkpoint.classes)[0]


def outer_fold(packed: PackedSet, run: TrainedRun) -> Selection:
    """The outer fold's original images, or those of the left-out source; ``packed`` is the set that was trained on.

    Left out, and said so: classes that the model does not know, because only sources that do not train have them; and
    of a left-out source, photographs whose lesion, patient or near-duplicate was trained on.

    Raises
    ------
    LeakError
        Where the weights have seen one of them, in this run or before it.
    """
    parts = run.parts(packed)
    rows = parts.test
    seen = already_seen(packed, rows, run.checkpoint)
    if seen.any():
        first = packed.records[int(rows[np.flatnonzero(seen)[0]])].image
        raise LeakError(
            f"{int(seen.sum())} photographs of the outer fold were trained on, {first} is the first: wanted none; "
            "train again from weights that have not seen this fold"
        )
    known, notes = known_rows(packed.records, rows, run.checkpoint.classes)
    if source := run.left_out_source:
        whole = sum(record.source == source and record.role == "original" for record in packed.records)
        if belong := whole - len(rows):
            notes.append(f"{belong} images left out: their group holds something that was trained on.")
        judged = {packed.records[row].label for row in known}
        if absent := [code for code in run.checkpoint.classes if code not in judged]:
            notes.append(f"No image of {', '.join(absent)}, which the model knows: no figure has them.")
    return Selection(known, tuple(notes))


def select_external(packed: PackedSet, run: TrainedRun, places: Mapping[str, str] | None = None) -> Selection:
    """The original images of an external set that the model can be evaluated on.

    Left out, and said so: classes that the model does not know, and images that it may have been trained on, told by
    the same bytes, by the same lesion of the same source or by a public id. Bytes and public ids are those of every
    photograph that the weights have seen, in earlier runs and through teachers too, where the checkpoint keeps that
    record.

    ``places`` are the set's classes with their classes in a coarser taxonomy, where the model is judged in one.
    """
    rows, notes = _known_originals(packed, run.checkpoint.classes, places)
    marks = _marks_of_training(run)
    if marks is None and run.checkpoint.trained_on is None:
        notes.append("The set that the run was trained on is not at hand, so overlap with it could not be checked.")
        return Selection(np.array(rows, np.int64), tuple(notes))
    new = [row for row in rows if not _marks(packed.records[row]) & (marks or set())]
    new = [row for row, seen in zip(new, already_seen(packed, new, run.checkpoint), strict=True) if not seen]
    if len(new) < len(rows):
        notes.append(f"{len(rows) - len(new)} images left out: the run was trained on them or on the same lesions.")
    if marks is None:
        notes.append("The run's own set is not at hand: overlap was checked by the photographs' bytes and public ids.")
    return Selection(np.array(new, np.int64), tuple(notes))


def select_by_record(
    packed: PackedSet, classes: Sequence[str], record: TrainedOn | None, places: Mapping[str, str] | None = None
) -> Selection:
    """As :func:`select_external`, for weights of which nothing is at hand but what travels with them.

    ``classes`` are the model's, and ``record`` is of the photographs that its weights have seen. Without one nothing is
    left out, and that is said.
    """
    rows, notes = _known_originals(packed, classes, places)
    if record is None:
        notes.append(
            "The model does not say which photographs it was trained on, so overlap with them could not be checked: "
            "where the set holds some of them, the figures are too good."
        )
        return Selection(np.array(rows, np.int64), tuple(notes))
    new = [row for row, seen in zip(rows, _are_seen(packed, rows, record), strict=True) if not seen]
    if len(new) < len(rows):
        notes.append(f"{len(rows) - len(new)} images left out: the model was trained on them or on the same lesions.")
    unknown = sum(not packed.records[row].sha256 for row in new)
    if not record.whole or unknown:
        reason = "the model's record is not whole" if not record.whole else f"{unknown} images have no checksum"
        notes.append(f"Overlap with the photographs of the training was checked in part only: {reason}.")
    return Selection(np.array(new, np.int64), tuple(notes))


def check_pixels(packed: PackedSet, wanted: ImageSpec, answers: Path) -> None:
    """Refuse a set that was not prepared as a network wants it.

    Parameters
    ----------
    packed
        The set.
    wanted
        What the network expects of an image.
    answers
        The bundle, run folder or checkpoint, for the error.

    Raises
    ------
    DataError
        Where size, crop or cleaning differ.
    """
    came = packed.image_spec
    options: list[tuple[str, str]] = []
    if came.size != wanted.size:
        options.append((f"{came.size} pixels", f"--size {wanted.size}"))
    for field, option in _OPTIONS.items():
        had, wants = getattr(came, field), getattr(wanted, field)
        if had != wants:
            options.append((f"{field.replace('_', ' ')} {had}", f"{option} {wants}"))
    if came.hair_removal != wanted.hair_removal:
        removed = ("no hair removal", "hair removal")[came.hair_removal]
        options.append((removed, "--hair-removal" if wanted.hair_removal else "no --hair-removal"))
    if options:
        raise DataError(
            f"{packed.folder} was prepared with {', '.join(had for had, _ in options)}, and {answers.name} answers "
            f"otherwise for such images: prepare the photographs again with {', '.join(want for _, want in options)}"
        )


def shared_sources(packed: PackedSet, rows: np.ndarray, trained: Sequence[str]) -> list[str]:
    """A line where images come from a source that a model was trained on; ``trained`` are the names of all of those."""
    families = {_family(source) for source in trained}
    shared = [source for row in rows if _family(source := packed.records[int(row)].source) in families]
    if not shared:
        return []
    names = ", ".join(sorted(set(shared)))
    return [f"{len(shared)} images are of {names}, and the model was trained on photographs of that collection."]


def _known_originals(
    packed: PackedSet, classes: Sequence[str], places: Mapping[str, str] | None
) -> tuple[list[int], list[str]]:
    """Rows of the originals whose class can be judged, and a line each on the others and on classes without any."""
    known = set(classes) if places is None else set(places)
    originals = [row for row, record in enumerate(packed.records) if record.role == "original"]
    rows = [row for row in originals if packed.records[row].label in known]
    notes = []
    if len(rows) < len(originals):
        unknown = sorted({packed.records[row].label for row in originals} - known)
        notes.append(
            f"{len(originals) - len(rows)} images of {', '.join(unknown)} left out: the model has no such class."
        )
    absent = [code for code in classes if code not in {packed.records[row].label for row in rows}]
    if absent and places is None:
        notes.append(f"The set has no image of {', '.join(absent)}, which the model knows: nothing is said of them.")
    return rows, notes


def already_seen(packed: PackedSet, rows: Sequence[int] | np.ndarray, checkpoint: Checkpoint) -> np.ndarray:
    """Whether the weights have seen each photograph, by the record that travels with them; bool, (rows,).

    All False where the checkpoint has no such record or the set no checksums.
    """
    record = checkpoint.trained_on
    return np.zeros(len(rows), bool) if record is None else _are_seen(packed, rows, record)


def _are_seen(packed: PackedSet, rows: Sequence[int] | np.ndarray, record: TrainedOn) -> np.ndarray:
    return record.saw([packed.records[int(row)] for row in rows])


def _marks_of_training(run: TrainedRun) -> set[tuple[str, ...]] | None:
    """Marks of all that training or the choice of its epoch saw; None where the run's own set is not here."""
    try:
        own = run.open_own_set()
    except (DataError, UsageError):
        return None
    parts = run.parts(own)
    seen = np.concatenate([parts.train, parts.validation])
    return {mark for row in seen for mark in _marks(own.records[int(row)])}


def _marks(record: Record) -> set[tuple[str, ...]]:
    source = _family(record.source)
    marks = {("bytes", record.sha256)} if record.sha256 else set()
    return marks | ({("lesion", source, record.lesion)} if record.lesion else set())


def _family(source: str) -> str:
    # HAM10000 is a part of ISIC 2019, under the same lesion ids.
    return "isic" if source in ("isic2019", "ham10000") else source
