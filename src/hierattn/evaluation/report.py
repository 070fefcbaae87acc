"""``report.json``: every figure of an evaluation with its interval. The one place that knows its keys.

A share or an area is ``{"value": ..., "interval": [low, high]}``; what is undefined is null. :class:`Measurements`
follow from predictions alone (:func:`measure_predictions`): the same table gives the same bits again. A
:class:`Report` adds what was evaluated, and how.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.data.prepared_set.looks import Looked
from hierattn.errors import TableError, TaxonomyError, UsageError
from hierattn.evaluation.asking.records import AnswersFigures
from hierattn.evaluation.cases import Case
from hierattn.evaluation.clinical_use.artefacts import Artefacts
from hierattn.evaluation.clinical_use.decision_curves import NetBenefit, measure_net_benefit
from hierattn.evaluation.clinical_use.prevalence import AdviceByPrevalence, measure_by_prevalence
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.abstention import Abstention, measure_abstention
from hierattn.evaluation.measures.calibration import Calibration, error_by_chance, rename_version_1
from hierattn.evaluation.measures.classification import ClassFigures, Classification
from hierattn.evaluation.measures.conformal import SetFigures, measure_sets
from hierattn.evaluation.measures.intervals import LEVEL, Estimate
from hierattn.evaluation.measures.lesion_masks import Saliency
from hierattn.evaluation.measures.operating_points import ClinicalFigures, operating_points, subjects
from hierattn.evaluation.measures.robustness import Robustness
from hierattn.evaluation.measures.subgroups import Subgroups, by_subgroups
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import defined, from_plain, rest, to_plain
from hierattn.evaluation.source_figures import SourceFigures, measure_by_source
from hierattn.files import file_sha256, write_json
from hierattn.notebook_html import NOT_A_DEVICE, notebook_table
from hierattn.run_folder import RunFolder
from hierattn.shares import fraction, percent
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy

FORMAT_VERSION = 3
"""Version 1 had ``wished`` for ``target``, ``sure`` for ``confidence``, ``judged_on`` for ``evaluated_on`` and the
protocol ``foreign`` for ``external``. Versions 1 and 2 had no taxonomy: their classes are some of the paper's
eight."""
MOST_BYTES = 64 << 20
HONEST, PAPER, EXTERNAL, LEFT_OUT_SOURCE = "honest", "paper", "external", "left-out source"
"""Names of protocols."""
PROTOCOLS: Mapping[str, str] = {
    HONEST: (
        "Folds were made first, and no lesion, patient or near-duplicate is in two of them. Training used neither of "
        "two folds: the inner one chose the epoch and fitted temperature and threshold, and the outer one, reported "
        "here, had no part in it."
    ),
    LEFT_OUT_SOURCE: (
        "One source of the set was left out: neither training nor the choice of the epoch saw a photograph of it. It "
        "is reported here, without what shares a lesion, patient or near-duplicate with one that was trained on. "
        "Temperature and threshold are from the other sources' inner fold, as they would be in another clinic."
    ),
    EXTERNAL: (
        "All original images of a set other than the one trained on. Temperature and threshold are the run's own, "
        "fitted on its inner fold; nothing was fitted here."
    ),
}
"""What the page says of them; the paper's has its warning in balance/protocol.py."""
EXTERNAL_BUNDLE = (
    "The answers of an exported bundle, as its users get them, for all original images of a set. Calibration and "
    "threshold are the bundle's own; nothing was fitted here. What the notes say of overlap with its training counts."
)
"""In place of the protocol ``external``'s text, where a bundle was judged."""


@dataclass(frozen=True)
class Bootstrap:
    """How intervals were made: resamples of whole groups."""

    resamples: int
    seed: int
    level: float = LEVEL
    unit: str = "group"


@dataclass(frozen=True)
class BeforeAfter:
    """A figure before and after the calibration."""

    before: float
    after: float


