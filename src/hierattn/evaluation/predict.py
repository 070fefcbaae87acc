"""From a run folder and a prepared set to tables of predictions. Reads the checkpoint, never the training code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hierattn.data.prepared_set.folds import split
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import CheckpointError, DataError, UsageError
from hierattn.evaluation.measures.class_bias import softmax
from hierattn.evaluation.predictions import Predictions
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import predict_logits
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint
from hierattn.models.weights.trained_on import digests_of

Progress = Callable[[str, int, int], None]
"""Hears of (which fold, images done, images in all)."""


@dataclass(frozen=True)
class TrainedRun:
    """What evaluation reads of a run folder: the checkpoint and the digest of the manifest it learnt from."""

    folder: Path
    checkpoint: Checkpoint
    manifest_sha256: str

    @classmethod
    def open(cls, folder: Path) -> TrainedRun:
        """Read a run folder.

        Raises
        ------
        UsageError, CheckpointError
            Where the folder is none of a run, or its checkpoint or digest is missing or damaged.
        """
        if not folder.is_dir():
            raise UsageError(f"no run folder at {folder}: wanted one from 'hierattn train'; run that first")
        checkpoint = load_checkpoint(folder / "best.safetensors")
        digest = folder / "manifest.sha256"
        words = digest.read_text(encoding="utf-8").split() if digest.is_file() else []
        if not words:
            raise CheckpointError(f"{digest} is missing or empty: wanted the manifest's checksum; train or copy again")
        return cls(folder, checkpoint, words[0])

    @property
    def prepared(self) -> Path:
        """The prepared folder that the recipe names."""
        named = str(self.checkpoint.recipe.get("data", {}).get("prepared", ""))
        if not named:
            raise UsageError(f"the checkpoint in {self.folder} names no prepared set: add --data FOLDER")
        return Path(named)

    @property
    def fold(self) -> int:
        """The outer fold, untouched by training."""
        fold = self.checkpoint.recipe.get("data", {}).get("fold")
        if not isinstance(fold, int):
            raise CheckpointError(f"the checkpoint in {self.folder} names no fold: wanted data.fold; train it again")
        return fold

    def open_own_set(self, elsewhere: Path | None = None) -> PackedSet:
        """The set that the run learnt from, where the recipe says or ``elsewhere``.

        Raises
        ------
        DataError
            Where it is not there, or is not the one: its test fold may then hold training images.
        """
        folder = elsewhere or self.prepared
        try:
            packed = PackedSet.open(folder)
        except DataError as error:
            raise DataError(f"{error}; if the set has moved, say where: --data FOLDER") from None
        if packed.manifest_sha256 != self.manifest_sha256:
            raise DataError(
                f"{folder} is not the set this run learnt from (manifest {packed.manifest_sha256[:12]}, wanted "
                f"{self.manifest_sha256[:12]}), so its folds may differ: prepare it as before, or name it with --data "
                "to be judged as a foreign set"
            )
        return packed


def choose_device(wished: str) -> str:
    """The torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UsageError
        For another name, or a device that is not here.
    """
    if wished not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {wished!r}: wanted auto, cpu or cuda")
    if wished == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch finds no such device here; use --device cpu")
    return "cuda" if wished != "cpu" and torch.cuda.is_available() else "cpu"


def predict_rows(
    model: nn.Module,
    packed: PackedSet,
    rows: Sequence[int] | np.ndarray,
    classes: tuple[str, ...],
    spec: ImageSpec,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Predictions of ``model``, which lies on ``device``, for the given rows of a prepared set.

    Raises
    ------
    DataError
        Where a row's label is none of ``classes``, or the network answers nan.
    """
    records = [packed.records[int(row)] for row in rows]
    strange = sorted({record.label for record in records} - set(classes))
    if strange:
        raise DataError(f"images of {', '.join(strange)}, which the model does not know: wanted {', '.join(classes)}")
    logits = predict_logits(
        model, packed.images, np.asarray(rows), spec, batch_size=batch_size, device=device, progress=progress
    )
    if not np.isfinite(logits).all():
        raise DataError("the network answers nan or infinity: its weights are damaged or diverged; train it again")
    probabilities = softmax(logits.reshape(len(records), -1)) if records else np.zeros((0, len(classes)))
    return predictions_of(records, classes, probabilities)


