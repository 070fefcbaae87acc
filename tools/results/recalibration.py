"""What recalibration at home gains and how often it harms, simulated on real answers; and whether its bound holds.

    python -m tools.results.recalibration results/recalibration NAME=EVALUATION[:SOURCE] ...

Each EVALUATION is a folder of 'hierattn evaluate' on photographs that the model has not seen: of one source, where it
is named. Of its lesions 50, 100 and 200 are drawn as a clinic's own cases, 200 times; the answers are recalibrated on
them, and the advice before and after is read on all other lesions. The bound is tried in 2,000 drawn clinics whose true
sensitivity is known. ``recalibration.json`` holds the figures, ``recalibration.md`` a table; no photograph, no id.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import HierAttnError
from hierattn.evaluation.clinical_use.recalibration import PROVEN, recalibrate
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import Calibration, read_calibration, risk
from hierattn.evaluation.predictions import Predictions, read_predictions, rows_of
from hierattn.evaluation.report import Report
from hierattn.files import write_json, write_text
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT

SIZES, DRAWS, CLINICS = (50, 100, 200), 200, 2000
FEWEST_LEFT = 100
"""Lesions that must be left to read the advice on."""


def simulate(cases: Predictions, parent: Calibration, size: int, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """The advice before and after, on the lesions that were not drawn: means, and shares of draws that were worse."""
    generator, groups = np.random.default_rng(seed), cases.group_numbers
    count = int(groups.max()) + 1
    rows = []
    for draw in range(draws):
        home = np.isin(groups, generator.permutation(count)[:size])
        rest = rows_of(cases, np.flatnonzero(~home))
        fitted = recalibrate(rows_of(cases, np.flatnonzero(home)), parent, resamples=0, seed=draw)
        after = replace(rest, probabilities=fitted.apply(rest.probabilities))
        before, now = _figures(rest, parent.risk_threshold), _figures(after, fitted.threshold)
        rows.append((before, now, fitted.rule, fitted.changed, len(np.unique(groups[home & risk(cases, 1.0)[0]]))))
    told: dict[str, Any] = {"lesions": size, "draws": draws}
    told["positives"] = float(np.mean([row[4] for row in rows]))
    told["answers_changed"] = float(np.mean([row[3] for row in rows]))
    told["rules"] = {
        rule: float(np.mean([row[2] == rule for row in rows])) for rule in sorted({row[2] for row in rows})
    }
    for name in rows[0][0]:
        pairs = np.array([(row[0][name], row[1][name]) for row in rows])
        told[name] = {"before": float(pairs[:, 0].mean()), "after": float(pairs[:, 1].mean())}
    worse = {
        "log_loss": [now["log_loss"] > before["log_loss"] for before, now, *_ in rows],
        "sensitivity": [now["sensitivity"] < before["sensitivity"] for before, now, *_ in rows],
        "specificity": [now["specificity"] < before["specificity"] for before, now, *_ in rows],
        "both": [
            now["sensitivity"] <= before["sensitivity"]
            and now["specificity"] <= before["specificity"]
            and (now["sensitivity"], now["specificity"]) != (before["sensitivity"], before["specificity"])
            for before, now, *_ in rows
        ],
        "below_target": [now["sensitivity"] < parent.target_sensitivity for _, now, *_ in rows],
        "below_target_before": [before["sensitivity"] < parent.target_sensitivity for before, *_ in rows],
    }
    told["worse"] = {name: float(np.mean(values)) for name, values in worse.items()}
    return told


def _figures(table: Predictions, threshold: float) -> dict[str, float]:
    positive, scores = risk(table, 1.0)
    referred = scores >= threshold
    return {
        "log_loss": metrics.negative_log_likelihood(table.labels, table.probabilities),
        "calibration_error": metrics.expected_calibration_error(table.labels, table.probabilities),
        "balanced_accuracy": metrics.balanced_accuracy(table.labels, table.probabilities),
        "sensitivity": float(referred[positive].mean()),
        "specificity": float(1 - referred[~positive].mean()),
    }


def bound(clinics: int = CLINICS, lesions: int = 300, seed: int = 0) -> dict[str, float]:
    """How often new lesions reach the target, of clinics with a threshold that was proven on ``lesions`` cases."""
    generator = np.random.default_rng(seed)
    shift = generator.normal(0, 1, len(EIGHT.codes))
    nowhere = Calibration(1.0, 0.2, 0.95, None, None, "")  # type: ignore[arg-type]
    new, held = _drawn(generator, 20_000, shift), []
    for clinic in range(clinics):
        fitted = recalibrate(_drawn(generator, lesions, shift), nowhere, resamples=0, seed=clinic)
        if fitted.rule == PROVEN:
            positive, scores = risk(replace(new, probabilities=fitted.apply(new.probabilities)), 1.0)
            held.append(float((scores[positive] >= fitted.threshold).mean()) >= nowhere.target_sensitivity)
    return {"clinics": clinics, "lesions": lesions, "proven": len(held), "held": float(np.mean(held)), "promised": 0.8}


def _drawn(generator: np.random.Generator, lesions: int, shift: np.ndarray) -> Predictions:
    """Overconfident, shifted answers of eight classes, drawn by a formula."""
    labels = generator.choice(8, lesions, p=(0.1, 0.1, 0.2, 0.05, 0.15, 0.25, 0.1, 0.05))
    logits = generator.normal(0, 1.5, (lesions, 8))
    logits[np.arange(lesions), labels] += 2
    raised = np.exp(1.6 * logits + shift)
    names, alone = tuple(map(str, range(lesions))), ("",) * lesions
    shares = raised / raised.sum(axis=1, keepdims=True)
    return Predictions(names, EIGHT, shares, labels, np.zeros(lesions, np.int64), alone)


def read_answers(place: str) -> tuple[Predictions, Calibration]:
    """The calibrated answers of an evaluation, of one source where it is named, and the threshold."""
    path, _, source = place.partition(":")
    folder = EvaluationFolder(Path(path))
    calibration, table = read_calibration(folder.calibration), read_predictions(folder.predictions, EIGHT)
    if not Report.load(folder.report).bundle:
        table = replace(table, probabilities=calibration.apply(table.probabilities))
    if source:
        table = rows_of(table, np.array([row for row, name in enumerate(table.sources) if name == source]))
    return table, replace(calibration, temperature=1.0, class_bias=())


def page(told: Mapping[str, Any], command: str) -> str:
    """The table for people, Markdown."""
    lines = [
        "# Recalibration at home, simulated",
        "",
        f"`{command}`",
        "",
        f"So many lesions are drawn as own cases, {DRAWS} times; all figures are of the other lesions, before → after. "
        "*Harm* is a share of the draws: the log loss rises; the sensitivity is under 0.95; sensitivity and "
        "specificity both fall, or one does and the other stays.",
        "",
        "| answers | own lesions (to be seen) | answers changed | log loss | balanced accuracy | sensitivity "
        "| specificity | harm: log loss | harm: under 0.95 | harm: both | threshold |",
        "|---|---:|---:|---|---|---|---|---:|---|---:|---|",
    ]
    for name, rows in told["answers"].items():
        for row in rows:
            worse, shown = row["worse"], ("log_loss", "balanced_accuracy", "sensitivity", "specificity")
            pairs = (f"{row[key]['before']:.3f} → {row[key]['after']:.3f}" for key in shown)
            cells = (
                *(name, f"{row['lesions']} ({row['positives']:.0f})", percent(row["answers_changed"]), *pairs),
                percent(worse["log_loss"]),
                f"{percent(worse['below_target_before'])} → {percent(worse['below_target'])}",
                percent(worse["both"]),
                ", ".join(f"{rule} {percent(share)}" for rule, share in row["rules"].items()),
            )
            lines.append(f"| {' | '.join(cells)} |")
    known = told["bound"]
    lines += [
        "",
        f"The bound: of {known['clinics']:,} drawn clinics with {known['lesions']} cases each, {known['proven']:,} had "
        f"a proven threshold; new lesions reached the target in {percent(known['held'], 1)} of these (promised: "
        f"{percent(known['promised'])}).",
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Write the figures into a folder."""
    out, *places = arguments
    answers: dict[str, Any] = {}
    for name, _, place in (text.partition("=") for text in places):
        table, calibration = read_answers(place)
        lesions = int(table.group_numbers.max()) + 1
        answers[name] = [simulate(table, calibration, size) for size in SIZES if lesions - size >= FEWEST_LEFT]
    shown = " ".join(f"'{text.partition('=')[0]}=EVALUATION'" for text in places)
    told = {"answers": answers, "bound": bound()}
    write_json(Path(out) / "recalibration.json", told)
    write_text(Path(out) / "recalibration.md", page(told, f"python -m tools.results.recalibration {out} {shown}"))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    try:
        main(sys.argv[1:])
    except HierAttnError as error:
        raise SystemExit(str(error)) from None