@dataclass(frozen=True)
class CalibrationGain:
    """What the calibration does to the probabilities; the error is counted in ``bins`` of confidence.

    ``by_chance`` is the error that exactly right probabilities would show on as many photographs; None in reports of
    older versions.
    """

    temperature: float
    bins: int
    expected_calibration_error: BeforeAfter
    brier: BeforeAfter
    negative_log_likelihood: BeforeAfter
    by_chance: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What follows from predictions alone.

    Attributes
    ----------
    images, groups, folds
        What was evaluated.
    taxonomy, class_order
        The classes, and their codes in order.
    top1, balanced_accuracy, macro_auc, malignant_auc, melanoma_auc, melanoma_sensitivity
        The headline; ``malignant`` is cancer (of the eight: BCC, MEL and SCC) against the rest.
    malignant_partial_auc
        Above 80 % sensitivity: 0.02 is chance, 0.2 perfect.
    operating_points
        ``malignant`` and ``melanoma``, where the taxonomy has such a class -> figures; empty in reports of older
        versions.
    classes
        Code -> figures.
    confusion_matrix
        Rows are true classes, columns predicted ones, both in ``class_order``.
    bootstrap
        Of all intervals.
    calibration, triage, abstention
        None without a calibration.
    conformal
        Prediction sets fitted on the inner fold; empty without one.
    subgroups
        None where nothing is known of the images.
    net_benefit, by_prevalence
        Of the advice; None without a threshold, and in reports of older versions.
    by_source
        The headline of each source, where the images are of several.
    """

    images: int
    groups: int
    folds: tuple[int, ...]
    taxonomy: Taxonomy
    class_order: tuple[str, ...]
    top1: Estimate
    balanced_accuracy: Estimate
    macro_auc: Estimate
    malignant_auc: Estimate
    melanoma_auc: Estimate
    melanoma_sensitivity: Estimate
    malignant_partial_auc: float | None
    operating_points: Mapping[str, ClinicalFigures] = field(default_factory=dict)
    classes: Mapping[str, ClassFigures]
    confusion_matrix: tuple[tuple[int, ...], ...]
    bootstrap: Bootstrap
    calibration: CalibrationGain | None = None
    triage: Calibration | None = None
    abstention: Abstention | None = None
    conformal: tuple[SetFigures, ...] = ()
    subgroups: Subgroups | None = None
    net_benefit: NetBenefit | None = None
    by_prevalence: AdviceByPrevalence | None = None
    by_source: tuple[SourceFigures, ...] = ()

    @property
    def headline(self) -> dict[str, Estimate]:
        """The headline by the figures' names; what the taxonomy has no class of, cancer or melanoma, is left out."""
        own = subjects(self.taxonomy)
        return {
            "balanced accuracy": self.balanced_accuracy,
            "top-1 accuracy": self.top1,
            "macro AUC": self.macro_auc,
            **({"cancer AUC": self.malignant_auc} if "malignant" in own else {}),
            **({"melanoma sensitivity": self.melanoma_sensitivity} if "melanoma" in own else {}),
        }


@dataclass(frozen=True)
class Protocol:
    """Which images were evaluated: ``fold`` of ``set``, or all of an external set (``fold`` is None).

    With ``source``, all of that source of ``set``, which training left out; ``fold`` is then the other sources' own.
    """

    name: str
    text: str
    fold: int | None
    set: str
    source: str = ""


