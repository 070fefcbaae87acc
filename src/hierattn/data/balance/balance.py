"""Balance a prepared set (§3.2.2): the one place that orders the steps.

honest (default): leave the outer and the inner fold as they are; of the rest, under-sample the large classes and copy
the small ones. paper: do so with the whole set, and fold what came out anew; copies stay with their original.

The result is a prepared folder like any other: ``train`` and ``evaluate`` take it unchanged. It also holds hardness.csv
(every image and its hardness), copies.csv (every copy, its parent and what was drawn for it) and pictures of what was
done. It appears whole or not at all.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hierattn.data.balance.instance_hardness import CrossFitting, Hardness, instance_hardness, make_learners
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.balance.oversampling import Change, apply_change, copies_a_parent, draw_change
from hierattn.data.balance.protocol import PAPER_WARNING
from hierattn.data.balance.report import (
    BalanceReport,
    ClassBalance,
    classes_with_copies,
    count_balance,
    rewrite_audit,
    write_copies,
    write_hardness,
)
from hierattn.data.balance.selection import Selection
from hierattn.data.balance.set_features import check_features, features_of_set, mapped
from hierattn.data.balance.undersampling import keep_easiest, keep_random, ranks
from hierattn.data.engines import run_in_waves
from hierattn.data.prepare.report import imbalance
from hierattn.data.prepared_set.folds import check_leaks, make_folds
from hierattn.data.prepared_set.manifest import Record, write_manifest
from hierattn.data.prepared_set.packed import (
    AUDIT,
    COPIES,
    HARDNESS,
    IMAGES,
    MANIFEST,
    PICTURES,
    PREPARED_SET,
    PackedSet,
    PackedWriter,
    check_out,
    is_prepared,
    write_info,
)
from hierattn.data.prepared_set.parts import split
from hierattn.errors import DataError
from hierattn.files import cores, recover, relative_path, whole_folder
from hierattn.progress import Progress, silent

CACHE = ".hierattn-hardness"
"""The folder beside OUT in which features and hardness are cached; deleting it costs time and nothing else."""

_BATCH = 32  # images that are written, and copies that are made, at once


@dataclass
class _Work:
    """One balancing under way; rows are those of the prepared set's manifest."""

    packed: PackedSet
    out: Path
    options: BalanceOptions
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = np.array([record.label for record in self.packed.records])
        self.rows = self._rows_to_balance()
        self.jobs = self.options.jobs or cores()
        self.source, self.final = self.packed.folder.resolve(), self.out.resolve()

    def _rows_to_balance(self) -> np.ndarray:
        if self.options.protocol == "paper":
            return np.arange(len(self.packed))
        return split(self.packed.records, self.options.fold).train

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long a step took."""
        began = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - began, 3)

    def features(self) -> np.ndarray:
        """Of every image of the set, so that what is cached serves every fold."""
        options = self.options
        if options.features is not None:
            return check_features(options.features, len(self.packed))
        with self.timed("features"):
            return features_of_set(
                self.packed,
                options.feature,
                engine=options.engine,
                jobs=self.jobs,
                cache=self._cache(),
                progress=self.progress,
            )

    def hardness(self, features: np.ndarray) -> Hardness:
        """Of the rows to balance."""
        options = self.options
        records = [self.packed.records[row] for row in self.rows]
        fitting = CrossFitting(options.hardness_folds, options.seed, self.jobs, options.engine, self._cache())
        with self.timed("hardness"):
            return instance_hardness(
                features[self.rows],
                self.labels[self.rows],
                make_learners(options.learners, options.seed),
                fitting,
                groups=[record.group or record.image for record in records] if options.grouped_hardness else None,
                progress=self.progress,
            )

    def _cache(self) -> Path:
        return self.options.cache or self.final.parent / CACHE

    def moved(self, image: str) -> str:
        """An image's path, which was relative to the prepared folder, relative to OUT."""
        return relative_path(os.path.normpath(self.source / image), self.final)

    def select(self, hardness: Hardness | None) -> Selection:
        """Which rows stay, and which are copied how: class by class, to the target."""
        options, labels = self.options, self.labels[self.rows]
        if hardness is None:
            easiest = keep_random(labels, options.target, options.seed)
        else:
            easiest = keep_easiest(hardness.values, labels, options.target, options.seed)
        kept = np.zeros(len(self.rows), bool)
        kept[easiest] = True
        return Selection(self.rows, kept, *self._plan_copies(self.rows[kept]))

    def _plan_copies(self, kept: np.ndarray) -> tuple[np.ndarray, list[Change]]:
        """Parents, as rows, and changes."""
        parents, changes, place = [], [], self.packed.taxonomy.codes.index
        for code in sorted(set(self.labels[kept].tolist())):
            own = kept[self.labels[kept] == code]
            missing = max(self.options.target - len(own), 0)
            chosen = own[copies_a_parent(len(own), missing, _generator(self.options.seed, place(code)))]
            parents.append(chosen)
            changes += [
                draw_change(_generator(self.options.seed, place(code), number)) for number in range(len(chosen))
            ]
        return np.concatenate(parents), changes


