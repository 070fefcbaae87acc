"""``evaluate``: a run folder in, its judgement out, in the one order that keeps it honest.

Predict the inner fold, fit temperature and threshold on it, and only then predict and measure the outer fold. The
results lie in ``RUN/evaluation``: ``predictions.csv``, ``predictions_validation.csv``, ``cases.csv``,
``calibration.json``, ``report.json``, ``report.html``, ``figures/``. They are put together aside and moved there whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import hierattn
from hierattn.data.balance.protocol import PAPER_WARNING, is_paper_protocol
from hierattn.data.prepared_set.folds import split
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, LeakError, UsageError
from hierattn.evaluation.cases import Case, case_of, write_cases
from hierattn.evaluation.measures.calibration import (
    WISHED_SENSITIVITY,
    Calibration,
    fit_calibration,
    judged_on,
    read_calibration,
    undefined_as_none,
    write_calibration,
)
from hierattn.evaluation.measures.lesion_masks import judge_saliency
from hierattn.evaluation.measures.robustness import answers_of, choose_rows, judge_robustness
from hierattn.evaluation.measures.thresholds import SURE
from hierattn.evaluation.pages.figures import draw_figures, robustness_figure, save_figures
from hierattn.evaluation.pages.gallery import Picture, draw_gallery, may_show
from hierattn.evaluation.pages.html_report import write_html_report
from hierattn.evaluation.predict import (
    Progress,
    TrainedRun,
    choose_device,
    learnt_before,
    predict_rows,
    select_foreign,
)
from hierattn.evaluation.predictions import Predictions, rows_of, write_predictions
from hierattn.evaluation.report import (
    FOREIGN,
    FORMAT_VERSION,
    HONEST,
    read_learning_curve,
    report_from_predictions,
    write_report,
)
from hierattn.evaluation.whole_folder import whole_folder
from hierattn.models.weights.checkpoint import count_parameters


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
    sure: float = SURE,
    per_class: bool = False,
    robustness: bool = False,
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
    sure
        How sure it is to be that new lesions keep that, 0 to below 1; 0 is an even bet.
    per_class
        Calibrate with a bias a class beside the temperature: see ``class_bias.py`` for what that costs.
    robustness
        Also judge the images under every change of ``photo_changes.py`` at five severities: 55 passes more.
    gallery
        Also show real photographs in the report; rendered ones are always shown.
    progress
        Hears of images done.

    Raises
    ------
    UsageError, DataError, CheckpointError, TableError
        Where the run, the set or a former calibration is missing, damaged, or not of this run.
    LeakError
        Where the weights have seen photographs of the untouched fold, in this run or before it.
    """
    trained = TrainedRun.open(run)
    packed, own = _open_set(trained, prepared)
    where = choose_device(device)
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size}: wanted 1 or more")
    model = trained.checkpoint.build().to(where)
    work = _Work(trained, packed, model, where, batch_size, bootstrap, seed, progress)
    judged = work.own_fold(wished_sensitivity, sure, per_class) if own else work.foreign_set()
    if not len(judged.predictions):
        raise DataError(f"no image to judge in {packed.folder}: wanted originals of classes that the model knows")
    pictures: dict[str, list[Picture]] = {}
    if gallery or may_show(packed):
        spec = trained.checkpoint.image_spec
        pictures = draw_gallery(model, packed, judged.rows, judged.predictions, spec, device=where)
    report = work.report(judged, robustness)
    folder = run / "evaluation" if own else run / f"evaluation-{_plain_name(packed.folder)}"
    _write(folder, judged, work.cases(judged), report, pictures)
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

    def own_fold(self, wished_sensitivity: float, sure: float, per_class: bool) -> _Judged:
        """Calibrate on the inner fold, then judge the outer one."""
        parts = split(self.packed.records, self.trained.fold)
        validation = self._predict(parts.validation, "inner fold")
        fitted = fit_calibration(
            validation,
            wished_sensitivity=wished_sensitivity,
            sure=sure,
            per_class=per_class,
            resamples=self.bootstrap,
            seed=self.seed,
        )
        paper = is_paper_protocol(self.packed.info)
        rows = self._whole_fold() if paper else self._untouched(parts.test)
        predictions = self._predict(rows, "untouched fold")
        calibration = judged_on(fitted, predictions, resamples=self.bootstrap, seed=self.seed)
        told = {"name": "paper", "text": PAPER_WARNING} if paper else {"name": "honest", "text": HONEST}
        protocol = {**told, "fold": self.trained.fold, "set": self.packed.folder.name}
        return _Judged(predictions, rows, validation, calibration, protocol, (PAPER_WARNING,) if paper else ())

    def _untouched(self, rows: np.ndarray) -> np.ndarray:
        """The outer fold's rows, once the record that travels with the weights agrees that none was seen."""
        seen = learnt_before(self.packed, rows, self.trained.checkpoint)
        if seen.any():
            first = self.packed.records[int(rows[np.flatnonzero(seen)[0]])].image
            raise LeakError(
                f"{int(seen.sum())} photographs of the untouched fold were learnt from, {first} is the first: wanted "
                "none; train again from weights that have not seen this fold"
            )
        return rows

    def _whole_fold(self) -> np.ndarray:
        """Every row of the outer fold, augmented copies as well: what the paper's protocol judges."""
        return np.flatnonzero([record.fold == self.trained.fold for record in self.packed.records])

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

    def report(self, judged: _Judged, robustness: bool = False) -> dict[str, Any]:
        """The contents of ``report.json``."""
        figures = report_from_predictions(
            judged.predictions,
            judged.calibration,
            validation=judged.validation,
            cases=self.cases(judged),
            resamples=self.bootstrap,
            seed=self.seed,
        )
        if (saliency := self._saliency(judged)) is not None:
            figures["saliency"] = undefined_as_none(saliency)
        if robustness:
            figures["robustness"] = undefined_as_none(self._robustness(judged))
        return {
            "format_version": FORMAT_VERSION,
            "run": self.trained.folder.resolve().name,
            "protocol": judged.protocol,
            "notes": list(judged.notes),
            **figures,
            "provenance": self._provenance(),
            "learning_curve": read_learning_curve(self.trained.folder / "log.csv"),
        }

    def cases(self, judged: _Judged) -> tuple[Case, ...]:
        """What is known of each image beside its diagnosis."""
        return tuple(case_of(self.packed.records[int(row)]) for row in judged.rows)

    def _saliency(self, judged: _Judged) -> dict[str, Any] | None:
        return judge_saliency(
            self.model,
            self.packed,
            judged.rows,
            judged.predictions,
            self.trained.checkpoint.image_spec,
            device=self.device,
            resamples=self.bootstrap,
            seed=self.seed,
        )

    def _robustness(self, judged: _Judged) -> dict[str, Any]:
        chosen = choose_rows(judged.predictions, seed=self.seed)
        spec = self.trained.checkpoint.image_spec
        report = self.progress
        return judge_robustness(
            answers_of(self.model, spec, device=self.device, batch_size=self.batch_size),
            self.packed.images[judged.rows[chosen]],
            rows_of(judged.predictions, chosen),
            judged.calibration,
            resamples=self.bootstrap,
            seed=self.seed,
            progress=None if report is None else lambda done, passes: report("changed photographs", done, passes),
        )

    def _provenance(self) -> dict[str, Any]:
        checkpoint = self.trained.checkpoint
        recipe: dict[str, Any] = json.loads(json.dumps(checkpoint.recipe))
        for table, key in (("data", "prepared"), ("transfer", "checkpoint"), ("distillation", "teacher")):
            if isinstance(recipe.get(table), dict) and recipe[table].get(key):
                recipe[table][key] = _file_names(recipe[table][key])  # a report travels; its paths do not
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


