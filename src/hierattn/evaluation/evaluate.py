"""``evaluate``: a run folder in, its judgement out, in the one order that keeps it honest.

Predict the inner fold, fit temperature and threshold on it, and only then predict and measure the outer fold. The
results lie in ``RUN/evaluation``: ``predictions.csv``, ``predictions_validation.csv``, ``calibration.json``,
``report.json``, ``report.html``, ``figures/``. They are put together aside and moved there whole.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import hierattn
from hierattn.data.folds import split
from hierattn.data.packed import PackedSet
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.calibration import (
    WISHED_SENSITIVITY,
    Calibration,
    fit_calibration,
    judged_on,
    read_calibration,
    write_calibration,
)
from hierattn.evaluation.figures import draw_figures, save_figures
from hierattn.evaluation.gallery import Picture, draw_gallery, may_show
from hierattn.evaluation.html_report import write_html_report
from hierattn.evaluation.predict import Progress, TrainedRun, choose_device, predict_rows, select_foreign
from hierattn.evaluation.predictions import Predictions, write_predictions
from hierattn.evaluation.report import (
    FOREIGN,
    FORMAT_VERSION,
    HONEST,
    read_learning_curve,
    report_from_predictions,
    write_report,
)
from hierattn.models.checkpoint import count_parameters


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, and where it lies.

    Attributes
    ----------
    folder
        ``RUN/evaluation``, or ``RUN/evaluation-NAME`` for a foreign set.
    report
        The contents of ``report.json``.
    predictions
        Of the untouched fold, or of the foreign set.
    validation
        Of the inner fold; None for a foreign set.
    calibration
        Temperature, threshold, and how they did.
    """

    folder: Path
    report: dict[str, Any]
    predictions: Predictions
    validation: Predictions | None
    calibration: Calibration


