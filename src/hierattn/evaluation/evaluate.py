"""``evaluate``: a run folder in, a report out, in the one order that keeps it honest.

Predict the inner fold, fit temperature and threshold on it, and only then predict and measure the outer fold. The
results lie in ``RUN/evaluation`` (:mod:`hierattn.evaluation.folder`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import hierattn
from hierattn.data.balance.protocol import PAPER_WARNING, is_paper_protocol
from hierattn.data.prepare.decisions import notes_on_test_labels
from hierattn.data.prepared_set.looks import FIGURES
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import CheckpointError, DataError, TableError, UsageError
from hierattn.evaluation.asking.answered import Answered
from hierattn.evaluation.asking.figures import Part, answers_alone, fit_answers_temperature, measure_answers
from hierattn.evaluation.asking.records import AnswersFigures
from hierattn.evaluation.cases import Case, case_of, write_cases
from hierattn.evaluation.clinical_use.artefacts import measure_artefacts
from hierattn.evaluation.coarser import Coarser
from hierattn.evaluation.crossed import crossed_runs
from hierattn.evaluation.folder import KIND, EvaluationFolder
from hierattn.evaluation.isic_form import check_isic_form, write_isic_form
from hierattn.evaluation.measures.calibration import (
    TARGET_SENSITIVITY,
    Calibration,
    evaluate_calibration,
    fit_calibration,
    write_calibration,
)
from hierattn.evaluation.measures.robustness import choose_rows, measure_robustness
from hierattn.evaluation.measures.saliency import measure_saliency
from hierattn.evaluation.measures.thresholds import CONFIDENCE
from hierattn.evaluation.pages.clinical_use import net_benefit_figures
from hierattn.evaluation.pages.figures import draw_figures, robustness_figure, save_figures
from hierattn.evaluation.pages.gallery import Near, Picture, draw_gallery, may_show
from hierattn.evaluation.pages.html_report import write_html_report
from hierattn.evaluation.predict import Answering, Network, choose_device, predict_rows, predictions_of
from hierattn.evaluation.predictions import Predictions, rows_of, write_predictions
from hierattn.evaluation.records import from_plain
from hierattn.evaluation.report import (
    EXTERNAL,
    HONEST,
    LEFT_OUT_SOURCE,
    PAPER,
    PROTOCOLS,
    Protocol,
    Provenance,
    Report,
    measure_predictions,
)
from hierattn.evaluation.selection import Selection, inner_fold, outer_fold
from hierattn.evaluation.similar.beside import neighbours_of, training_set
from hierattn.evaluation.subject import RunSubject, Subject
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import check_replaceable, whole_folder
from hierattn.preprocessing.cleaning import clean_changed
from hierattn.progress import Progress
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.records import Taxonomy
from hierattn.tracking.results import Results
from hierattn.tracking.trackers import attach_results


@dataclass(frozen=True)
class EvaluateOptions:
    """How a run is evaluated.

    Attributes
    ----------
    device
        ``auto``, ``cpu`` or ``cuda``.
    batch_size
        Images in one forward pass.
    bootstrap, seed
        Resamples of groups for the intervals, and their seed.
    target_sensitivity
        What the triage threshold is set for on the inner fold.
    confidence
        That new lesions reach it, 0 to below 1; 0 holds for new lesions only half the time.
    per_class
        Calibrate with a bias a class beside the temperature: see ``class_bias.py`` for what that costs.
    robustness
        Also measure the images under every change of ``photo_changes.py`` at five severities, and with the things of
        ``artefacts.py`` on them: some 70 passes more.
    gallery
        Also show real photographs in the report; rendered ones are always shown.
    similar
        Also show the nearest training photographs beside each mistake that is shown.
    isic_form
        Also write the answers in the ISIC challenge's form of that year, a key of ``isic_form.FORMS``; empty: do not.
    taxonomy
        Judge in this taxonomy, to which the model's classes and the set's are counted (:mod:`hierattn.taxonomy`); with
        the calibration of the run's own evaluation, which must have been made before. None: the model's own.
    """

    device: str = "auto"
    batch_size: int = 64
    bootstrap: int = 1000
    seed: int = 0
    target_sensitivity: float = TARGET_SENSITIVITY
    confidence: float = CONFIDENCE
    per_class: bool = False
    robustness: bool = False
    gallery: bool = False
    similar: bool = False
    isic_form: str = ""
    taxonomy: Taxonomy | None = None

    def __post_init__(self) -> None:
        if self.taxonomy is not None and (self.robustness or self.gallery or self.similar or self.isic_form):
            raise UsageError(
                "--taxonomy with --robustness, --gallery, --similar or --isic-form: wanted those without it"
            )
        if self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size}: wanted 1 or more")


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, and where they lie.

    Attributes
    ----------
    folder
        ``RUN/evaluation``, or ``RUN/evaluation-NAME`` for an external set; of a bundle, the folder that was named.
    report
        The contents of ``report.json``.
    predictions
        Of the outer fold, or of the external set.
    validation
        Of the inner fold; None for an external set.
    calibration
        Temperature, threshold, and how they did.
    attached
        Where the results were attached to a tracked run, or why not, a sentence a tracker.
    """

    folder: Path
    report: Report
    predictions: Predictions
    validation: Predictions | None
    calibration: Calibration
    attached: tuple[str, ...] = ()