def _file_names(paths: str | list[str]) -> str | list[str]:
    return Path(paths).name if isinstance(paths, str) else [Path(path).name for path in paths]


def _open_set(trained: TrainedRun, prepared: Path | None) -> tuple[PackedSet, bool]:
    """The set to judge on, and whether it is the one that the run learnt from."""
    if prepared is None:
        return trained.open_own_set(), True
    packed = PackedSet.open(prepared)
    return packed, packed.manifest_sha256 == trained.manifest_sha256


def _plain_name(folder: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", folder.resolve().name).strip("-.") or "set"


def _write(
    folder: Path,
    judged: _Judged,
    cases: Sequence[Case],
    report: dict[str, Any],
    pictures: dict[str, list[Picture]],
) -> None:
    epoch = report["provenance"].get("epoch")
    figures = draw_figures(
        judged.predictions, judged.calibration, report["learning_curve"], epoch if isinstance(epoch, int) else None
    )
    if "robustness" in report:
        figures["robustness"] = robustness_figure(report["robustness"])
    with whole_folder(folder) as parts:
        write_predictions(parts / "predictions.csv", judged.predictions)
        if judged.validation is not None:
            write_predictions(parts / "predictions_validation.csv", judged.validation)
        write_cases(parts / "cases.csv", cases)
        write_calibration(parts / "calibration.json", judged.calibration)
        write_report(parts / "report.json", report)
        save_figures(parts / "figures", figures)
        write_html_report(parts / "report.html", report, figures, pictures)
