"""Honest folds: no lesion, patient or copy on both sides of a split, and proof of it.

The paper balances the whole set and then makes ten folds, which puts copies of training images into validation
(notes, "Order"). Here folds come first. They are grouped, stratified by class, and the same for the same seed
whatever the order of the rows; :func:`check_leaks` verifies the result independently.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from hierattn.data.image_ids import image_id
from hierattn.data.prepared_set.manifest import SHARED_IDS, Record
from hierattn.errors import DataError, LeakError, UsageError

MIN_FOLDS = 3
"""One fold tests, one chooses the epoch and calibrates, and at least one trains."""

JUDGED_ONLY = 1
"""So many folds has a set that nothing is trained on: all of it is judged."""


def join_groups(records: Sequence[Record], pairs: Iterable[tuple[int, int]] = ()) -> list[Record]:
    """Name in ``group`` whatever must stay together, by union-find.

    Joined are images of one lesion, of one patient, with the same bytes, a copy with its parent, and the ``pairs``;
    of one image id, where several sources are parts of one collection. Identifiers count within their collection, or
    their source where there is none. Joining is transitive: where two patients share a lesion id, both patients'
    images are one group.

    Parameters
    ----------
    records
        The rows; what ``group`` held before is not read.
    pairs
        Row numbers of near-duplicates.

    Returns
    -------
    list[Record]
        The same rows with ``group`` filled. A group is named after its first patient, lesion or image by name, and
        not after any row number or folder, so that it stays the same when rows are sorted or the set is moved.
    """
    parent = list(range(len(records)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[Hashable, int] = {}
    for row, record in enumerate(records):
        for key in _joining_keys(record):
            parent[root(row)] = root(first.setdefault(key, row))
    for one, other in pairs:
        parent[root(one)] = root(other)

    members: dict[int, list[int]] = defaultdict(list)
    for row in range(len(records)):
        members[root(row)].append(row)
    names = _group_names(records, members)
    return [replace(record, group=names[root(row)]) for row, record in enumerate(records)]


def _joining_keys(record: Record) -> list[Hashable]:
    """What two rows must not share across folds."""
    namespace = record.collection or record.source
    keys: list[Hashable] = [("image", record.parent or record.image)]
    if record.lesion:
        keys.append(("lesion", namespace, record.lesion))
    if record.patient:
        keys.append(("patient", namespace, record.patient))
    if name := published_id(record):
        keys.append(("id", namespace, name))
    if record.sha256 and record.role == "original":
        keys.append(("bytes", record.sha256))
    return keys


def published_id(record: Record) -> str:
    """What a published collection calls the photograph, however it was shipped (ISIC 2019 marks smaller files); or "".

    >>> published_id(Record("a/isic_0000001_downsampled.JPG", "NV", collection="isic"))
    'isic_0000001'
    """
    if record.collection in ("", SHARED_IDS):
        return ""
    return image_id(record.parent or record.image).stem.casefold().removesuffix("_downsampled")


def _group_names(records: Sequence[Record], members: dict[int, list[int]]) -> dict[int, str]:
    stems = Counter(PurePosixPath(record.image).stem for record in records if record.role == "original")

    def name_of(record: Record) -> tuple[int, str]:
        if record.patient:
            return 0, f"patient:{record.patient}"
        if record.lesion:
            return 1, f"lesion:{record.lesion}"
        stem = PurePosixPath(record.parent or record.image).stem
        return 2, f"image:{stem}" if stems[stem] <= 1 else f"image:{stem}-{record.sha256[:12] or record.image}"

    names = {root: min(name_of(records[row]) for row in rows)[1] for root, rows in members.items()}
    # Two sets in one manifest may use the same id for different patients.
    repeated = {name for name, count in Counter(names.values()).items() if count > 1}
    return {
        root: f"{records[members[root][0]].source}/{name}" if name in repeated else name for root, name in names.items()
    }


def make_folds(
    records: Sequence[Record], folds: int = 10, seed: int = 0, kept: Mapping[str, int] | None = None
) -> list[Record]:
    """Give every record a fold: grouped by ``group``, stratified by class, the same for the same seed.

    Of several sources, each source's classes are spread evenly, too. Photographs for training only follow their group,
    and count for nothing; a group of them alone gets a fold that holds none of them (parts.py).

    Groups are assigned rarest class first and largest first, ties shuffled by the seed, each to the fold that has least
    of the group's classes so far. On the sets measured (docs/data.md) the classes come out exactly as even as from
    scikit-learn's ``StratifiedGroupKFold``, in a twentieth of the time; and they are the same folds with every
    version of every library, so that a seed is enough to quote them. Augmented copies take their parent's fold.

    One group more or less changes the shuffle, and with it most folds. Where folds must outlive such a change, give
    those of before as ``kept``.

    Parameters
    ----------
    records
        Rows with ``group`` filled (:func:`join_groups`); an empty group counts as the image alone.
    folds
        At least 3; or :data:`JUDGED_ONLY`, where nothing is trained on the set and a class may have one lesion.
    seed
        Of the ties.
    kept
        Group -> fold, of groups that stay where they are; the others go to the folds that have least.

    Raises
    ------
    UsageError
        For fewer than 3 folds.
    DataError
        Where a class has fewer groups than folds: some fold could not test it. Names the class and what to do.
    """
    refuse_small_classes(records, folds)
    if folds == JUDGED_ONLY:
        return [replace(record, fold=0) for record in records]
    kept = kept or {}
    judged = [record for record in records if record.use != "train"]
    fold_of = _assign(_strata_of_groups(judged), folds, seed, kept)
    rest = [record for record in records if _group_of(record) not in fold_of]
    fold_of |= _assign(_strata_of_groups(rest), folds, seed, kept)
    placed = [replace(record, fold=fold_of[_group_of(record)]) for record in records]
    _refuse_empty_cells(placed, folds)
    return placed


def _group_of(record: Record) -> str:
    return record.group or f"image:{record.parent or record.image}"


def refuse_small_classes(records: Sequence[Record], folds: int) -> None:
    """Raise where some class could not stand in every fold; cheap, so that prepare asks before it decodes.

    Raises
    ------
    UsageError
        For fewer than 3 folds.
    DataError
        Where there are no records, or of one class alone, or a class has fewer groups than folds; names the class and
        what to do. Classes of sources that only train, or only test, need not stand in every fold.
    """
    if folds < MIN_FOLDS and folds != JUDGED_ONLY:
        raise UsageError(
            f"{folds} folds: wanted {MIN_FOLDS} or more (one tests, one validates, the rest trains), or --judge-only "
            "for a set that nothing is trained on"
        )
    if not records:
        raise DataError("no images to make folds of: wanted some in every class; check the source")
    if folds == JUDGED_ONLY:
        return
    if len(classes := {record.label for record in records}) < 2:
        raise DataError(
            f"images of one class alone ({', '.join(classes)}): wanted two or more, or --judge-only where nothing is "
            "to be trained on the set"
        )
    groups: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.role == "original" and not record.use:
            groups[record.label].add(_group_of(record))
    if not groups:
        raise DataError(
            "every source is for training only, or for testing only: wanted one at least that both trains and is "
            "judged, by folds; leave out --train-only or --test-only for it, or say --judge-only where nothing is to "
            "be trained on the set"
        )
    count = {label: len(own) for label, own in groups.items()}
    label, fewest = min(count.items(), key=lambda item: (item[1], item[0]))
    if fewest < folds:
        advice = f"use --folds {fewest}" if fewest >= MIN_FOLDS else "add images of it or leave the class out"
        raise DataError(
            f"class {label} has {fewest} separate {'lesion' if fewest == 1 else 'lesions'} (or patients) and {folds} "
            f"folds were asked for: wanted at least one in every fold; {advice}, or say --judge-only where nothing is "
            "to be trained on the set"
        )


def _strata_of_groups(records: Sequence[Record]) -> dict[str, Counter[str]]:
    """Group -> class, and class of a source where there are several -> originals."""
    several = len({record.source for record in records}) > 1
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if record.role == "original":
            strata = [record.label, f"{record.label} of {record.source}"] if several else [record.label]
            groups[_group_of(record)].update(strata)
    return groups


def _refuse_empty_cells(records: Sequence[Record], folds: int) -> None:
    """A class with just enough groups may still miss a fold, where its groups also hold rarer classes."""
    for label in sorted({record.label for record in records if not record.use}):
        empty = set(range(folds)) - {record.fold for record in records if record.label == label and not record.use}
        if empty:
            raise DataError(
                f"class {label} stands in no group of fold {min(empty)} of {folds}, its groups are too entwined with "
                "rarer classes: wanted every class in every fold; use fewer --folds or another --seed"
            )


def _assign(groups: dict[str, Counter[str]], folds: int, seed: int, kept: Mapping[str, int]) -> dict[str, int]:
    """Group -> fold. ``held`` is each fold's share of each class, (folds, classes), between 0 and 1."""
    totals: Counter[str] = Counter()
    for labels in groups.values():
        totals.update(labels)
    classes = sorted(totals)
    shares = {
        group: np.array([labels[name] / totals[name] for name in classes]) for group, labels in sorted(groups.items())
    }
    names = list(shares)
    np.random.default_rng(seed).shuffle(names)
    # A group weighs most in its rarest class; the heaviest are assigned while every fold still has room.
    rarest = {group: min((totals[name], name) for name in groups[group]) for group in names}
    names.sort(key=lambda group: (rarest[group], -shares[group].sum()))

    held = np.zeros((folds, len(classes)))
    fold_of = {group: fold for group, fold in kept.items() if group in shares}
    for group, fold in fold_of.items():
        held[fold] += shares[group]
    for group in names:
        if group in fold_of:
            continue
        share = shares[group]
        # The rise of the sum of squares, but for a constant: least where the fold has least of these classes.
        # Equal folds (at the start, and again and again) are ordered by what they hold in all.
        fold = int(np.lexsort((held.sum(axis=1).round(12), (held @ share).round(12)))[0])
        held[fold] += share
        fold_of[group] = fold
    return fold_of


