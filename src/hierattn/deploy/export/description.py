"""What a bundle says of itself, gathered from the checkpoint and the evaluation beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hierattn
from hierattn.bundle.bundle import Bundle
from hierattn.bundle.prediction_set import SetRule
from hierattn.bundle.reference import CLASSES, Counts, count_answers
from hierattn.bundle.thresholds import TriageSettings
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import Calibration, read_calibration, risk
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import Report
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.taxonomy.records import Taxonomy

FIGURES = ("images", "top1", "balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "melanoma_sensitivity")
"""What is copied from the report."""

MOST_SEEN = 100_000
"""Digests of photographs that a bundle carries, about 1 MB: of more it carries none."""

HEATMAPS = {
    "branch": "exact parts of the logits by place, from branch attention's pixels on a grid of 15 x 15; docs/bundle.md",
    "last stage": "exact parts of the logits by place, from the last stage's map; docs/bundle.md",
    **dict.fromkeys(
        ("features", "last map"),
        "class activation map: exact parts of the logits by place, from the last map; docs/bundle.md",
    ),
}


def describe(
    checkpoint: Checkpoint,
    parameters: int,
    calibration: Calibration | None,
    report: Report | None,
    evidence_from: str = "",
    novelty: Mapping[str, Any] | None = None,
    reference: Mapping[str, Counts] | None = None,
) -> Bundle:
    """What the bundle says of itself, gathered from the checkpoint and what lies beside it."""
    provenance = to_plain(dict(checkpoint.provenance))
    data = {key: provenance.pop(key, "") for key in ("source", "licence", "citation")}
    data["images"] = provenance.pop("training_images", None)
    return Bundle(
        model=checkpoint.model,
        parameters=parameters,
        taxonomy=checkpoint.taxonomy,
        image_spec=checkpoint.image_spec,
        temperature=1.0 if calibration is None else calibration.temperature,
        triage=_triage(checkpoint.taxonomy, calibration),
        calibration={} if calibration is None else to_plain(calibration),
        training_data=data,
        metrics={} if report is None else {name: to_plain(getattr(report, name)) for name in FIGURES},
        provenance={**provenance, "exported_by": hierattn.__version__, "options": dict(checkpoint.options)},
        recipe=to_plain(dict(checkpoint.recipe)),
        heatmap=HEATMAPS.get(evidence_from, ""),
        novelty=dict(novelty or {}),
        prediction_sets=_set_rules(report),
        trained_on=_seen(checkpoint.trained_on),
        reference=dict(reference or {}),
    )


def _seen(record: TrainedOn | None) -> str:
    if record is None or len(record.trained) + len(record.chosen) > MOST_SEEN:
        return ""
    return record.to_text()


def _set_rules(report: Report | None) -> tuple[SetRule, ...]:
    """The thresholds of the report's prediction sets, with what they reached on the outer fold."""
    return tuple(
        SetRule(
            target=row.target,
            threshold=row.threshold,
            coverage=row.coverage.value,
            interval=row.coverage.interval,
            mean_size=row.mean_size,
        )
        for row in (() if report is None else report.conformal)
    )


def _triage(taxonomy: Taxonomy, calibration: Calibration | None) -> TriageSettings:
    group = tuple(code for code in taxonomy.codes if code in taxonomy.triage_group)
    if calibration is None or not group or not calibration.has_threshold:
        return TriageSettings(group=group)
    test = calibration.test
    measured = test if test is not None and test.interval is not None else None
    return TriageSettings(
        group=group,
        threshold=calibration.risk_threshold,
        target_sensitivity=calibration.target_sensitivity,
        sensitivity=None if measured is None else measured.sensitivity,
        interval=None if measured is None else measured.interval,
        images=0 if measured is None else measured.images,
    )


def find_calibration(evaluation: Path | None) -> Calibration | None:
    """The calibration of an evaluation folder; None where there is none.

    Raises
    ------
    TableError
        Where it is damaged.
    """
    path = None if evaluation is None else EvaluationFolder(evaluation).calibration
    return None if path is None or not path.is_file() else read_calibration(path)


def find_reference(
    evaluation: Path | None, taxonomy: Taxonomy, calibration: Calibration | None
) -> dict[str, dict[str, int]]:
    """Counts of the calibrated answers on the inner fold; none where there is no such table, or no calibration.

    Raises
    ------
    TableError
        Where the table is damaged.
    """
    path = None if evaluation is None else EvaluationFolder(evaluation).validation
    if path is None or not path.is_file() or calibration is None:
        return {}
    table = read_predictions(path, taxonomy)
    _, risks = risk(table, calibration.temperature, calibration.class_bias)
    named = calibration.apply(table.probabilities).argmax(axis=1)
    counts = count_answers(taxonomy.codes, risks, (table.classes[place] for place in named))
    return counts if taxonomy.triage_group else {CLASSES: counts[CLASSES]}


def find_report(evaluation: Path | None) -> Report | None:
    """The report of an evaluation folder; None where there is none.

    Raises
    ------
    TableError
        Where it is damaged.
    """
    path = None if evaluation is None else EvaluationFolder(evaluation).report
    return None if path is None or not path.is_file() else Report.load(path)
