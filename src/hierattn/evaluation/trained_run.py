"""A trained run, as evaluation and export read it: its checkpoint, its outer fold and its own prepared set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hierattn.data.prepared_set.looks import FIGURES, Look, Looked, record_look
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import NEXT_FOLD, Split, split
from hierattn.errors import CheckpointError, DataError, UsageError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import Calibration, read_calibration
from hierattn.evaluation.report import report_of
from hierattn.files import file_sha256
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint
from hierattn.run_folder import RunFolder


@dataclass(frozen=True)
class TrainedRun:
    """The checkpoint of a run folder, and the digest of the manifest that it was trained on."""

    run: RunFolder
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
        run = RunFolder(folder)
        return cls(run, load_checkpoint(run.best), run.manifest_sha256())

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.path

    @property
    def prepared(self) -> Path:
        """The prepared folder that the recipe names."""
        prepared = str(self.checkpoint.recipe.get("data", {}).get("prepared", ""))
        if not prepared:
            raise UsageError(f"the checkpoint in {self.folder} names no prepared set: add --data FOLDER")
        return Path(prepared)

    @property
    def fold(self) -> int:
        """The outer fold, which training did not use."""
        fold = self.checkpoint.recipe.get("data", {}).get("fold")
        if not isinstance(fold, int):
            raise CheckpointError(f"the checkpoint in {self.folder} names no fold: wanted data.fold; train it again")
        return fold

    @property
    def left_out_source(self) -> str:
        """The source that training did not use; empty where it was a fold alone."""
        return str(self.checkpoint.recipe.get("data", {}).get("left_out_source", ""))

    @property
    def inner_fold(self) -> int:
        """The fold that chose the epoch; ``NEXT_FOLD`` where it was the one after the outer fold."""
        return int(self.checkpoint.recipe.get("data", {}).get("inner_fold", NEXT_FOLD))

    def parts(self, packed: PackedSet) -> Split:
        """What of ``packed``, the set that the run was trained on, trained, validated and tests."""
        return split(packed.records, self.fold, self.left_out_source, self.inner_fold)

    def record_look(
        self,
        packed: PackedSet,
        images: int,
        figures: Mapping[str, float | None],
        *,
        fold: int | None = None,
        source: str = "",
        known: str = "",
    ) -> Looked:
        """Record that photographs of a set were judged; to be called before the result is shown.

        Parameters
        ----------
        packed
            The set.
        images, figures
            How many were judged, and what came out: of the figures, those of ``looks.FIGURES`` are kept.
        fold, source
            Which: those of a fold, of a source, or all.
        known
            The entry that a former report on them names.
        """
        look = Look(
            file_sha256(self.run.best),
            self.folder.resolve().name,
            fold,
            source,
            images,
            {name: figures[name] for name in FIGURES if name in figures},
            str(self.checkpoint.recipe.get("choose_by", "")),
        )
        instead = self.run.looks_at(packed.manifest_sha256)
        return record_look(packed.folder, packed.manifest_sha256, look, instead=instead, known=known)

    def calibration(self) -> Calibration:
        """That of the run's own evaluation.

        Raises
        ------
        TableError
            Where there is none, or its file is damaged.
        UsageError
            Where it is of other weights.
        """
        evaluation = EvaluationFolder(self.run.evaluation)
        if evaluation.report.is_file():
            report_of(evaluation)
        return read_calibration(evaluation.calibration)

    @property
    def judged(self) -> dict[str, Any]:
        """What judges it in its own set, as :meth:`record_look` takes it: its fold, or the source that it left out."""
        return {"source": self.left_out_source} if self.left_out_source else {"fold": self.fold}

    def open_own_set(self, moved_to: Path | None = None, *, option: str = "--data") -> PackedSet:
        """The set that the run was trained on, where the recipe says or at ``moved_to``, which ``option`` gives.

        Raises
        ------
        DataError
            Where it is not there, or is not the one: its outer fold may then hold training images.
        """
        folder = moved_to or self.prepared
        try:
            packed = PackedSet.open(folder)
        except DataError as error:
            raise DataError(f"{error}; if the set has moved, say where: {option} FOLDER") from None
        if packed.manifest_sha256 != self.manifest_sha256:
            raise DataError(
                f"{folder} is not the set this run was trained on (manifest {packed.manifest_sha256[:12]}, wanted "
                f"{self.manifest_sha256[:12]}), so its folds may differ: prepare it as before, or evaluate on it as an "
                "external set with --data"
            )
        return packed