def evaluate(
    run: Path,
    *,
    prepared: Path | None = None,
    device: str = "auto",
    batch_size: int = 64,
    bootstrap: int = 1000,
    seed: int = 0,
    wished_sensitivity: float = WISHED_SENSITIVITY,
    gallery: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a trained run on images that it never saw.

    Parameters
    ----------
    run
        The run folder.
    prepared
        A prepared set to use in place of the recipe's. Where it is the one that the run learnt from, moved, nothing
        else changes. Where it is another, ALL its original images are judged, with the calibration of the run's own
        evaluation, which must have been made before.
    device
        ``auto``, ``cpu`` or ``cuda``.
    batch_size
        Images in one forward pass.
    bootstrap, seed
        Resamples of groups for the intervals, and their seed.
    wished_sensitivity
        What the triage threshold is set for on the inner fold.
    gallery
        Also show real photographs in the report; rendered ones are always shown.
    progress
        Hears of images done.

    Raises
    ------
    UsageError, DataError, CheckpointError, TableError
        Where the run, the set or a former calibration is missing, damaged, or not of this run.
    """
    trained = TrainedRun.open(run)
    packed, own = _open_set(trained, prepared)
    where = choose_device(device)
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size}: wanted 1 or more")
    model = trained.checkpoint.build().to(where)
    work = _Work(trained, packed, model, where, batch_size, bootstrap, seed, progress)
    judged = work.own_fold(wished_sensitivity) if own else work.foreign_set()
    if not len(judged.predictions):
        raise DataError(f"no image to judge in {packed.folder}: wanted originals of classes that the model knows")
    pictures: dict[str, list[Picture]] = {}
    if gallery or may_show(packed):
        spec = trained.checkpoint.image_spec
        pictures = draw_gallery(model, packed, judged.rows, judged.predictions, spec, device=where)
    report = work.report(judged)
    folder = run / "evaluation" if own else run / f"evaluation-{_plain_name(packed.folder)}"
    _write(folder, judged, report, pictures)
    return Evaluation(folder, report, judged.predictions, judged.validation, judged.calibration)


@dataclass(frozen=True)
class _Judged:
    predictions: Predictions
    rows: np.ndarray
    validation: Predictions | None
    calibration: Calibration
    protocol: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Work:
    """One evaluation under way."""

    trained: TrainedRun
    packed: PackedSet
    model: nn.Module
    device: str
    batch_size: int
    bootstrap: int
    seed: int
    progress: Progress | None

    def own_fold(self, wished_sensitivity: float) -> _Judged:
        """Calibrate on the inner fold, then judge the outer one."""
        parts = split(self.packed.records, self.trained.fold)
        validation = self._predict(parts.validation, "inner fold")
        fitted = fit_calibration(
            validation, wished_sensitivity=wished_sensitivity, resamples=self.bootstrap, seed=self.seed
        )
        predictions = self._predict(parts.test, "untouched fold")
        calibration = judged_on(fitted, predictions, resamples=self.bootstrap, seed=self.seed)
        protocol = {"name": "honest", "text": HONEST, "fold": self.trained.fold, "set": self.packed.folder.name}
        return _Judged(predictions, parts.test, validation, calibration, protocol, ())

    def foreign_set(self) -> _Judged:
        """Judge all that can be judged of another set, with the run's own calibration."""
        own = read_calibration(self.trained.folder / "evaluation" / "calibration.json")
        selection = select_foreign(self.packed, self.trained)
        predictions = self._predict(selection.rows, "foreign set")
        calibration = judged_on(own, predictions, resamples=self.bootstrap, seed=self.seed)
        protocol = {"name": "foreign", "text": FOREIGN, "fold": None, "set": self.packed.folder.name}
        return _Judged(predictions, selection.rows, None, calibration, protocol, selection.notes)

    def _predict(self, rows: np.ndarray, name: str) -> Predictions:
        done = 0

        def advance(images: int) -> None:
            nonlocal done
            done += images
            if self.progress is not None:
                self.progress(name, done, len(rows))

        return predict_rows(
            self.model,
            self.packed,
            rows,
            self.trained.checkpoint.classes,
            self.trained.checkpoint.image_spec,
            device=self.device,
            batch_size=self.batch_size,
            progress=advance,
        )

    def report(self, judged: _Judged) -> dict[str, Any]:
        """The contents of ``report.json``."""
        figures = report_from_predictions(
            judged.predictions, judged.calibration, resamples=self.bootstrap, seed=self.seed
        )
        return {
            "format_version": FORMAT_VERSION,
            "run": self.trained.folder.resolve().name,
            "protocol": judged.protocol,
            "notes": list(judged.notes),
            **figures,
            "provenance": self._provenance(),
            "learning_curve": read_learning_curve(self.trained.folder / "log.csv"),
        }

    def _provenance(self) -> dict[str, Any]:
        checkpoint = self.trained.checkpoint
        recipe: dict[str, Any] = json.loads(json.dumps(checkpoint.recipe))
        if isinstance(recipe.get("data"), dict) and recipe["data"].get("prepared"):
            recipe["data"]["prepared"] = Path(recipe["data"]["prepared"]).name  # a report travels; its paths do not
        if isinstance(recipe.get("transfer"), dict) and recipe["transfer"].get("checkpoint"):
            recipe["transfer"]["checkpoint"] = Path(recipe["transfer"]["checkpoint"]).name
        info = self.packed.info
        return {
            **json.loads(json.dumps(checkpoint.provenance)),
            "model": checkpoint.model,
            "options": dict(checkpoint.options),
            "parameters": count_parameters(self.model),
            "classes": list(checkpoint.classes),
            "image_spec": checkpoint.image_spec.to_dict(),
            "recipe": recipe,
            "evaluated_by": f"hierattn {hierattn.__version__}",
            "judged_on": {
                "source": str(info.get("source", "")),
                "licence": str(info.get("licence", "")),
                "citation": str(info.get("citation", "")),
                "manifest_sha256": self.packed.manifest_sha256,
            },
        }


def _open_set(trained: TrainedRun, prepared: Path | None) -> tuple[PackedSet, bool]:
    """The set to judge on, and whether it is the one that the run learnt from."""
    if prepared is None:
        return trained.open_own_set(), True
    packed = PackedSet.open(prepared)
    return packed, packed.manifest_sha256 == trained.manifest_sha256


def _plain_name(folder: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", folder.resolve().name).strip("-.") or "set"


def _write(folder: Path, judged: _Judged, report: dict[str, Any], pictures: dict[str, list[Picture]]) -> None:
    epoch = report["provenance"].get("epoch")
    figures = draw_figures(
        judged.predictions, judged.calibration, report["learning_curve"], epoch if isinstance(epoch, int) else None
    )
    with _whole_folder(folder) as parts:
        write_predictions(parts / "predictions.csv", judged.predictions)
        if judged.validation is not None:
            write_predictions(parts / "predictions_validation.csv", judged.validation)
        write_calibration(parts / "calibration.json", judged.calibration)
        write_report(parts / "report.json", report)
        save_figures(parts / "figures", figures)
        write_html_report(parts / "report.html", report, figures, pictures)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place once the block has ended well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    parts = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield parts
        parts.chmod(0o755)
        former = parts.with_name(parts.name + "-former")
        if folder.exists():
            folder.rename(former)  # a folder that is not empty cannot be replaced in one step
        parts.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
