"""A comparison as tables: CSV for programs, Markdown for people, with the paper's column beside ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.evaluation.pages.html_report import area, span
from hierattn.shares import hundredths

FIGURES = ("balanced_accuracy", "top1", "macro_auc", "malignant_auc")
"""Of a row, each with its interval."""
COLUMNS = (
    "name", "title", "protocol", "parameters", "multiply_adds", "size", "images", "groups", "folds",
    "balanced_accuracy", "low", "high", "fold_mean", "fold_deviation", "top1", "macro_auc", "malignant_auc",
    "difference", "difference_low", "difference_high", "p", "holm_p", "paper_accuracy", "paper_where", "recipe",
    "commit",
)  # fmt: skip
PAIR_COLUMNS = ("first", "second", "figure", "difference", "low", "high", "p", "holm_p")


def csv_table(comparison: Mapping[str, Any]) -> str:
    """A row a model, in :data:`COLUMNS`; shares as fractions, empty where undefined."""
    text = io.StringIO()
    columns: list[str] = list(COLUMNS)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in comparison["rows"]:
        low, high = row["balanced_accuracy"]["interval"] or (None, None)
        difference = row["difference"] or {}
        gap_low, gap_high = difference.get("interval") or (None, None)
        paper = row["paper"] or {}
        values = {
            **{name: row[name] for name in COLUMNS if name in row and not isinstance(row[name], dict)},
            "protocol": comparison["protocol"],
            "images": comparison["images"],
            "groups": comparison["groups"],
            "folds": len(comparison["folds"]),
            "low": low,
            "high": high,
            **{name: row[name]["value"] for name in FIGURES},
            "difference": difference.get("value"),
            "difference_low": gap_low,
            "difference_high": gap_high,
            "p": difference.get("p"),
            "holm_p": difference.get("holm_p"),
            "paper_accuracy": paper.get("accuracy"),
            "paper_where": paper.get("where"),
        }
        writer.writerow({name: _written(value) for name, value in values.items()})
    return text.getvalue()


def pairs_table(comparison: Mapping[str, Any]) -> str:
    """Every pair of models, in :data:`PAIR_COLUMNS`: the second less the first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    for pair in comparison["pairs"]:
        for figure in ("balanced_accuracy", "malignant_auc"):
            known = pair[figure]
            low, high = known["interval"] or (None, None)
            values = (known["value"], low, high, known["p"], known["holm_p"])
            writer.writerow((pair["first"], pair["second"], figure, *map(_written, values)))
    return text.getvalue()


def _written(value: Any) -> Any:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def markdown_table(comparison: Mapping[str, Any]) -> str:
    """The table that Table 1 becomes, with what it was measured on above it."""
    heads = ("model", "parameters, M", "multiply-adds, M", "balanced accuracy, % (95 %)", "folds: mean ± sd",
             "top-1, %", "cancer AUC", f"against {comparison['rows'][0]['name']}, points (95 %)", "p, Holm",
             "paper: top-1, %")  # fmt: skip
    lines = [f"# {comparison['title']}", "", measured_on(comparison), ""]
    lines += [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)])]
    lines += [_line(cells(row)) for row in comparison["rows"]]
    lines += ["", *footnotes(comparison)]
    return "\n".join(lines) + "\n"


def _line(parts: Sequence[str]) -> str:
    return f"| {' | '.join(part.replace('|', chr(92) + '|') for part in parts)} |"


def cells(row: Mapping[str, Any]) -> list[str]:
    """One model's row as texts, in the order of the Markdown table and the page."""
    balanced, difference, paper = row["balanced_accuracy"], row["difference"], row["paper"]
    adds = row["multiply_adds"]
    deviation = row["fold_deviation"]
    return [
        row["name"],
        f"{row['parameters'] / 1e6:.2f}",
        "" if adds is None else f"{adds / 1e6:.0f}",
        f"{_points(balanced['value'])} ({span(balanced['interval'])})",
        f"{_points(row['fold_mean'])} ± {_points(deviation)}" if deviation is not None else _points(row["fold_mean"]),
        _points(row["top1"]["value"]),
        area(row["malignant_auc"]["value"]),
        "" if difference is None else "{} ({})".format(*signed_difference(difference)),
        "" if difference is None else p_text(difference["holm_p"]),
        "–" if paper is None or paper["accuracy"] is None else f"{100 * paper['accuracy']:.2f}",
    ]