def evaluate(
    run: Path,
    options: EvaluateOptions | None = None,
    *,
    prepared: Path | None = None,
    calibrate_with: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a trained run on images that it never saw.

    Parameters
    ----------
    run
        The run folder.
    options
        How; the defaults of :class:`EvaluateOptions`.
    prepared
        A prepared set to use in place of the recipe's. Where it is the one that the run was trained on, moved, nothing
        else changes. Where it is another, ALL its original images are evaluated, with the calibration of the run's own
        evaluation, which must have been made before.
    calibrate_with
        Run folders of the same recipe and outer fold with other inner folds (:mod:`hierattn.evaluation.crossed`):
        temperature and threshold are fitted on the inner folds of all of them.
    progress
        Told of images done.

    Raises
    ------
    UsageError, DataError, CheckpointError, TableError
        Where the run, the set or a former calibration is missing, damaged, or not of this run; where the folder for
        the results holds something that an evaluation did not make.
    LeakError
        Where the weights have seen photographs of the outer fold, in this run or before it.
    """
    options = options or EvaluateOptions()
    trained = TrainedRun.open(run)
    packed, own = _open_set(trained, prepared)
    coarser = None
    if options.taxonomy is not None:
        coarser = _coarser(options.taxonomy, trained.checkpoint.taxonomy, packed)
    folder = _results_folder(RunFolder(run), packed, own, options.taxonomy)
    check_replaceable(folder, KIND)
    if options.isic_form:
        _check_isic_form(options.isic_form, trained, packed, own)
    training = training_set(trained, packed, options.gallery) if options.similar else None
    if calibrate_with and not (own and coarser is None):
        raise UsageError("--calibrate-with on another set or in a --taxonomy: wanted the run's own set and classes")
    crossed = crossed_runs(trained, calibrate_with, packed)
    subject = RunSubject(trained, trained.judged if own else {})
    network = _network(trained, options)
    near = None if training is None else neighbours_of(trained, training, network, packed.images, progress)
    work = _Work(subject, packed, network, options, progress, coarser, tuple(crossed), near)
    measured = work.own_fold(trained) if own else work.external_set()
    evaluation = work.finish(folder, measured)
    return replace(evaluation, attached=attach_results(RunFolder(run), _results(evaluation, packed, options)))


def _results(evaluation: Evaluation, packed: PackedSet, options: EvaluateOptions) -> Results:
    """What trackers may have: figures of whole groups, and the page where it shows no photograph of a person."""
    files = EvaluationFolder(evaluation.folder)
    pages = () if options.gallery and not may_show(packed) else (files.page,)
    headline = {name: estimate.value for name, estimate in evaluation.report.headline.items()}
    return Results.of(files.path.name, headline, (files.report, *pages), files.figures)


def evaluate_external(
    subject: Subject,
    network: Answering,
    packed: PackedSet,
    folder: Path,
    options: EvaluateOptions,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model without a run folder on all that can be evaluated of a set; nothing is fitted.

    Parameters
    ----------
    subject, network
        The model, and what answers for it.
    packed
        The set.
    folder
        Where the results go: a new folder, or a former evaluation's.
    options, progress
        As for :func:`evaluate`.

    Raises
    ------
    UsageError, DataError, CheckpointError, TableError
        As for :func:`evaluate`.
    """
    check_replaceable(folder, KIND, inputs=[packed.folder])
    if options.isic_form:
        originals = [record.image for record in packed.records if not record.parent]
        check_isic_form(options.isic_form, network.taxonomy.codes, originals)
    coarser = None if options.taxonomy is None else _coarser(options.taxonomy, network.taxonomy, packed)
    work = _Work(subject, packed, network, options, progress, coarser)
    return work.finish(folder, work.external_set())


@dataclass(frozen=True)
class _Predicted:
    """The images that are evaluated, and what was predicted of them: row ``i`` is image ``rows[i]`` of the set."""

    predictions: Predictions
    rows: np.ndarray
    validation: Predictions | None
    calibration: Calibration
    protocol: Protocol
    notes: tuple[str, ...]
    answers: AnswersFigures | None = None


@dataclass(frozen=True)
class _Work:
    """One evaluation under way."""

    subject: Subject
    packed: PackedSet
    network: Answering
    options: EvaluateOptions
    progress: Progress | None
    coarser: Coarser | None = None
    crossed: tuple[TrainedRun, ...] = ()
    near: Callable[[int], tuple[Near, ...]] | None = None

    def own_fold(self, trained: TrainedRun) -> _Predicted:
        """Calibrate on the inner fold, then predict the outer one."""
        options = self.options
        if self.coarser is not None:
            return self._own_fold_coarser(trained, self.coarser)
        inner = self._answered(inner_fold(self.packed, trained), "inner fold")
        validation = self._inner_folds(trained, inner)
        fitted = fit_calibration(
            validation,
            target_sensitivity=options.target_sensitivity,
            confidence=options.confidence,
            per_class=options.per_class,
            resamples=options.bootstrap,
            seed=options.seed,
        )
        if inner is not None:
            fitted = replace(fitted, answers_temperature=fit_answers_temperature(inner, options.seed))
        paper = is_paper_protocol(self.packed.info)
        source = trained.left_out_source
        whole = self._whole_fold(trained.fold)
        selection = Selection(whole, (PAPER_WARNING,)) if paper else outer_fold(self.packed, trained)
        rows = selection.rows
        step = "left-out source" if source else "outer fold"
        test = self._answered(rows, step)
        predictions = self._predict(rows, step) if test is None else test.photograph
        name = PAPER if paper else LEFT_OUT_SOURCE if source else HONEST
        protocol = Protocol(
            name=name,
            text=PAPER_WARNING if paper else PROTOCOLS[name],
            fold=trained.fold,
            set=self.packed.folder.name,
            source=source,
        )
        tested = None if source else trained.fold
        notes = selection.notes + notes_on_test_labels(self.packed.info, tested)
        measured = _Predicted(predictions, rows, validation, self._measured(fitted, predictions), protocol, notes)
        return measured if test is None else replace(measured, answers=self._answers(test, measured, trained))

    def _answered(self, rows: np.ndarray, step: str) -> Answered | None:
        """Of a network that asks: its one pass over these photographs, which gives every answer. None of others."""
        if not (isinstance(self.network, Network) and self.network.asks):
            return None
        return Answered.of(self.network, self.packed, rows, progress=self.progress, step=step)

    def _answers(self, test: Answered, predicted: _Predicted, trained: TrainedRun) -> AnswersFigures:
        """What answers are worth on the outer fold."""
        network, temperature = self.network, predicted.calibration.answers_temperature
        assert temperature is not None
        assert isinstance(network, Network)
        alone = answers_alone(network, self.packed, trained)
        how = {"resamples": self.options.bootstrap, "seed": self.options.seed}
        part = Part(test, alone, predicted.calibration, temperature)
        return measure_answers([part], network.taxonomy.questions, **how)

    def _inner_folds(self, trained: TrainedRun, known: Answered | None) -> Predictions:
        """Of the run's inner fold, whose answers may be ``known``, and of each crossed run's by its own network."""
        rows, answers = [], []
        for run in (trained, *self.crossed):
            network = self.network if run is trained else _network(run, self.options)
            rows.append(inner_fold(self.packed, run))
            if run is trained and known is not None:
                answers.append(known.photograph.probabilities)
                continue
            answers.append(network.probabilities(self.packed.images, rows[-1], self.progress, "inner fold"))
        records = [self.packed.records[int(row)] for row in np.concatenate(rows)]
        return predictions_of(records, self.network.taxonomy, np.concatenate(answers))

    def _own_fold_coarser(self, trained: TrainedRun, coarser: Coarser) -> _Predicted:
        """The outer fold in another taxonomy, with what the run's own evaluation fitted."""
        if is_paper_protocol(self.packed.info):
            raise UsageError("--taxonomy with the paper's protocol: wanted a run on a set that was folded first")
        own = self.subject.calibration()
        selection, source = outer_fold(self.packed, trained), trained.left_out_source
        predictions = self._predict_coarser(coarser, own, selection.rows, "outer fold")
        name = LEFT_OUT_SOURCE if source else HONEST
        protocol = Protocol(name, PROTOCOLS[name], trained.fold, self.packed.folder.name, source)
        notes = selection.notes + coarser.notes() + notes_on_test_labels(self.packed.info, trained.fold)
        measured = self._measured(coarser.calibration(own), predictions)
        return _Predicted(predictions, selection.rows, None, measured, protocol, notes)

    def _predict_coarser(self, coarser: Coarser, own: Calibration, rows: np.ndarray, step: str) -> Predictions:
        probabilities = self.network.probabilities(self.packed.images, rows, self.progress, step)
        return coarser.predictions([self.packed.records[int(row)] for row in rows], probabilities, own)

    def _whole_fold(self, fold: int) -> np.ndarray:
        """Every row of the outer fold, augmented copies as well: what the paper's protocol evaluates."""
        return np.flatnonzero([record.fold == fold for record in self.packed.records])

    def external_set(self) -> _Predicted:
        """Predict all that can be evaluated of another set, with the model's own calibration."""
        own, coarser = self.subject.calibration(), self.coarser
        selection = self.subject.select(self.packed, None if coarser is None else coarser.labels)
        if coarser is None:
            predictions = self._predict(selection.rows, "external set")
        else:
            predictions = self._predict_coarser(coarser, own, selection.rows, "external set")
            own = coarser.calibration(own)
        protocol = Protocol(EXTERNAL, self.subject.external_text, None, self.packed.folder.name)
        notes = selection.notes + notes_on_test_labels(self.packed.info)
        notes += () if coarser is None else coarser.notes()
        return _Predicted(predictions, selection.rows, None, self._measured(own, predictions), protocol, notes)

    def _predict(self, rows: np.ndarray, step: str) -> Predictions:
        return predict_rows(self.network, self.packed, rows, progress=self.progress, step=step)

    def _measured(self, calibration: Calibration, predictions: Predictions) -> Calibration:
        return evaluate_calibration(calibration, predictions, resamples=self.options.bootstrap, seed=self.options.seed)

    def finish(self, folder: Path, measured: _Predicted) -> Evaluation:
        """Measure, record the look and write the folder."""
        if not len(measured.predictions):
            raise DataError(
                f"no image to evaluate in {self.packed.folder}: wanted originals of classes that the model knows "
                f"({', '.join(self.network.taxonomy.codes[:12])}) and that it was not trained on, or a --taxonomy with "
                "a place for the classes of both"
            )
        pictures: dict[str, list[Picture]] = {}
        shown = self.coarser is None and (self.options.gallery or may_show(self.packed))
        if shown and isinstance(self.network, Network):
            pictures = draw_gallery(self.network, self.packed, measured.rows, measured.predictions, near=self.near)
        report = self.report(measured)
        figures = {name: getattr(report, name).value for name in FIGURES}
        known = _former_look(EvaluationFolder(folder), self.packed)
        looked = self.subject.record_look(self.packed, report.images, figures, known=known)
        report = replace(report, looks=looked)
        _write(folder, measured, self.cases(measured), report, pictures, self.options.isic_form)
        return Evaluation(folder, report, measured.predictions, measured.validation, measured.calibration)

    def cases(self, predicted: _Predicted) -> tuple[Case, ...]:
        """What is known of each image beside its diagnosis."""
        return tuple(case_of(self.packed.records[int(row)]) for row in predicted.rows)

    def report(self, predicted: _Predicted) -> Report:
        """The contents of ``report.json``."""
        how = {"resamples": self.options.bootstrap, "seed": self.options.seed}
        measurements = measure_predictions(
            predicted.predictions,
            predicted.calibration,
            validation=predicted.validation,
            cases=self.cases(predicted),
            **how,
        )
        return Report(
            **vars(measurements),
            run=self.subject.name,
            protocol=predicted.protocol,
            notes=predicted.notes,
            saliency=measure_saliency(self.network, self.packed, predicted.rows, predicted.predictions, **how)
            if self.coarser is None and isinstance(self.network, Network)
            else None,
            **(self._changed(predicted) if self.options.robustness else {}),
            answers=predicted.answers,
            judged_in="" if self.coarser is None else self.coarser.taxonomy.name,
            bundle=self.subject.bundle,
            provenance=self._provenance(),
            learning_curve=self.subject.learning_curve(),
        )

    def _changed(self, predicted: _Predicted) -> dict[str, Any]:
        """What is said of photographs that were changed: ``robustness`` and ``artefacts`` of the report."""
        rows, spec = choose_rows(predicted.predictions, seed=self.options.seed), self.packed.image_spec
        of_all = (
            lambda images: self.network.probabilities(clean_changed(images, spec), np.arange(len(images))),
            self.packed.images[predicted.rows[rows]],
            rows_of(predicted.predictions, rows),
            predicted.calibration,
        )
        resamples, seed, progress = self.options.bootstrap, self.options.seed, self.progress
        return {
            "robustness": measure_robustness(*of_all, resamples=resamples, seed=seed, progress=progress),
            "artefacts": measure_artefacts(*of_all, resamples=resamples, seed=seed, progress=progress),
        }

    def _provenance(self) -> Provenance:
        info = self.packed.info
        plain = {
            **self.subject.provenance(),
            "parameters": self.network.parameters,
            "evaluated_by": f"hierattn {hierattn.__version__}",
            "evaluated_on": {
                **{name: str(info.get(name, "")) for name in ("source", "licence", "citation")},
                "manifest_sha256": self.packed.manifest_sha256,
            },
        }
        try:
            return from_plain(Provenance, plain)
        except ValueError as error:
            raise CheckpointError(f"what {self.subject.name} says of its provenance is damaged ({error})") from None


def _network(trained: TrainedRun, options: EvaluateOptions) -> Network:
    checkpoint, device = trained.checkpoint, choose_device(options.device)
    model = checkpoint.build().to(device)
    return Network(model, checkpoint.taxonomy, checkpoint.image_spec, device, options.batch_size)


def _open_set(trained: TrainedRun, prepared: Path | None) -> tuple[PackedSet, bool]:
    """The set to evaluate on, and whether it is the one that the run was trained on."""
    if prepared is None:
        return trained.open_own_set(), True
    packed = PackedSet.open(prepared)
    return packed, packed.manifest_sha256 == trained.manifest_sha256


def _results_folder(run: RunFolder, packed: PackedSet, own: bool, taxonomy: Taxonomy | None) -> Path:
    """Where the results go: a folder by the set's name, and by its manifest too where that is another set's results."""
    judged_in = "" if taxonomy is None else f"-in-{plain_name(taxonomy.name)}"
    if own:
        return run.evaluation.with_name(f"{run.evaluation.name}{judged_in}")
    name = plain_name(packed.folder.resolve().name)
    folder = run.evaluation_on(f"{name}{judged_in}")
    former = _former_report(EvaluationFolder(folder))
    if former is None or former.provenance.evaluated_on.manifest_sha256 == packed.manifest_sha256:
        return folder
    return run.evaluation_on(f"{name}-{packed.manifest_sha256[:8]}{judged_in}")


def _check_isic_form(year: str, trained: TrainedRun, packed: PackedSet, own: bool) -> None:
    """Refuse, before anything is predicted, what the challenge's form cannot hold."""
    if own and is_paper_protocol(packed.info):
        raise UsageError(
            "--isic-form with the paper's protocol, which evaluates augmented copies: the form has a row a photograph; "
            "evaluate a run on a set that was not balanced before it was folded"
        )
    originals = [record for record in packed.records if not record.parent]
    images = [record.image for record in originals if not own or record.fold == trained.fold]
    check_isic_form(year, trained.checkpoint.classes, images)


def _former_report(folder: EvaluationFolder) -> Report | None:
    """The report that would be replaced; None where there is none that can be read."""
    try:
        return Report.load(folder.report)
    except TableError:
        return None


def _former_look(folder: EvaluationFolder, packed: PackedSet) -> str:
    """The entry that the report to be replaced names; empty without one, or where it was of another set."""
    former = _former_report(folder)
    if former is None or former.looks is None:
        return ""
    return former.looks.entry if former.provenance.evaluated_on.manifest_sha256 == packed.manifest_sha256 else ""


def _coarser(taxonomy: Taxonomy, fine: Taxonomy, packed: PackedSet) -> Coarser:
    originals = [record for record in packed.records if record.role == "original"]
    return Coarser.of(taxonomy, fine, packed.taxonomy, originals)


def plain_name(name: str) -> str:
    """A name as it may stand in a folder's name.

    >>> plain_name("my set (2)")
    'my-set-2'
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "set"


def _write(
    folder: Path,
    predicted: _Predicted,
    cases: Sequence[Case],
    report: Report,
    pictures: Mapping[str, Sequence[Picture]],
    isic_form: str,
) -> None:
    figures = draw_figures(predicted.predictions, predicted.calibration, report.learning_curve, report.provenance.epoch)
    figures |= net_benefit_figures(report)
    if report.robustness is not None:
        figures["robustness"] = robustness_figure(report.robustness)
    with whole_folder(folder, KIND) as workspace:
        parts = EvaluationFolder(workspace.folder)
        write_predictions(parts.predictions, predicted.predictions)
        if predicted.validation is not None:
            write_predictions(parts.validation, predicted.validation)
        if isic_form:
            write_isic_form(parts.isic_form(isic_form), predicted.predictions, isic_form)
        write_cases(parts.cases, cases)
        write_calibration(parts.calibration, predicted.calibration)
        save_figures(parts.figures, figures)
        write_html_report(parts.page, report, figures, pictures)
        report.save(parts.report)
