"""``MODEL_CARD.md``: what a model is for, what it learnt from, how well it does for whom, and what is not known.

Every figure comes from ``report.json``. The card never says that something is fine because nothing is known of it.

References
----------
Mitchell et al., Model Cards for Model Reporting, FAccT 2019.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hierattn.errors import TableError, UsageError
from hierattn.evaluation.measures.subgroups import ATTRIBUTES, FIGURES
from hierattn.evaluation.pages.checklists import CHECKLISTS, checklists
from hierattn.evaluation.pages.html_report import (
    decimal,
    gap_sentence,
    limits,
    percent,
    plain_reading,
    shown_provenance,
    span,
)

__all__ = ["checklists", "model_card", "read_report", "write_card"]
MOST_BYTES = 64 << 20
INTENDED = (
    "For research and teaching: to study how small networks classify photographs of single skin lesions, and how such "
    "figures should be measured.",
    "Not a medical device. Not for diagnosis, not for deciding whether to see a doctor, and not for lesions of mucosa, "
    "nails or scalp hair, for children, or for any disease that is not among its classes: it names one of its classes "
    "whatever it is shown.",
    "A photograph cannot rule out cancer. Whoever is worried about a lesion should have it seen.",
)


def read_report(run: Path) -> dict[str, Any]:
    """``report.json`` of a run's own evaluation, or of an evaluation folder.

    Raises
    ------
    UsageError, TableError
        Where it is missing or damaged.
    """
    path = next((p for p in (run / "evaluation" / "report.json", run / "report.json") if p.is_file()), None)
    if path is None:
        raise UsageError(f"no evaluation in {run}: run 'hierattn evaluate {run}' first")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = report["protocol"]["text"], report["classes"], report["provenance"]["judged_on"]
    except (ValueError, KeyError, TypeError) as error:
        raise TableError(f"{path} is not a report ({error}); evaluate the run again") from None
    return report


def write_card(path: Path, report: Mapping[str, Any]) -> None:
    """Write the card, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(model_card(report), encoding="utf-8")
    temporary.replace(path)


