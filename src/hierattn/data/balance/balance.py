"""Balance a prepared set (§3.2.2): the one place that orders the steps.

honest (default): leave the outer and the inner fold as they are; of the rest, under-sample the large classes and copy
the small ones. paper: do so with the whole set, and fold what came out anew; copies stay with their original.

The result is a prepared folder like any other: ``train`` and ``evaluate`` take it unchanged. Beside the four files of
prepare it holds hardness.csv (every judged image), copies.csv (every copy, its parent and what was drawn for it) and
pictures of what was done. Like prepare's it appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import hierattn
from hierattn.data.balance.instance_hardness import Hardness, instance_hardness, make_learners
from hierattn.data.balance.kept_features import check_features, features_of_set, mapped
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.balance.oversampling import Change, apply_change, copies_a_parent, draw_change
from hierattn.data.balance.protocol import PAPER_WARNING
from hierattn.data.balance.report import (
    COPIES,
    HARDNESS,
    PICTURES,
    BalanceReport,
    classes_with_copies,
    count_balance,
    rewrite_audit,
    write_copies,
    write_hardness,
)
from hierattn.data.balance.undersampling import keep_easiest, keep_random, ranks
from hierattn.data.engines import cores, run_in_waves
from hierattn.data.prepare.report import imbalance
from hierattn.data.prepared_set.folds import check_leaks, make_folds, split
from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import AUDIT, IMAGES, INFO, MANIFEST, PackedSet, PackedWriter, is_prepared
from hierattn.data.prepared_set.workspace import check_out, emptied, final_folder, recover, relative_path, workspace
from hierattn.errors import DataError, UsageError
from hierattn.taxonomy import CODES

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

KEPT = ".hierattn-hardness"
"""The folder beside OUT in which features and hardness are kept; deleting it costs time and nothing else."""

_BATCH = 32  # images that are written, and copies that are made, at once


@dataclass
class _Work:
    """One balancing under way; rows are those of the prepared set's manifest."""

    packed: PackedSet
    out: Path
    options: BalanceOptions
    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = np.array([record.label for record in self.packed.records])
        self.rows = self._rows_to_balance()
        self.jobs = self.options.jobs or cores()
        self.source, self.final = self.packed.folder.resolve(), final_folder(self.out)

    def _rows_to_balance(self) -> np.ndarray:
        if self.options.protocol == "paper":
            return np.arange(len(self.packed))
        return split(self.packed.records, self.options.fold).train

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Time a step; gives what tells its progress."""
        began = time.perf_counter()
        yield lambda done, total: self.progress(name, done, total) if self.progress is not None else None
        self.seconds[name] = round(time.perf_counter() - began, 3)

    def features(self) -> np.ndarray:
        """Of every image of the set, so that what is kept serves every fold."""
        options = self.options
        if options.features is not None:
            return check_features(options.features, len(self.packed))
        with self.step("features") as tell:
            return features_of_set(
                self.packed, options.feature, engine=options.engine, jobs=self.jobs, keep=self._keep(), progress=tell
            )

    def hardness(self, features: np.ndarray) -> Hardness:
        """Of the rows to balance."""
        options, records = self.options, self.packed.records
        with self.step("hardness") as tell:
            return instance_hardness(
                features[self.rows],
                self.labels[self.rows],
                make_learners(options.learners, options.seed),
                groups=[records[row].group or records[row].image for row in self.rows]
                if options.judged_by_group
                else None,
                folds=options.hardness_folds,
                seed=options.seed,
                jobs=self.jobs,
                engine=options.engine,
                keep=self._keep(),
                progress=tell,
            )

    def _keep(self) -> Path:
        return self.options.keep or self.final.parent / KEPT

    def moved(self, image: str) -> str:
        """An image's path, which was relative to the prepared folder, relative to OUT."""
        return relative_path(os.path.normpath(self.source / image), self.final)

    def plan_copies(self, kept: np.ndarray) -> tuple[np.ndarray, list[Change]]:
        """Parents, as rows, and changes: class by class, as many as are wanted of each."""
        parents, changes = [], []
        for code in sorted(set(self.labels[kept].tolist())):
            own = kept[self.labels[kept] == code]
            wanted = self.options.target - len(own)
            chosen = own[copies_a_parent(len(own), max(wanted, 0), _generator(self.options.seed, code))]
            parents.append(chosen)
            changes += [draw_change(_generator(self.options.seed, code, number)) for number in range(len(chosen))]
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
        The folder to make.
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
        Where the set is balanced already, a class is too small to be judged, or the disk is full.
    """
    options.check()
    prepared, out = Path(prepared), Path(out)
    packed = PackedSet.open(prepared)
    if "balance" in packed.info or any(record.role == "augmented" for record in packed.records):
        raise DataError(f"{prepared} was balanced before: wanted a set as prepare made it; name that one")
    recover(out)
    check_out(out)
    if is_prepared(out) and not overwrite:
        raise UsageError(f"{out} is a prepared set already: choose another folder, or replace it with --overwrite")
    if final_folder(out) == packed.folder.resolve():
        raise UsageError(f"{out} is the set that is to be balanced: it is only read; choose another folder for OUT")
    work = _Work(packed, out, options, progress)
    size = packed.image_spec.size
    classes = len(set(work.labels.tolist()))
    at_most = len(packed) + classes * options.target
    expected = (len(packed) - len(work.rows) + classes * options.target) * size * size * 3
    with workspace(out, expected_bytes=expected) as place:
        return _balance_into(emptied(place), work, at_most)


def _balance_into(folder: Path, work: _Work, at_most: int) -> BalanceReport:
    options, packed, rows = work.options, work.packed, work.rows
    features = hardness = None
    if options.under_sampling == "hardness":
        features = work.features()
        hardness = work.hardness(features)
        chosen = keep_easiest(hardness.values, work.labels[rows], options.target, options.seed)
    else:
        chosen = keep_random(work.labels[rows], options.target, options.seed)
    kept = np.zeros(len(rows), bool)
    kept[chosen] = True
    parents, changes = work.plan_copies(rows[kept])

    records = _records(work, kept, parents)
    check_leaks(records)
    originals = np.setdiff1d(np.arange(len(packed)), rows[~kept])
    images_sha256 = _write_images(folder / IMAGES, work, originals, parents, changes, at_most)
    write_manifest(folder / MANIFEST, records)
    write_copies(folder / COPIES, records[len(originals) :], changes)
    rewrite_audit(packed.folder / AUDIT, folder / AUDIT, work.moved, _reasons(work, kept, hardness))
    if hardness is not None:
        judged = [replace(packed.records[row], image=work.moved(packed.records[row].image)) for row in rows]
        place = ranks(hardness.values, work.labels[rows], options.seed)
        write_hardness(folder / HARDNESS, judged, hardness.values, place, kept, hardness.probabilities)
    report = _report(work, kept, parents, hardness, len(records))
    if options.pictures:
        from hierattn.data.balance.pictures import draw_pictures

        with work.step("pictures"):
            draw_pictures(folder / PICTURES, work.packed, rows, kept, features, parents, changes, report)
    report = replace(report, seconds=work.seconds)
    _write_info(folder, work, records, report, images_sha256)
    return report


def _records(work: _Work, kept: np.ndarray, parents: np.ndarray) -> list[Record]:
    """The new manifest: originals in the old order, then the copies, class by class."""
    dropped = set(work.rows[~kept].tolist())
    moved = [replace(record, image=work.moved(record.image)) for record in work.packed.records]
    originals = [record for row, record in enumerate(moved) if row not in dropped]
    count: Counter[int] = Counter()
    copies = []
    for row in parents.tolist():
        count[row] += 1
        parent = moved[row]
        # No file has this name: a copy lives in images.npy alone.
        copies.append(replace(parent, image=f"{parent.image}#copy-{count[row]}", role="augmented", parent=parent.image))
    if work.options.protocol == "honest":
        return originals + copies
    return make_folds(originals + copies, int(work.packed.info["folds"]), work.options.seed)


def _write_images(
    path: Path, work: _Work, originals: np.ndarray, parents: np.ndarray, changes: list[Change], at_most: int
) -> str:
    """Stream originals, then copies, into ``path``; the SHA-256 of all pixels."""
    source, total = work.packed.folder / IMAGES, len(originals) + len(parents)
    with (
        work.step("images") as tell,
        PackedWriter(path, work.packed.image_spec.size, at_most=max(at_most, total)) as writer,
    ):
        for start in range(0, len(originals), _BATCH):
            images = mapped(source)
            for row in originals[start : start + _BATCH]:
                writer.append(images[row])
            tell(writer.count, total)
        batches = [slice(start, start + _BATCH) for start in range(0, len(parents), _BATCH)]

        def make(batch: slice) -> list[np.ndarray]:
            images = mapped(source)
            return [apply_change(images[row], c) for row, c in zip(parents[batch], changes[batch], strict=True)]

        for copies in run_in_waves(make, batches, jobs=work.jobs, wave=2):
            for copy in copies:
                writer.append(copy)
            tell(writer.count, total)
    return writer.sha256


def _reasons(work: _Work, kept: np.ndarray, hardness: Hardness | None) -> dict[str, str]:
    """Image, as the prepared set names it, -> why under-sampling dropped it."""
    reasons = {}
    for number in np.flatnonzero(~kept):
        told = "at random" if hardness is None else f"instance hardness {hardness.values[number]:.3f}"
        reasons[work.packed.records[work.rows[number]].image] = f"under-sampled, {told}"
    return reasons


def _report(
    work: _Work, kept: np.ndarray, parents: np.ndarray, hardness: Hardness | None, images: int
) -> BalanceReport:
    options, labels = work.options, work.labels
    judged = hardness is not None
    untouched = np.delete(labels, work.rows)
    classes = count_balance(
        labels[work.rows],
        kept,
        Counter(labels[parents].tolist()),
        Counter(untouched.tolist()),
        hardness.values if hardness is not None else None,
    )
    after = [count.after for count in classes.values()]
    return BalanceReport(
        out=work.out,
        protocol=options.protocol,
        fold=options.fold if options.protocol == "honest" else None,
        under_sampling=options.under_sampling,
        target=options.target,
        seed=options.seed,
        feature=options.feature if judged else "",
        learners=list(options.learners) if judged else [],
        hardness_folds=options.hardness_folds if judged else 0,
        grouped=judged and options.judged_by_group,
        classes=classes,
        imbalance_before=imbalance([work.packed.records[row] for row in work.rows]),
        imbalance_after=max(after) / min(after),
        images=images,
        seconds={},
        notes=[PAPER_WARNING] if options.protocol == "paper" else [],
    )


def _write_info(folder: Path, work: _Work, records: list[Record], report: BalanceReport, images_sha256: str) -> None:
    """``prepared.json``: the source's, with what has changed, and how."""
    info: dict[str, Any] = {
        **work.packed.info,
        "images": len(records),
        "classes": classes_with_copies(records, int(work.packed.info["folds"])),
        "imbalance": imbalance(records),
        "manifest_sha256": manifest_sha256(folder / MANIFEST),
        "images_sha256": images_sha256,
        "hierattn": hierattn.__version__,
        "balance": report.to_info(work.packed.manifest_sha256),
    }
    info["notes"] = [*work.packed.info.get("notes", []), *report.notes]
    (folder / INFO).write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _generator(seed: int, code: str, *number: int) -> np.random.Generator:
    """The generator of one class, or of one copy of it: the same whatever was drawn before, in whatever thread."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(CODES.index(code), *number)))