def balance(
    prepared: Path, out: Path, options: BalanceOptions, *, overwrite: bool = False, progress: Progress | None = None
) -> BalanceReport:
    """Balance a prepared set into another.

    Parameters
    ----------
    prepared
        A folder made by prepare, not balanced yet. It is only read.
    out
        The folder to make. Where it was made before from the same set with the same options, nothing is done.
    options
        How.
    overwrite
        Replace ``out`` where it is a prepared folder; it stays until the new one is whole.
    progress
        Hears of the steps.

    Returns
    -------
    BalanceReport
        Counts, times and notes.

    Raises
    ------
    UsageError
        For an option out of range, or an ``out`` that must not be replaced.
    DataError
        Where the set is balanced already, a class is too small to estimate hardness, or the disk is full.
    """
    options.check()
    prepared, out = Path(prepared), Path(out)
    packed = PackedSet.open(prepared)
    if "balance" in packed.info or any(record.role == "augmented" for record in packed.records):
        raise DataError(f"{prepared} was balanced before: wanted a set as prepare made it; name that one")
    recover(out, PREPARED_SET)
    if not overwrite and (report := _made_before(out, packed, options)):
        return report
    check_out(out, overwrite=overwrite, inputs=[prepared])
    work = _Work(packed, out, options, progress or silent)
    size, classes = packed.image_spec.size, len(set(work.labels.tolist()))
    held_out = len(packed) - len(work.rows)
    expected = (held_out + classes * options.target) * size * size * 3
    with whole_folder(out, PREPARED_SET, inputs=[prepared], expected_bytes=expected) as place:
        return _balance_into(place.folder, work)


def _settings(options: BalanceOptions) -> dict[str, Any]:
    """What decides the result, as the report has it."""
    by_hardness = options.under_sampling == "hardness"
    return {
        "protocol": options.protocol,
        "fold": options.fold if options.protocol == "honest" else None,
        "under_sampling": options.under_sampling,
        "target": options.target,
        "seed": options.seed,
        "feature": options.feature if by_hardness else "",
        "learners": list(options.learners) if by_hardness else [],
        "hardness_folds": options.hardness_folds if by_hardness else 0,
        "grouped": by_hardness and options.grouped_hardness,
    }


def _made_before(out: Path, packed: PackedSet, options: BalanceOptions) -> BalanceReport | None:
    """The report of ``out`` where this very balancing made it; None where features were given, which are not kept."""
    if options.features is not None or not is_prepared(out) or (out / PICTURES).is_dir() != options.pictures:
        return None
    info = PackedSet.open(out).info
    made = info.get("balance", {})
    wanted = {**_settings(options), "source_manifest_sha256": packed.manifest_sha256}
    if any(made.get(name) != value for name, value in wanted.items()):
        return None
    classes = {code: ClassBalance(**counts) for code, counts in made["classes"].items()}
    return BalanceReport(
        out=out,
        **_settings(options),
        classes=classes,
        imbalance_before=made["imbalance_before"],
        imbalance_after=made["imbalance_after"],
        images=info["images"],
        seconds={},
        notes=[*made["notes"], "balanced before from the same set with the same options: nothing was done"],
    )


def _balance_into(folder: Path, work: _Work) -> BalanceReport:
    options, packed = work.options, work.packed
    features = hardness = None
    if options.under_sampling == "hardness":
        features = work.features()
        hardness = work.hardness(features)
    selection = work.select(hardness)
    records = _records(work, selection)
    check_leaks(records)
    originals = np.setdiff1d(np.arange(len(packed)), selection.dropped_rows)
    images_sha256 = _write_images(folder / IMAGES, work, originals, selection)
    write_manifest(folder / MANIFEST, records)
    write_copies(folder / COPIES, records[len(originals) :], selection.changes)
    rewrite_audit(packed.folder / AUDIT, folder / AUDIT, work.moved, _reasons(work, selection, hardness))
    if hardness is not None:
        _write_hardness(folder, work, selection, hardness)
    report = _report(work, selection, hardness, len(records))
    if options.pictures:
        from hierattn.data.balance.pictures import draw_pictures

        with work.timed("pictures"):
            draw_pictures(folder, packed, selection, features, report)
    report = replace(report, seconds=work.seconds)
    _write_info(folder, work, records, report, images_sha256)
    return report