def model_card(report: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    made, data = report["provenance"], report["provenance"]["judged_on"]
    parts = [
        f"# Model card: {report['run']}",
        f"{made['model']}, {made['parameters']:,} parameters, {len(report['class_order'])} classes. "
        "**Not a medical device.**",
        "## Intended use",
        *(f"- {line}" for line in INTENDED),
        "## Data and licences",
        f"- Learnt from {made.get('training_images', 'an unknown number of')} images of "
        f"{made.get('source') or 'a set that the checkpoint does not name'}"
        + (f", licence {made['licence']}" if made.get("licence") else "")
        + ". A model inherits the conditions of what it learnt from: a non-commercial set makes a non-commercial "
        "model.",
        f"- Judged on {report['images']:,} images of {report['groups']:,} lesions or patients of {data['source']}"
        + (f", licence {data['licence']}" if data.get("licence") else "") + ".",
        *([f"- Cite: {data['citation']}"] if data.get("citation") else []),
        f"- {report['protocol']['text']}",
        "## How well it does",
        *plain_reading(report),
        _headline(report),
        "### By class",
        _by_class(report),
        *_subgroups(report),
        *_calibration(report),
        *_robustness(report),
        "## Limits",
        *(f"- {line}" for line in limits(report)),
        *(f"- {note}" for note in report["notes"]),
        *_checklists(report),
        "## Where it comes from",
        *(f"- {name}: {value}" for name, value in shown_provenance(report)),
    ]  # fmt: skip
    text = ""
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        text += part + ("\n" if part.startswith("- ") and following.startswith("- ") else "\n\n")
    return text.rstrip() + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], words: bool = False) -> str:
    """A table; all columns but the first to the right, or to the left where they hold words."""
    others = "---" if words else "---:"
    lines = [heads, ["---", *[others] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _share(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    return percent(figure["value"]) + (f" ({span(figure['interval'])})" if figure["interval"] else "")


def _area(figure: Mapping[str, Any]) -> str:
    known = figure["interval"]
    return decimal(figure["value"]) + (f" ({known[0]:.3f} to {known[1]:.3f})" if known else "")


def _headline(report: Mapping[str, Any]) -> str:
    points = report.get("operating_points", {}).get("malignant", {})
    rows = [
        ("balanced accuracy", _share(report["balanced_accuracy"])),
        ("top-1 accuracy", _share(report["top1"])),
        ("macro AUC", _area(report["macro_auc"])),
        ("cancer AUC", _area(report["malignant_auc"])),
        ("melanoma sensitivity", _share(report["melanoma_sensitivity"])),
    ]
    if points:
        rows += [
            ("cancer: partial AUC above 80 % sensitivity (0.02 to 0.2)", _area(points["partial_auc"])),
            ("cancer: sensitivity at 95 % specificity", _share(points["sensitivity_at_95_specificity"])),
            ("cancer: specificity at 95 % sensitivity", _share(points["specificity_at_95_sensitivity"])),
        ]
    return _table(("figure", "value (95 % interval)"), rows)


def _by_class(report: Mapping[str, Any]) -> str:
    rows = []
    for code in report["class_order"]:
        row = report["classes"][code]
        shares = [_share(row[name]) for name in ("sensitivity", "specificity", "precision")]
        rows.append((f"{code} {row['name']}", f"{row['images']} ({row['groups']})", *shares, _area(row["auc"])))
    return _table(("class", "images (groups)", "sensitivity", "specificity", "precision", "AUC"), rows)


def _subgroups(report: Mapping[str, Any]) -> list[str]:
    known = report.get("subgroups")
    if not known or not known["attributes"]:
        return [
            "### By subgroup",
            "The data say nothing about whom the photographs show: nothing is known of fairness.",
        ]
    parts = ["### By subgroup", gap_sentence(known)]
    for attribute, subgroups in known["attributes"].items():
        rows = [
            (
                row["name"] + (" (too few to say)" if row["too_few"] else ""),
                f"{row['images']} ({row['groups']})",
                *(_share(row.get(name)) if name != "malignant_auc" else _area(row[name]) for name in FIGURES),
            )
            for row in subgroups
        ]
        parts.append(_table((ATTRIBUTES[attribute], "images (groups)", *FIGURES.values()), rows))
    missing = [title for name, title in ATTRIBUTES.items() if name not in known["attributes"]]
    if missing:
        parts.append(f"Not told apart, because the data do not say or hold one kind only: {', '.join(missing)}.")
    return parts


def _calibration(report: Mapping[str, Any]) -> list[str]:
    known = report.get("calibration")
    if not known:
        return []
    error = known["expected_calibration_error"]
    parts = [
        "### Calibration",
        f"Temperature {known['temperature']:.3f}; expected calibration error {percent(error['before'])} before and "
        f"{percent(error['after'])} after it.",
    ]
    sets = [
        f"- Sets that should hold the truth {percent(row['wished'], 0)} of the time hold it "
        f"{_share(row['coverage'])}, with {decimal(row['mean_size'], 2)} classes on average."
        for row in report.get("conformal", ())
    ]
    return parts + sets


def _robustness(report: Mapping[str, Any]) -> list[str]:
    known = report.get("robustness")
    if known is None:
        return ["### Robustness", "Not measured: 'hierattn evaluate --robustness' does."]
    rows = [
        (
            f"{kind['title']}, {kind['severities'][known['middle']]['level']:g} {kind['unit']}",
            _share(kind["severities"][known["middle"]]["advice_flips"]),
            percent(kind["severities"][known["middle"]]["answer_flips"]),
        )
        for kind in known["changes"].values()
    ]
    return ["### Robustness", _table(("change", "advice flips", "answer flips"), rows)]


def _checklists(report: Mapping[str, Any]) -> list[str]:
    parts = ["## Checklists", "Filled from files where files can tell; what is **open** needs people."]
    for name, items in checklists(report).items():
        known = CHECKLISTS[name]
        rows = [(item["number"] or "", item["asks"] or "", _answered(item), item["remark"] or "") for item in items]
        parts += [f"### {name}", known.known, _table(("item", "asks for", "answer", known.remarks), rows, words=True)]
        left = [f"{item['number']}{' in part' if item['answer'] else ''}" for item in items if item["open"]]
        parts.append(f"Open: {', '.join(left)}.")
    return parts


def _answered(item: Mapping[str, str | None]) -> str:
    answer = item["answer"]
    if answer is None:
        return "**open**"
    return answer + (f"; **open**: {item['open']}" if item["open"] else "")