@dataclass(frozen=True)
class EvaluatedOn:
    """The set that was evaluated."""

    source: str = ""
    licence: str = ""
    citation: str = ""
    manifest_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made the weights, and what evaluated them.

    Attributes
    ----------
    hierattn, commit
        Version and commit that trained; empty where the checkpoint does not say.
    parameters
        Of the network.
    weights_sha256
        Of the file of a run's weights; empty for a bundle, and in reports of before 12/2026.
    source, licence, citation, manifest_sha256, training_images
        The set that was trained on.
    epoch, validation
        The epoch whose weights are kept, counted from 0, and its row of the log.
    model, options, classes
        The network.
    image_spec
        As :meth:`hierattn.image_spec.ImageSpec.to_dict` writes it; older versions had other values in it.
    recipe
        The resolved recipe, with the names of files in place of their paths.
    evaluated_by, evaluated_on
        Version that evaluated, and on what.
    more
        What else the checkpoint says of itself.
    """

    hierattn: str = ""
    commit: str = ""
    parameters: int
    weights_sha256: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    manifest_sha256: str = ""
    training_images: int | None = None
    epoch: int | None = None
    validation: Mapping[str, float] | None = None
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    image_spec: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    evaluated_by: str = ""
    evaluated_on: EvaluatedOn = field(default_factory=EvaluatedOn)
    more: Mapping[str, Any] = rest()


@dataclass(frozen=True, kw_only=True)
class Report(Measurements):
    """The contents of ``report.json``.

    Attributes
    ----------
    run
        Name of its folder.
    protocol, notes
        Which images were evaluated, and what was left out.
    looks
        How often these photographs have been looked at; None in reports of older versions.
    saliency
        None where the set has no masks.
    robustness, artefacts
        None where they were not asked for; the second without a threshold, too.
    answers
        What answers are worth beside the photograph, of which alone all other figures are; None where nothing is asked.
    judged_in
        Name of the taxonomy in which the model's calibrated probabilities were added up; empty: its own.
    bundle
        SHA-256 of the exported bundle whose own answers these are, calibrated already; empty: a run's network.
    provenance
        What made the weights, and what evaluated them.
    learning_curve
        Column of the log -> a value an epoch; empty for imported weights.
    """

    run: str
    protocol: Protocol
    notes: tuple[str, ...]
    looks: Looked | None = None
    saliency: Saliency | None = None
    robustness: Robustness | None = None
    artefacts: Artefacts | None = None
    answers: AnswersFigures | None = None
    judged_in: str = ""
    bundle: str = ""
    provenance: Provenance
    learning_curve: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline figures with their intervals; ``report.html`` has all of them."""
        figures = (
            ("balanced accuracy", self.balanced_accuracy, percent),
            ("top-1 accuracy", self.top1, percent),
            ("macro AUC", self.macro_auc, fraction),
            ("cancer AUC", self.malignant_auc, fraction),
            ("melanoma sensitivity", self.melanoma_sensitivity, percent),
        )
        rows = [
            (
                name,
                shown(estimate.value),
                "" if estimate.interval is None else " to ".join(map(shown, estimate.interval)),
            )
            for name, estimate, shown in figures
            if estimate.value is not None
        ]
        judged = f"{self.images:,} images of {self.groups:,} lesions or patients. {self.protocol.text}"
        heads = ("figure", "value", "95 % interval")
        return notebook_table(f"{self.run}: {self.provenance.model}", rows, [judged, *self.notes, NOT_A_DEVICE], heads)

    def save(self, path: Path) -> None:
        """Write the report as JSON."""
        plain = to_plain(self)
        first = {name: plain.pop(name) for name in ("run", "protocol", "notes")}
        write_json(path, {"format_version": FORMAT_VERSION, **first, **plain})

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a report of this version or an earlier one.

        Raises
        ------
        TableError
            Where it is missing, too large, damaged, or of a later version.
        """
        if not path.is_file():
            raise TableError(f"no report at {path}: wanted one from 'hierattn evaluate RUN'; run that first")
        if path.stat().st_size > MOST_BYTES:
            raise TableError(f"{path} is larger than {MOST_BYTES >> 20} MiB: wanted a report; evaluate again")
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            version = plain["format_version"]
            if not isinstance(version, int) or version < 1:
                raise ValueError(f"format version {version!r}, wanted 1 to {FORMAT_VERSION}")
            if version > FORMAT_VERSION:
                raise ValueError(f"format version {version}, wanted at most {FORMAT_VERSION}: update hierattn")
            if version == 1:
                _rename_version_1(plain)
            if version < 3:
                plain["taxonomy"] = EIGHT.subset(plain["class_order"]).to_dict()
            return from_plain(cls, plain)
        except KeyError as error:
            raise TableError(f"{path} is not a report ({error} is missing); evaluate the run again") from None
        except (AttributeError, TypeError, ValueError, TaxonomyError) as error:
            raise TableError(f"{path} is not a report ({error}); evaluate the run again") from None


def report_of(evaluation: EvaluationFolder, weights: Path | None = None) -> Report:
    """The report of an evaluation, where its figures are those of the weights that are there now.

    Parameters
    ----------
    evaluation
        The folder.
    weights
        The file of the weights; that of the run that the folder lies in where it is None. Nothing is compared where
        there is no such file, or the report is an older one, which does not say whose figures it has.

    Raises
    ------
    TableError
        As :meth:`Report.load`.
    UsageError
        Where the weights are others: a training that went on after its evaluation leaves such a folder.
    """
    report = Report.load(evaluation.report)
    run = RunFolder(evaluation.path.parent)
    weights, said = weights or run.best, report.provenance.weights_sha256
    if said and weights.is_file() and file_sha256(weights) != said:
        raise UsageError(
            f"{evaluation.path} has the figures of other weights than {weights}: the training went on after it; run "
            f"'hierattn evaluate {run.path}' again"
        )
    return report


def _rename_version_1(plain: dict[str, Any]) -> None:
    """Give the keys of version 1 their names of today, in place."""
    provenance, protocol = plain["provenance"], plain["protocol"]
    provenance["evaluated_on"] = provenance.pop("judged_on")
    if protocol["name"] == "foreign":
        protocol["name"] = EXTERNAL
    if "triage" in plain:
        plain["triage"] = rename_version_1(plain["triage"])
    for row in [*plain.get("conformal", ()), *plain.get("abstention", {}).get("steps", ())]:
        row["target"] = row.pop("wished")


def measure_predictions(
    predictions: Predictions,
    calibration: Calibration | None = None,
    *,
    validation: Predictions | None = None,
    cases: Sequence[Case] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Measurements:
    """All figures of ``predictions``.

    Parameters
    ----------
    predictions
        As read from ``predictions.csv``.
    calibration
        Adds ``calibration`` (before and after the temperature), ``triage`` and ``abstention``.
    validation
        Of the inner fold: adds ``conformal``, prediction sets fitted on it.
    cases
        What is known of the images, in the same order: adds ``subgroups``.
    resamples, seed
        Of the bootstrap over groups; 0 resamples gives figures without intervals.
    """
    figures = Classification(predictions, resamples, seed)
    calibrated = None if calibration is None else calibration.apply(predictions.probabilities)
    return Measurements(
        images=len(predictions),
        groups=figures.count_groups(np.ones(len(predictions), bool)),
        folds=tuple(sorted({int(fold) for fold in predictions.folds})),
        taxonomy=predictions.taxonomy,
        class_order=predictions.classes,
        top1=figures.top1(),
        balanced_accuracy=figures.balanced_accuracy(),
        macro_auc=figures.area("macro_auc"),
        malignant_auc=figures.area("malignant_auc"),
        melanoma_auc=figures.of_melanoma("auc"),
        melanoma_sensitivity=figures.of_melanoma("sensitivity"),
        malignant_partial_auc=figures.malignant_partial_auc(),
        operating_points=operating_points(predictions, resamples, seed),
        classes={code: figures.of_class(index) for index, code in enumerate(predictions.classes)},
        confusion_matrix=tuple(map(tuple, figures.matrix.tolist())),
        bootstrap=Bootstrap(resamples, seed),
        calibration=None if calibration is None else _gain(predictions, calibration),
        triage=calibration,
        abstention=None if calibrated is None else measure_abstention(predictions.labels, calibrated),
        conformal=()
        if validation is None or calibration is None
        else measure_sets(validation, predictions, calibration, resamples=resamples, seed=seed),
        subgroups=None
        if cases is None
        else by_subgroups(predictions, cases, calibration, resamples=resamples, seed=seed),
        net_benefit=measure_net_benefit(predictions, calibration, cases, resamples=resamples, seed=seed),
        by_prevalence=measure_by_prevalence(predictions, calibration, resamples=resamples, seed=seed),
        by_source=measure_by_source(predictions, calibration, resamples=resamples, seed=seed),
    )


def _gain(predictions: Predictions, calibration: Calibration) -> CalibrationGain:
    labels, before = predictions.labels, predictions.probabilities
    after = calibration.apply(before)
    return CalibrationGain(
        temperature=calibration.temperature,
        bins=15,
        by_chance=error_by_chance(after),
        **{
            figure.__name__: BeforeAfter(figure(labels, before), figure(labels, after))
            for figure in (metrics.expected_calibration_error, metrics.brier, metrics.negative_log_likelihood)
        },
    )


def read_learning_curve(log: Path) -> dict[str, tuple[float | None, ...]]:
    """The columns of a run's ``log.csv``; empty where there is no log (imported weights).

    Raises
    ------
    TableError
        Where a value is no number.
    """
    if not log.is_file():
        return {}
    with log.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        columns: dict[str, list[float]] = {name: [] for name in names}
        for row in reader:
            for name in names:
                try:
                    columns[name].append(float(row[name]))
                except (TypeError, ValueError):
                    raise TableError(
                        f"{log}:{reader.line_num}: {name} is {row[name]!r}, wanted a number; train the run again"
                    ) from None
    return {name: tuple(map(defined, values)) for name, values in columns.items()}
