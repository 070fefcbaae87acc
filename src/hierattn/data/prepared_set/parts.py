"""What a run trains on, chooses its epoch by and is tested on, and proof that these share nothing.

Two protocols: one fold is held out, or one source. A photograph for training only is never tested; one for testing only
is never trained on, nor anything that belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hierattn.data.prepared_set.folds import MIN_FOLDS, check_leaks, published_id
from hierattn.data.prepared_set.manifest import Record
from hierattn.errors import DataError, LeakError, UsageError


@dataclass(frozen=True)
class Split:
    """Row numbers of a manifest, each an int64 array, (images,).

    Attributes
    ----------
    train
        Everything that neither tests nor validates, augmented copies included.
    validation
        The inner split: chooses the epoch, calibrates, sets thresholds. Originals only.
    test
        Not used until the end. Originals only.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


NEXT_FOLD = -1
"""In place of a number: the inner fold is the one after the outer fold."""


def split(records: Sequence[Record], fold: int, left_out_source: str = "", inner_fold: int = NEXT_FOLD) -> Split:
    """Train, validation and test rows where ``fold`` is the one that tests, or ``left_out_source``.

    Test is fold ``fold``, validation ``inner_fold``, or the next fold (modulo the number of folds), train the rest.
    Augmented copies are only ever in train: those of validation and test images are in none of the three. Nor are
    photographs for training only that belong to those images. Photographs for testing only are all in test, whatever
    their fold; what belongs to them is in no training part.

    With ``left_out_source``, train and validation hold nothing of that source, and test is that source alone: all of
    its photographs whose group holds nothing that the run has seen. Fold ``fold`` of the other sources stays unseen:
    :func:`unseen_fold`.

    Raises
    ------
    UsageError
        For a fold or a source that the manifest does not have, a source that is for training only, or an inner fold
        that is the outer one.
    DataError, LeakError
        From :func:`check_leaks` and :func:`check_parts`, or for fewer than 3 folds.
    """
    check_leaks(records)
    count = 1 + max((record.fold for record in records), default=-1)
    if count < MIN_FOLDS:
        raise DataError(
            f"the set has {count} {'fold' if count == 1 else 'folds'}: wanted {MIN_FOLDS} or more to train and test "
            "on; prepare it without --judge-only, or judge a bundle on it: hierattn evaluate BUNDLE --data SET"
        )
    if not 0 <= fold < count:
        raise UsageError(f"fold {fold}: the manifest has folds 0 to {count - 1}; choose one of them")
    inner = (fold + 1) % count if inner_fold == NEXT_FOLD else inner_fold
    if not 0 <= inner < count or inner == fold:
        raise UsageError(f"inner fold {inner}: wanted another of the folds 0 to {count - 1} than the outer one, {fold}")
    place = np.array([record.fold for record in records])
    original = np.array([record.role == "original" for record in records])
    use = np.array([record.use for record in records])
    left = np.array([record.source == left_out_source for record in records]) & bool(left_out_source)
    if left_out_source:
        _check_source(records, left_out_source)
    groups = _numbers([record.group or record.parent or record.image for record in records])
    judging = original & (use != "train")
    test = judging & (left if left_out_source else (place == fold) | (use == "test"))

    # Photographs for training only make way for those that judge; the others have their folds.
    alone = (use == "train") & ~_among(groups, use != "train")
    makes_way = (use == "train") & _among(groups, test)
    usable = ~left & ~_among(groups, use == "test")
    train = usable & (alone | ((place != fold) & (place != inner))) & ~makes_way
    validation = usable & judging & (place == inner)
    if left_out_source:
        test &= ~_among(groups, train | validation)
    parts = Split(*(np.flatnonzero(rows) for rows in (train, validation, test)))
    check_parts(records, parts, left_out_source)
    return parts


def unseen_fold(records: Sequence[Record], fold: int, left_out_source: str) -> np.ndarray:
    """The rows of ``fold`` that a run without ``left_out_source`` could be tested on in its own sources."""
    own = split(records, fold).test
    return own[[records[row].source != left_out_source and not records[row].use for row in own]]


def trained_classes(records: Sequence[Record], parts: Split, left_out_source: str = "") -> set[str]:
    """The classes that a run is to know: those of all sources that train.

    Without ``left_out_source``, those that it trains on: the other sources may have too few of a class.
    """
    if left_out_source:
        return {records[row].label for row in parts.train}
    return {record.label for record in records if record.use != "test"}


def known_rows(records: Sequence[Record], rows: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The rows of these classes, and a line on the others, which are left out."""
    known = np.array([records[row].label in classes for row in rows], bool)
    if known.all():
        return rows, []
    strange = sorted({records[row].label for row in rows[~known]})
    note = f"{int((~known).sum())} images of {', '.join(strange)} left out: the training sources have no such class."
    return rows[known], [note]


def sources_of(records: Sequence[Record]) -> list[str]:
    """The sources that can be left out and judged, by name: those beside which another both trains and has folds."""
    training = {record.source for record in records if not record.use}
    judged = {record.source for record in records if record.use != "train"}
    return sorted(source for source in judged if training - {source})


def _check_source(records: Sequence[Record], source: str) -> None:
    judged = sources_of(records)
    if source in judged:
        return
    uses = {record.use for record in records if record.source == source}
    if uses == {"train"}:
        raise UsageError(f"source {source!r} is for training only, and never judged: wanted {', '.join(judged)}")
    if uses:
        raise UsageError(f"source {source!r} is the only one to train on: wanted another to train on; prepare several")
    raise UsageError(f"no source {source!r} in the manifest: wanted one of {', '.join(judged) or 'several'}")


def _numbers(names: Sequence[str]) -> np.ndarray:
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1]


def _among(groups: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which rows share a group with one of ``rows``, bool."""
    return np.isin(groups, groups[rows])


def check_parts(records: Sequence[Record], parts: Split, left_out_source: str = "") -> None:
    """Prove that the three parts share no lesion, patient, photograph or group, and that each source is used as meant.

    Raises
    ------
    LeakError
        Names what two parts share, or the photograph that has no business where it is.
    """
    seen: dict[tuple[str, str, str], tuple[str, str]] = {}
    for name, rows in (("training", parts.train), ("the inner fold", parts.validation), ("the test", parts.test)):
        for row in rows.tolist():
            record = records[row]
            tests = name == "the test"
            misused = record.use == ("train" if name != "training" else "test") or (record.use == "test" and not tests)
            if misused or (left_out_source and tests != (record.source == left_out_source)):
                what = f"{record.use} only" if record.use else "left out"
                raise LeakError(f"{record.image} of {record.source} is in {name}, and its source is {what}")
            for key in _identities(record):
                where, image = seen.setdefault(key, (name, record.image))
                if where != name:
                    raise LeakError(
                        f"{key[0]} {key[2]} is in {where} and in {name} ({image}, {record.image}): wanted it in one; "
                        "prepare the set again"
                    )


def _identities(record: Record) -> Iterator[tuple[str, str, str]]:
    whose = record.collection or record.source
    named = {"lesion": record.lesion, "patient": record.patient}
    yield from ((kind, whose, name) for kind, name in named.items() if name)
    yield "image", "", record.parent or record.image
    if record.group:
        yield "group", "", record.group
    if name := published_id(record):
        yield "image id", whose, name
    if record.sha256 and record.role == "original":
        yield "file content", "", record.sha256