def _points(value: float | None) -> str:
    return "–" if value is None else hundredths(value, 1)


def signed_difference(difference: Mapping[str, Any] | None) -> tuple[str, str]:
    """A difference in points and its interval, with their signs, as two texts; nothing has no sign.

    >>> signed_difference({"value": -0.0001, "interval": [-0.031, 0.02]})
    ('0.0', '-3.1 to +2.0')
    """
    if difference is None:
        return "", ""
    interval = difference["interval"]
    return _signed(difference["value"]), "–" if interval is None else " to ".join(map(_signed, interval))


def _signed(value: float | None) -> str:
    if value is None:
        return "–"
    points = round(100 * value, 1)
    return f"{points:+.1f}" if points else "0.0"


def p_text(value: float | None) -> str:
    """A p-value as people write it.

    >>> p_text(0.0002), p_text(0.031)
    ('< 0.001', '0.031')
    """
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def measured_on(comparison: Mapping[str, Any]) -> str:
    """One sentence: on what, and how."""
    folds = comparison["folds"]
    if source := comparison.get("left_out_source"):
        return (
            f"{comparison['images']:,} images of {comparison['groups']:,} lesions or patients of {source}, which the "
            f"networks never saw: they were trained on the other sources of {comparison['source']}."
        )
    way = "held out from training" if comparison["protocol"] == "honest" else "selected by the paper's protocol"
    return (
        f"{comparison['images']:,} images of {comparison['groups']:,} lesions or patients of {comparison['source']}, "
        f"{way}, in {len(folds)} fold{'s' if len(folds) > 1 else ''} ({', '.join(map(str, folds))})."
    )


def footnotes(comparison: Mapping[str, Any]) -> list[str]:
    """What a reader must know about the columns."""
    first, bootstrap = comparison["rows"][0]["name"], comparison["bootstrap"]
    notes = [
        f"Intervals: 95 %, {bootstrap['resamples']} resamples of whole lesions or patients.",
        f"Differences are from {first}, on the same images; p is two-sided, from exchanging two models' answers lesion "
        f"by lesion, with Holm's correction over all pairs ({len(comparison['pairs'])}).",
        f"The paper's column ({comparison['paper_source']}) is top-1 accuracy on a set that was balanced before it was "
        "folded, at 256 pixels, after 500 epochs: it is not comparable with the honest column beside it.",
    ]
    if comparison.get("left_out_source"):
        notes.append("One source is one clinic, not all clinics; nor do the intervals cover another training run.")
    elif len(comparison["folds"]) == 1:
        notes.append("One fold only: the intervals do not cover another training run or split.")
    if comparison["source"] == RENDERED:
        notes.append("Rendered lesions: these figures show that the tools work, and nothing about patients.")
    return notes


def pair_sentences(comparison: Mapping[str, Any]) -> list[str]:
    """Which pairs differ beyond chance, after the correction."""
    names = {row["name"] for row in comparison["rows"]}
    differing = [
        pair for pair in comparison["pairs"]
        if pair["balanced_accuracy"]["holm_p"] is not None and pair["balanced_accuracy"]["holm_p"] < 0.05
    ]  # fmt: skip
    if len(names) < 2:
        return []
    if not differing:
        return [
            "All these models are statistically indistinguishable on these images, after correction for the number of "
            "pairs."
        ]
    said = []
    for pair in differing:
        known = pair["balanced_accuracy"]
        better, worse = (pair["second"], pair["first"]) if known["value"] > 0 else (pair["first"], pair["second"])
        said.append(
            f"{better} is better than {worse} by {100 * abs(known['value']):.1f} points of balanced accuracy "
            f"(p {p_text(known['holm_p'])})."
        )
    return said