def _records(work: _Work, selection: Selection) -> list[Record]:
    """The new manifest: originals in the old order, then the copies, class by class."""
    dropped = set(selection.dropped_rows.tolist())
    moved = [replace(record, image=work.moved(record.image)) for record in work.packed.records]
    originals = [record for row, record in enumerate(moved) if row not in dropped]
    count: Counter[int] = Counter()
    copies = []
    for row in selection.parents.tolist():
        count[row] += 1
        parent = moved[row]
        # No file has this name: a copy lives in images.npy alone.
        copies.append(replace(parent, image=f"{parent.image}#copy-{count[row]}", role="augmented", parent=parent.image))
    if work.options.protocol == "honest":
        return originals + copies
    return make_folds(originals + copies, int(work.packed.info["folds"]), work.options.seed)


def _write_images(path: Path, work: _Work, originals: np.ndarray, selection: Selection) -> str:
    """Stream originals, then copies, into ``path``; the SHA-256 of all pixels."""
    source, parents, changes = work.packed.folder / IMAGES, selection.parents, selection.changes
    total = len(originals) + len(parents)
    with work.timed("images"), PackedWriter(path, work.packed.image_spec.size, at_most=total) as writer:
        for start in range(0, len(originals), _BATCH):
            images = mapped(source)
            for row in originals[start : start + _BATCH]:
                writer.append(images[row])
            work.progress("images", writer.count, total)
        batches = [slice(start, start + _BATCH) for start in range(0, len(parents), _BATCH)]

        def make(batch: slice) -> list[np.ndarray]:
            images = mapped(source)
            return [
                apply_change(images[row], change) for row, change in zip(parents[batch], changes[batch], strict=True)
            ]

        for copies in run_in_waves(make, batches, jobs=work.jobs, wave=2):
            for copy in copies:
                writer.append(copy)
            work.progress("images", writer.count, total)
    return writer.sha256


def _write_hardness(folder: Path, work: _Work, selection: Selection, hardness: Hardness) -> None:
    records = [work.packed.records[row] for row in work.rows]
    moved = [replace(record, image=work.moved(record.image)) for record in records]
    place = ranks(hardness.values, work.labels[work.rows], work.options.seed)
    write_hardness(folder / HARDNESS, moved, hardness.values, place, selection.kept, hardness.probabilities)


def _reasons(work: _Work, selection: Selection, hardness: Hardness | None) -> dict[str, str]:
    """Image, as the prepared set names it, -> why under-sampling dropped it."""
    reasons = {}
    for number in np.flatnonzero(~selection.kept):
        how = "at random" if hardness is None else f"instance hardness {hardness.values[number]:.3f}"
        reasons[work.packed.records[work.rows[number]].image] = f"under-sampled, {how}"
    return reasons


def _report(work: _Work, selection: Selection, hardness: Hardness | None, images: int) -> BalanceReport:
    labels = work.labels
    classes = count_balance(
        labels[work.rows],
        selection.kept,
        Counter(labels[selection.parents].tolist()),
        Counter(np.delete(labels, work.rows).tolist()),
        hardness.values if hardness is not None else None,
    )
    after = [count.after for count in classes.values()]
    return BalanceReport(
        out=work.out,
        **_settings(work.options),
        classes=classes,
        imbalance_before=imbalance([work.packed.records[row] for row in work.rows]),
        imbalance_after=max(after) / min(after),
        images=images,
        seconds={},
        notes=[PAPER_WARNING] if work.options.protocol == "paper" else [],
    )


def _write_info(folder: Path, work: _Work, records: list[Record], report: BalanceReport, images_sha256: str) -> None:
    """``prepared.json``: the source's, with what has changed, and how."""
    values: dict[str, Any] = {
        **work.packed.info,
        "images": len(records),
        "classes": classes_with_copies(records, int(work.packed.info["folds"])),
        "imbalance": imbalance(records),
        "notes": [*work.packed.info.get("notes", []), *report.notes],
        "balance": report.to_info(work.packed.manifest_sha256),
    }
    write_info(folder, values, images_sha256, work.packed.taxonomy)


def _generator(seed: int, place: int, *number: int) -> np.random.Generator:
    """The generator of the class at that place, or of one copy of it: the same whatever was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place, *number)))
