"""What a bundle says of itself, gathered from the checkpoint and the evaluation beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hierattn
from hierattn.bundle.bundle import Bundle
from hierattn.bundle.prediction_set import SetRule
from hierattn.bundle.thresholds import TriageSettings
from hierattn.errors import BundleError
from hierattn.evaluation.measures.calibration import Calibration, read_calibration, to_json, undefined_as_none
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy import TRIAGE_GROUP

CALIBRATION, REPORT = "calibration.json", "report.json"
"""What 'hierattn evaluate' writes."""

FIGURES = ("images", "top1", "balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "melanoma_sensitivity")
"""What is copied from ``report.json``."""

HEATMAPS = {
    "branch": "exact parts of the logits by place, from branch attention's pixels on a grid of 15 x 15; docs/bundle.md",
    "last stage": "exact parts of the logits by place, from the last stage's map; docs/bundle.md",
    "features": "class activation map: exact parts of the logits by place, from the last map; docs/bundle.md",
}


def describe(
    checkpoint: Checkpoint,
    parameters: int,
    calibration: Calibration | None,
    report: Mapping[str, Any],
    evidence_from: str = "",
    novelty: Mapping[str, Any] | None = None,
) -> Bundle:
    """What the bundle says of itself, gathered from the checkpoint and what lies beside it."""
    provenance = undefined_as_none(dict(checkpoint.provenance))
    data = {key: provenance.pop(key, "") for key in ("source", "licence", "citation")}
    data["images"] = provenance.pop("training_images", None)
    return Bundle(
        model=checkpoint.model,
        parameters=parameters,
        classes=checkpoint.classes,
        image_spec=checkpoint.image_spec,
        temperature=1.0 if calibration is None else calibration.temperature,
        triage=_triage(checkpoint.classes, calibration),
        calibration={} if calibration is None else to_json(calibration),
        training_data=data,
        metrics=undefined_as_none({key: report[key] for key in FIGURES if key in report}),
        provenance={**provenance, "exported_by": hierattn.__version__, "options": dict(checkpoint.options)},
        recipe=undefined_as_none(dict(checkpoint.recipe)),
        heatmap=HEATMAPS.get(evidence_from, ""),
        novelty=dict(novelty or {}),
        prediction_sets=_set_rules(report),
    )


def _set_rules(report: Mapping[str, Any]) -> tuple[SetRule, ...]:
    """The thresholds of ``report.json``'s prediction sets, with what they reached on the untouched fold."""
    rules = []
    for row in report.get("conformal") or ():
        reached = row.get("coverage") or {}
        low, high = reached.get("interval") or (None, None)
        rules.append(
            SetRule(
                target=row["wished"],
                threshold=row["threshold"],
                coverage=reached.get("value"),
                interval=None if low is None or high is None else (low, high),
                mean_size=row.get("mean_size"),
            )
        )
    return tuple(rules)


def _triage(classes: Sequence[str], calibration: Calibration | None) -> TriageSettings:
    group = tuple(code for code in classes if code in TRIAGE_GROUP)
    values = None if calibration is None else to_json(calibration)
    if values is None or values["risk_threshold"] is None:
        return TriageSettings(group=group)
    test = values["test"] or {}
    interval = test.get("interval") or [None, None]
    measured = test.get("sensitivity") is not None and None not in interval
    return TriageSettings(
        group=group,
        threshold=values["risk_threshold"],
        target_sensitivity=values["wished_sensitivity"],
        sensitivity=test["sensitivity"] if measured else None,
        interval=(interval[0], interval[1]) if measured else None,
        images=int(test["images"]) if measured else 0,
    )


def find_calibration(evaluation: Path | None) -> Calibration | None:
    """``calibration.json`` of an evaluation folder; None where there is none.

    Raises
    ------
    TableError
        Where it is damaged.
    """
    if evaluation is None or not (evaluation / CALIBRATION).is_file():
        return None
    return read_calibration(evaluation / CALIBRATION)


def find_report(evaluation: Path | None) -> dict[str, Any]:
    """``report.json`` of an evaluation folder, as it lies there; empty where there is none.

    Raises
    ------
    BundleError
        Where it is damaged.
    """
    path = None if evaluation is None else evaluation / REPORT
    if path is None or not path.is_file():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} is no report ({error}); evaluate the run again") from None
    return report if isinstance(report, dict) else {}