def predictions_of(records: Sequence[Record], classes: tuple[str, ...], probabilities: np.ndarray) -> Predictions:
    """What was answered, (N, C), beside what a manifest knows of the N images; each label is of ``classes``."""
    return Predictions(
        images=tuple(record.image for record in records),
        classes=classes,
        probabilities=probabilities,
        labels=np.array([classes.index(record.label) for record in records], np.int64),
        folds=np.array([record.fold for record in records], np.int64),
        groups=tuple(record.group for record in records),
    )


@dataclass(frozen=True)
class Selection:
    """Rows of a foreign set to judge, and why others were left out."""

    rows: np.ndarray
    notes: tuple[str, ...]


def select_foreign(packed: PackedSet, run: TrainedRun) -> Selection:
    """The original images of a foreign set that the model can be judged on.

    Left out, and said so: classes that the model does not know, and images that it may have learnt from, told by the
    same bytes or by the same lesion of the same source. The bytes are those of every photograph that the weights have
    seen, in earlier runs and through teachers too, where the checkpoint keeps that record.
    """
    known = set(run.checkpoint.classes)
    originals = [row for row, record in enumerate(packed.records) if record.role == "original"]
    rows = [row for row in originals if packed.records[row].label in known]
    notes = []
    if len(rows) < len(originals):
        strange = sorted({packed.records[row].label for row in originals} - known)
        notes.append(
            f"{len(originals) - len(rows)} images of {', '.join(strange)} left out: the model has no such class."
        )
    absent = [code for code in run.checkpoint.classes if code not in {packed.records[row].label for row in rows}]
    if absent:
        notes.append(f"The set has no image of {', '.join(absent)}, which the model knows: nothing is said of them.")
    learnt = _learnt(run)
    record = run.checkpoint.trained_on
    if learnt is None and record is None:
        notes.append("The set that the run learnt from is not at hand, so an overlap with it could not be looked for.")
    else:
        new = [row for row in rows if not _marks(packed.records[row]) & (learnt or set())]
        new = [row for row, seen in zip(new, learnt_before(packed, new, run.checkpoint), strict=True) if not seen]
        if len(new) < len(rows):
            notes.append(f"{len(rows) - len(new)} images left out: the run learnt from them or from the same lesions.")
        if learnt is None:
            notes.append("The run's own set is not at hand: an overlap was looked for by the photographs' bytes alone.")
        rows = new
    return Selection(np.array(rows, np.int64), tuple(notes))


def learnt_before(packed: PackedSet, rows: Sequence[int] | np.ndarray, checkpoint: Checkpoint) -> np.ndarray:
    """Whether the weights have seen each photograph, by the record that travels with them; bool, (rows,).

    All False where the checkpoint has no such record or the set no checksums.
    """
    record = checkpoint.trained_on
    if record is None:
        return np.zeros(len(rows), bool)
    seen = set(record.trained.tolist()) | set(record.chosen.tolist())
    known = (digests_of([packed.records[int(row)].sha256]).tolist() for row in rows)
    return np.array([bool(seen.intersection(one)) for one in known], bool)


def _learnt(run: TrainedRun) -> set[tuple[str, ...]] | None:
    """Marks of everything that training or its choice of an epoch saw; None where the run's own set is not here."""
    try:
        own = run.open_own_set()
    except (DataError, UsageError):
        return None
    parts = split(own.records, run.fold)
    seen = np.concatenate([parts.train, parts.validation])
    return {mark for row in seen for mark in _marks(own.records[int(row)])}


def _marks(record: Record) -> set[tuple[str, ...]]:
    # HAM10000 is a part of ISIC 2019, under the same lesion ids.
    source = "isic" if record.source in ("isic2019", "ham10000") else record.source
    marks = {("bytes", record.sha256)} if record.sha256 else set()
    return marks | ({("lesion", source, record.lesion)} if record.lesion else set())