def check_leaks(records: Sequence[Record], advice: str = "prepare the set again") -> None:
    """Prove that nothing crosses folds.

    Parameters
    ----------
    records
        All of a set.
    advice
        What to do where something does.

    Raises
    ------
    LeakError
        Where a lesion, patient, group, file content, an image id of a collection, or a copy and its parent stand in
        more than one fold, of one source or of several; names the first of them, their folds, and an image in each
        of two.
    DataError
        Where a record has no fold.
    """
    folds: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)  # fold -> its first image
    for record in records:
        if record.fold < 0:
            raise DataError(f"{record.image} has no fold: wanted 0 or more; prepare the set again")
        for kind, source, name in (
            ("lesion", record.collection or record.source, record.lesion),
            ("patient", record.collection or record.source, record.patient),
            ("image id", record.collection, published_id(record)),
            ("group", "", record.group),
            ("image", "", record.parent or record.image),
            ("file content", "", record.sha256 if record.role == "original" else ""),
        ):
            if name:
                folds[kind, source, name].setdefault(record.fold, record.image)
    leaks = [(kind, name, images) for (kind, _, name), images in folds.items() if len(images) > 1]
    if leaks:
        shown = "; ".join(_described(*leak) for leak in leaks[:3])
        more = f" and {len(leaks) - 3} more" if len(leaks) > 3 else ""
        raise LeakError(f"{shown}{more}: wanted each in one fold only; {advice}")


def _described(kind: str, name: str, image_of: dict[int, str]) -> str:
    """``lesion L9 in folds 0, 2 (a.jpg, b.jpg)``."""
    images = [PurePosixPath(image_of[fold]).name for fold in sorted(image_of)[:2]]
    return f"{kind} {name} in folds {', '.join(map(str, sorted(image_of)))} ({', '.join(images)})"
